"""`POST /destination` and `GET /prices` on a real server."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.decision_fleet import FLEET, save_two_pools
from tests.service.server import Server
from tests.service.test_request_body import TAKEN, WRONG

CALL = {
    "model": "qwen3-8b",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "x" * 800}],
}
LIMITED = FLEET + "max_context_tokens:\n  qwen3-8b: 131072\n"
SMALL, LARGE = "10.0.0.1:8000", "10.0.0.2:8000"
CANDIDATES = f"small={SMALL},large={LARGE}"
PATH = "/destination/v1/chat/completions"
JSON_TYPE = {"content-type": "application/json"}
HEADER = "x-jouleplan-candidates"
MAX_BYTES = 1024 * 1024
TOLD = ("denied", "openly", "elsewhere")


@pytest.fixture(scope="module")
def server(two_pools_server: Server) -> Server:
    return two_pools_server


def ask(
    server: Server, headers: dict[str, str] | None = None, path: str = PATH, json: Any = CALL
) -> httpx.Response:
    return server.client.post(path, json=json, headers={HEADER: CANDIDATES} | (headers or {}))


@pytest.mark.parametrize(
    "path", ["/destination", PATH, "/v1/destination", "/v1/destination/v1/completions"]
)
def test_the_endpoint_of_the_chosen_pool_is_in_a_header(server: Server, path: str) -> None:
    answer = ask(server, path=path)
    assert answer.status_code == 200, answer.text
    placement = answer.json()["placement"]
    assert placement["pool"] == answer.headers["x-jouleplan-pool"]
    assert placement["name"] == answer.headers["x-gateway-destination-endpoint"]
    assert placement["name"] == {"small": SMALL, "large": LARGE}[placement["pool"]]
    assert answer.json()["decision_id"] == answer.headers["x-jouleplan-decision-id"]
    assert answer.json()["tokens"]["input_tokens"] == 200


def test_it_decides_as_a_decision_does(server: Server) -> None:
    free = ask(server).json()["placement"]
    runtime = {
        one["pool"]: one["runtime_seconds"]
        for one in server.client.get(
            "/prices", params={"input_tokens": 200, "output_tokens": 100}
        ).json()["prices"]
    }
    between = (runtime["small"] + runtime["large"]) / 2
    body = {
        "request": CALL,
        "candidates": [{"llm": "qwen3-8b", "pool": pool} for pool in ("small", "large")],
    }
    hurried = ask(server, {"x-jouleplan-deadline-seconds": f"{between:.6f}"})
    decided = server.post("/decision", body | {"deadline_seconds": between}).json()
    assert free["pool"] == "small"
    assert hurried.headers["x-gateway-destination-endpoint"] == LARGE
    assert decided["placement"]["pool"] == "large"


def test_the_llm_of_the_header_goes_before_that_of_the_body(server: Server) -> None:
    other = CALL | {"model": "somebody/else"}
    assert ask(server, json=other).status_code == 422
    assert ask(server, {"x-jouleplan-llm": "Qwen/Qwen3-8B"}, json=other).status_code == 200
    assert ask(server, json=CALL | {"model": "Qwen/Qwen3-8B"}).status_code == 200
    unknown = server.client.post(PATH, json=CALL, headers={"x-jouleplan-llm": "unknown"})
    assert unknown.json()["detail"].startswith("x-jouleplan-llm: ")


def test_without_candidates_the_pool_is_named_and_no_endpoint(server: Server) -> None:
    answer = server.client.post(PATH, json=CALL)
    assert answer.headers["x-jouleplan-pool"] in {"small", "large"}
    assert "x-gateway-destination-endpoint" not in answer.headers


def test_a_body_is_not_needed_where_the_llm_is_named(server: Server) -> None:
    headers = {HEADER: CANDIDATES, "x-jouleplan-llm": "qwen3-8b"}
    answer = server.client.post(PATH, headers=headers)
    assert answer.status_code == 200, answer.text
    assert server.client.post(PATH, headers={HEADER: CANDIDATES}).status_code == 422


def test_pools_that_the_fleet_does_not_have_are_never_a_destination(server: Server) -> None:
    answer = ask(server, {HEADER: f"evil=192.0.2.6:80,large={LARGE}"})
    assert answer.headers["x-gateway-destination-endpoint"] == LARGE
    assert ask(server, {HEADER: "evil=192.0.2.6:80"}).status_code == 422


def test_the_addresses_of_ipv6_and_names_are_taken(server: Server) -> None:
    for endpoint in ("[fd00::1]:8000", "[::ffff:10.0.0.1]:1", "vllm-0.pods.svc:65535"):
        answer = ask(server, {HEADER: f"small={endpoint}"})
        assert answer.headers["x-gateway-destination-endpoint"] == endpoint


def completion(size: int) -> bytes:
    """Return a completion of so many bytes."""
    empty = b'{"model": "qwen3-8b", "max_tokens": 9, "prompt": "%s"}'
    return empty % (b"x" * (size - len(empty) + 2))


@pytest.mark.parametrize("path", ["/destination", "/decision", "/v1/decision"])
def test_prompts_of_long_contexts_are_read_and_bodies_over_a_mebibyte_are_not(
    server: Server, path: str
) -> None:
    def posted(size: int, **headers: str) -> httpx.Response:
        head, tail = (b"", b"") if path == "/destination" else (b'{"request": ', b"}")
        content = head + completion(size - len(head + tail)) + tail
        named = {"content-type": "application/json"} | headers
        return server.client.post(path, content=content, headers=named)

    longest = posted(MAX_BYTES)
    assert longest.status_code == 200
    assert longest.json()["tokens"]["input_tokens"] > 128 * 1024
    for size in (MAX_BYTES + 1, 3 * MAX_BYTES):
        refused = posted(size)
        assert refused.status_code == 413
        assert f"at most {MAX_BYTES} bytes" in refused.json()["detail"]
        assert posted(1000).status_code == 200
    openly = posted(MAX_BYTES + 1, **{"x-jouleplan-fail-open": "true"})
    if path == "/destination":
        assert (openly.status_code, openly.headers["x-jouleplan-refused"]) == (200, "too-large")
    else:
        assert openly.status_code == 413


@pytest.mark.parametrize("path", ["/destination", "/decision", "/policy"])
def test_what_is_too_long_does_not_stand_before_the_next_call(server: Server, path: str) -> None:
    method = "PUT" if path == "/policy" else "POST"
    size = 3 * MAX_BYTES
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    first = f"{head}content-length: {size}\r\n\r\n".encode() + completion(size)
    second = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answers = exchange(server.port, first + second)
    assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == [b"413", b"200"]


LONGEST_HOST = ".".join(["a" * 63] * 3 + ["a" * 61])


@pytest.mark.parametrize("length", range(249, 254))
@pytest.mark.parametrize("port", [1, 65535])
def test_the_longest_host_names_come_back(server: Server, length: int, port: int) -> None:
    endpoint = f"{LONGEST_HOST[-length:]}:{port}"
    answer = ask(server, {HEADER: f"small={endpoint}"})
    assert answer.headers["x-gateway-destination-endpoint"] == endpoint
    assert ask(server, {HEADER: f"small=a.{LONGEST_HOST}:{port}"}).status_code == 422


def test_a_name_may_be_as_long_as_an_endpoint(server: Server) -> None:
    def named(name: str) -> httpx.Response:
        candidates = [{"llm": "qwen3-8b", "pool": "small", "name": name}]
        return server.post("/decision", {"request": CALL, "candidates": candidates})

    longest = f"{LONGEST_HOST}:65535"
    assert named(longest).json()["placement"]["name"] == longest
    assert named(longest + "x").status_code == 422


HOSTILE = [
    "", " ", ",", "small", "small=", "small=10.0.0.1", "small=10.0.0.1:", "small=10.0.0.1:0",
    "small=10.0.0.1:65536", "small=10.0.0.1:080", "small=10.0.0.1:99999999999", "=10.0.0.1:80",
    "small=:80", "small=http://10.0.0.1:80", "small=10.0.0.1:80/", "small=10.0.0.1:80/v1",
    "small=10.0.0.1:80?x=1", "small=10.0.0.1:80#x", "small=user@10.0.0.1:80",
    "small=user:secret@10.0.0.1:80", "small=10.0.0.1:80 ", "small= 10.0.0.1:80",
    "small=10.0.0.1:80, large=10.0.0.2:80", "small=10.0.0.1:80,", ",small=10.0.0.1:80",
    "small=10.0.0.1:80;large=10.0.0.2:80", "small=10.0.0.1:80,small=10.0.0.2:80",
    "sm all=10.0.0.1:80", "small/=10.0.0.1:80", "small=fd00::1:80", "small=[fd00::1]",
    "small=[fd00::1%eth0]:80", "small=[not-an-address]:80", "small=[]:80", "small=-a:80",
    "small=a..b:80", "small=a_b:80", "small=10.0.0.1:80\t", "small=10.0.0.1:8\t0",
    "small=10.0.0.1:80\\r\\nx: y", "small=10.0.0.1%0d%0a:80", "small=" + "a" * 64 + ":80",
    "small=" + "a." * 200 + "b:80", "x" * 65 + "=10.0.0.1:80", "small==10.0.0.1:80",
    "small=10.0.0.1:+80", "small=10.0.0.1:8_0", "small=${jndi}:80", "small=\u00e9:80",
    "small=10.0.0.1:\u00b2", ",".join(f"{n}=h:80" for n in range(1025)),
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_anything_but_pools_with_host_and_port_is_refused(server: Server, value: str) -> None:
    raw = value.encode("latin-1")
    # Blanks around a value are no part of it (RFC 9110), so they cannot be refused.
    if raw.strip(b" \t") != raw and raw.strip(b" \t"):
        raw = b"small=10.0.0.1:80 x"
    head = b"POST %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n" % PATH.encode()
    head += b"x-jouleplan-llm: qwen3-8b\r\n%s: %s\r\n" % (HEADER.encode(), raw)
    answer = exchange(server.port, head + b"content-length: 0\r\n\r\n")
    status, _, rest = answer.partition(b"\r\n")
    assert b" 422 " in status, answer
    assert HEADER.encode() in rest.partition(b"\r\n\r\n")[2]
    assert b"x-gateway-destination-endpoint" not in answer.lower()


def test_a_header_that_comes_twice_is_refused(server: Server) -> None:
    headers = [(HEADER, CANDIDATES), (HEADER, "small=192.0.2.6:80")]
    answer = server.client.post(PATH, json=CALL, headers=headers)
    assert answer.status_code == 422
    assert HEADER in answer.json()["detail"]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-jouleplan-llm", "a b"),
        ("x-jouleplan-llm", "../.."),
        ("x-jouleplan-llm", "x" * 97),
        ("x-jouleplan-route", "x" * 129),
        ("x-jouleplan-route", "a\tb"),
        *(
            ("x-jouleplan-deadline-seconds", text)
            for text in ("", "0", "-1", "nan", "inf", "1e999", "0x10", "1_0", "1,5", "9" * 40)
        ),
    ],
)
def test_what_the_other_headers_cannot_hold_is_refused(
    server: Server, header: str, value: str
) -> None:
    answer = ask(server, {header: value})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(f"{header}: ")


@pytest.mark.parametrize(
    ("content", "status"), [(b"[]", 422), (b"7", 422), (b"{", 400), (b"\xff", 400)]
)
def test_bodies_that_are_no_object_are_refused(server: Server, content: bytes, status: int) -> None:
    answer = server.client.post(PATH, content=content, headers=JSON_TYPE | {HEADER: CANDIDATES})
    assert answer.status_code == status


def test_refusals_come_with_status_200_where_the_gateway_asks_for_it(server: Server) -> None:
    open_ = {"x-jouleplan-fail-open": "true"}
    for answer, slug in (
        (ask(server, open_ | {HEADER: "nonsense"}), "invalid-request"),
        (ask(server, open_, json=CALL | {"model": "unknown"}), "invalid-request"),
        (server.client.post(PATH, content=b"{", headers=open_ | JSON_TYPE), "malformed-json"),
    ):
        assert answer.status_code == 200
        assert answer.headers["x-jouleplan-refused"] == slug
        assert answer.headers["content-type"] == "application/problem+json"
        assert "x-gateway-destination-endpoint" not in answer.headers
        assert "x-jouleplan-pool" not in answer.headers
    assert ask(server, {"x-jouleplan-fail-open": "yes", HEADER: "nonsense"}).status_code == 422
    assert "x-jouleplan-refused" not in ask(server, open_).headers


def test_refusals_and_destinations_are_counted_as_decisions(server: Server) -> None:
    def counts() -> dict[str, float]:
        lines = server.client.get("/metrics").text.splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("jouleplan_decisions")]
        return {name: float(value) for name, value in pairs}

    before = counts()
    ask(server)
    ask(server, {HEADER: "nonsense"})
    after = counts()
    risen = {name for name, value in after.items() if value > before.get(name, 0.0)}
    assert any('"fallback"' in name for name in risen)
    assert any('"invalid-request"' in name for name in risen)


def test_only_what_did_not_go_well_is_logged(server: Server) -> None:
    def named(name: str, **more: str) -> dict[str, str]:
        return {"x-request-id": name} | more

    for prefix in ("", "/v1"):
        for path in ("/destination", PATH, "/destination/"):
            ask(server, named("well"), path=prefix + path)
        server.client.get(f"{prefix}/prices", headers=named("well"))
        json = {"llm": "qwen3-8b", "input_tokens": 1, "output_tokens": 1}
        server.client.post(f"{prefix}/decision", json=json, headers=named("well"))
    ask(server, named("denied") | {HEADER: "nonsense"})
    ask(server, named("openly") | {HEADER: "nonsense", "x-jouleplan-fail-open": "true"})
    server.client.get("/elsewhere/destination", headers=named("elsewhere"))
    server.client.get("/placements", headers=named("last"))
    assert [line["path"] for line in server.logged("last")] == ["/placements"]
    statuses = {name: [line["status"] for line in server.logged(name)] for name in TOLD}
    assert statuses == {"denied": [422], "openly": [200], "elsewhere": [404]}
    assert '"well"' not in server.logs()


def prices(server: Server, **query: int) -> dict[str, dict[str, Any]]:
    answer = server.client.get("/prices", params=query)
    assert answer.status_code == 200, answer.text
    return {one["pool"]: one for one in answer.json()["prices"]}


def test_prices_are_those_that_a_decision_compares(server: Server) -> None:
    told = prices(server, input_tokens=200, output_tokens=100)
    body = {"llm": "qwen3-8b", "input_tokens": 200, "output_tokens": 100}
    made = server.post("/decision", body).json()
    assert set(told) == {"small", "large"}
    assert min(told, key=lambda pool: told[pool]["price_joules"]) == made["placement"]["pool"]
    extra = told["large"]["price_joules"] - told["small"]["price_joules"]
    assert made["runner_up"]["extra_price_joules"] == pytest.approx(extra)
    assert told["small"]["energy_joules"] == pytest.approx(
        made["placement"]["energy_joules"]["value"]
    )


def test_longer_requests_never_cost_less_and_asking_decides_nothing(server: Server) -> None:
    first = prices(server)
    longer = prices(server, input_tokens=600, output_tokens=300)
    for pool in first:
        assert longer[pool]["price_joules"] >= first[pool]["price_joules"]
    waits = [prices(server)["small"]["wait_seconds"] for _ in range(20)]
    assert waits == sorted(waits, reverse=True)


def test_the_present_load_is_in_the_prices(server: Server) -> None:
    for _ in range(3):
        ask(server, {HEADER: f"large={LARGE}"})
    assert prices(server)["large"]["wait_seconds"] > 0


@pytest.mark.parametrize("query", ["input_tokens=-1", "output_tokens=0", "output_tokens=1e3",
                                   "input_tokens=abc", "input_tokens=99999999999"])  # fmt: skip
def test_lengths_out_of_range_are_refused(server: Server, query: str) -> None:
    answer = server.client.get(f"/prices?{query}")
    assert answer.status_code == 422
    name, _, given = query.partition("=")
    (error,) = answer.json()["errors"]
    assert error["pointer"] == f"/query/{name}"
    assert answer.json()["detail"] == f"/query/{name}: {error['detail']}"
    assert re.fullmatch(
        rf"Expected a whole number from [01] to [0-9]+, got '{given}'\.", error["detail"]
    )


def exchange(port: int, message: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(message)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_parts_that_are_no_text_count_nothing_and_are_reported(server: Server) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + 4000 * "A"}}
    seen = CALL | {"messages": [*CALL["messages"], {"role": "user", "content": [image]}]}  # type: ignore[misc]
    answer = ask(server, json=seen)
    assert answer.json()["tokens"]["input_tokens"] == 200
    assert answer.headers["x-jouleplan-not-counted"] == "1 images"
    assert [one["code"] for one in answer.json()["warnings"]] == ["prompt_parts_not_counted"]
    decided = server.post("/decision", {"request": seen}).json()
    assert decided["warnings"] == answer.json()["warnings"]
    plain = ask(server)
    assert "x-jouleplan-not-counted" not in plain.headers
    assert plain.json()["warnings"] == []


def test_tools_that_fit_no_context_are_placed_nowhere(tmp_path: Path) -> None:
    function = {"name": "f", "description": 750_000 * "d"}
    large = CALL | {"tools": [{"type": "function", "function": function}]}
    settings = {
        "JOULEPLAN_MODELS_DIR": str(save_two_pools(tmp_path, LIMITED)),
    }
    with Server(settings) as limited:
        limited.wait_until_ready()
        assert ask(limited).status_code == 200
        assert ask(limited, json=large).status_code == 422
        assert limited.post("/decision", {"request": large}).status_code == 422


def test_a_body_of_any_depth_is_decided_or_refused(server: Server) -> None:
    # Any depth that the reader of JSON takes is counted, and nothing deeper ends in a fault.
    for depth in (100, 1_000, 100_000):
        text = '{"model": "qwen3-8b", "tools": ' + depth * "[" + depth * "]" + "}"
        answer = server.client.post(
            PATH, content=text, headers={"content-type": "application/json"}
        )
        assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize(("name", "value", "below", "told"), WRONG)
def test_what_no_server_takes_is_refused_by_the_member_that_was_sent(
    server: Server, name: str, value: Any, below: str, told: str
) -> None:
    wrong = CALL | {name: value}
    there = ask(server, json=wrong)
    here = server.post("/decision", {"request": wrong, "llm": "qwen3-8b"})
    for answer, where in ((there, f"/{name}{below}"), (here, f"/request/{name}{below}")):
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"] == [{"pointer": where, "detail": told}]
        assert answer.json()["detail"].startswith(f"{where}: ")
    openly = ask(server, {"x-jouleplan-fail-open": "true"}, json=wrong)
    assert (openly.status_code, openly.headers["x-jouleplan-refused"]) == (200, "invalid-request")


@pytest.mark.parametrize("body", TAKEN)
def test_what_servers_take_is_decided(server: Server, body: dict[str, Any]) -> None:
    taken = CALL | body
    assert ask(server, {"x-jouleplan-llm": "qwen3-8b"}, json=taken).status_code == 200
    answer = server.post("/decision", {"request": taken, "llm": "qwen3-8b"})
    assert answer.status_code == 200, answer.text


def test_each_prompt_of_a_list_is_a_request_of_its_own(server: Server) -> None:
    listed = {"model": "qwen3-8b", "max_tokens": 50, "n": 2}
    several = server.post("/decision", {"request": listed | {"prompt": ["x" * 400, [1, 2]]}})
    tokens = several.json()["tokens"]
    assert (tokens["input_tokens"], tokens["prompts"], tokens["choices"]) == (102, 2, 2)
    seconds = [
        server.post("/decision", {"request": listed | {"prompt": one}}).json()["placement"]
        for one in ("x" * 400, [1, 2])
    ]
    for one in seconds:
        assert one["pool"] == several.json()["placement"]["pool"]
    assert ask(server, json=listed | {"prompt": ["a", "b", "c"]}).json()["tokens"]["prompts"] == 3


def test_candidates_that_the_fleet_does_not_have_are_reported_beside_the_decision(
    server: Server,
) -> None:
    asked = {"llm": "qwen3-8b", "pool": "small"}
    for strange in ({"llm": "openai/*"}, {"llm": "qwen3-8", "pool": "small"}):
        answer = server.post("/decision", {"input_tokens": 5, "candidates": [asked, strange]})
        (warning,) = answer.json()["warnings"]
        assert warning["code"] == "unknown_candidates"
        assert strange["llm"] in warning["message"]
        assert "qwen3-8b on small" in warning["message"]
    both = {"input_tokens": 5, "candidates": [asked], "choices": 4}
    told = server.post("/decision", both).json()
    assert told["warnings"] == []
    assert told["tokens"]["choices"] == 4


@pytest.mark.parametrize(
    ("strange", "nearest"),
    [
        ({"llm": "qwen3-8b", "pool": "Small"}, "small"),
        ({"llm": "qwen3-8b", "pool": "LARGE"}, "large"),
        ({"llm": "qwen3-8", "pool": "small"}, "qwen3-8b"),
        ({"llm": "qwen3-8", "pool": "Large"}, "qwen3-8b, large"),
    ],
)
def test_the_hint_is_of_the_name_that_the_fleet_does_not_have(
    server: Server, strange: dict[str, str], nearest: str
) -> None:
    answer = server.post("/decision", {"input_tokens": 5, "candidates": [strange]})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/candidates"
    assert error["detail"].endswith(f" Nearest: {nearest}.")


def test_a_floor_over_llms_of_unknown_quality_invents_no_highest_score(server: Server) -> None:
    answer = server.post("/decision", {"llm": "qwen3-8b", "input_tokens": 5, "min_quality": 0.5})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/min_quality"
    assert "the quality of no LLM that may serve it is known, got 0.5." in error["detail"]
