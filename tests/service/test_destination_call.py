"""`POST /destination` on a real server."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.service.decision_fleet import FLEET, save_two_pools
from tests.service.destinations import (
    CALL,
    CANDIDATES,
    HEADER,
    LARGE,
    PATH,
    SMALL,
    ask,
    exchange,
)
from tests.service.server import Server

LIMITED = FLEET + "max_context_tokens:\n  qwen3-8b: 131072\n"
MAX_BYTES = 1024 * 1024
TOLD = ("denied", "openly", "elsewhere")


@pytest.fixture(scope="module")
def server(two_pools_server: Server) -> Server:
    return two_pools_server


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
    answer = server.post("/decision", both).json()
    assert answer["warnings"] == []
    assert answer["tokens"]["choices"] == 4
