"""What `POST /destination` refuses, and how: headers, bodies and names that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.destinations import (
    CALL,
    CANDIDATES,
    HEADER,
    JSON_TYPE,
    PATH,
    ask,
    exchange,
)
from tests.service.request_members import TAKEN, WRONG
from tests.service.server import Server

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


@pytest.fixture(scope="module")
def server(two_pools_server: Server) -> Server:
    return two_pools_server


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


def test_a_body_of_any_depth_is_decided_or_refused(server: Server) -> None:
    # Any depth that the reader of JSON takes is counted, and nothing deeper ends in a fault.
    for depth in (100, 1_000, 100_000):
        text = '{"model": "qwen3-8b", "tools": ' + depth * "[" + depth * "]" + "}"
        answer = server.client.post(
            PATH, content=text, headers={"content-type": "application/json"}
        )
        assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize(("name", "value", "below", "detail"), WRONG)
def test_what_no_server_takes_is_refused_by_the_member_that_was_sent(
    server: Server, name: str, value: Any, below: str, detail: str
) -> None:
    wrong = CALL | {name: value}
    there = ask(server, json=wrong)
    here = server.post("/decision", {"request": wrong, "llm": "qwen3-8b"})
    for answer, where in ((there, f"/{name}{below}"), (here, f"/request/{name}{below}")):
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"] == [{"pointer": where, "detail": detail}]
        assert answer.json()["detail"].startswith(f"{where}: ")
    openly = ask(server, {"x-jouleplan-fail-open": "true"}, json=wrong)
    assert (openly.status_code, openly.headers["x-jouleplan-refused"]) == (200, "invalid-request")


@pytest.mark.parametrize("body", TAKEN)
def test_what_servers_take_is_decided(server: Server, body: dict[str, Any]) -> None:
    taken = CALL | body
    assert ask(server, {"x-jouleplan-llm": "qwen3-8b"}, json=taken).status_code == 200
    answer = server.post("/decision", {"request": taken, "llm": "qwen3-8b"})
    assert answer.status_code == 200, answer.text


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
