"""What a browser may have been made to send, to a real server over plain sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.service.destinations import exchange
from tests.service.server import Server

BODY = b'{"llm": "llama-3.1-8b-instruct", "input_tokens": 10, "output_tokens": 10}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    named = {"JOULEPLAN_ALLOWED_HOSTS": "planner,*.example.org"}
    with Server({**named}) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def unset() -> Iterator[Server]:
    with Server({"JOULEPLAN_OPERATIONS_PORT": "0"}) as running:
        running.wait_until_ready()
        yield running


def sent(
    server: Server,
    *headers: str,
    method: str = "GET",
    path: str = "/healthz",
    http: str = "1.1",
    body: bytes = b"",
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the answer to exactly these headers."""
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/{http}", *headers, *length, "Connection: close", "", ""]
    answer = exchange(server.port, "\r\n".join(lines).encode() + body)
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *others = head.decode().split("\r\n")
    received = {name.lower(): value for name, value in (line.split(": ", 1) for line in others)}
    return int(first.split()[1]), received, rest


def problem(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    status, headers, body = answer
    assert headers["content-type"] == "application/problem+json"
    return status, json.loads(body)["type"].rpartition(":")[2]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "localhost."]
)
def test_loopback_hosts_are_answered(unset: Server, host: str) -> None:
    assert sent(unset, f"Host: {host}")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104  a browser may reach this machine by it
        "",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "a:b:c",
        "[::1",
        "127.0.0.1@evil.example",
    ],
)
@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json", "/v1/placements"])
def test_other_hosts_are_not(unset: Server, host: str, path: str) -> None:
    assert problem(sent(unset, f"Host: {host}", path=path)) == (421, "host-not-served")


def test_what_changes_something_is_not_done_for_other_hosts(unset: Server) -> None:
    headers = ("Host: evil.example", "Content-Type: application/json")
    body = b'{"joules_per_quality_token": 2}'
    assert problem(sent(unset, *headers, method="PUT", path="/policy", body=body))[0] == 421
    assert unset.client.get("/policy").json()["source"] == "fallback"


@pytest.mark.parametrize(
    "headers",
    [(), ("Host: localhost", "Host: localhost"), ("Host: localhost", "host: evil.example")],
)
def test_not_exactly_one_host_is_malformed(unset: Server, headers: tuple[str, ...]) -> None:
    assert problem(sent(unset, *headers)) == (400, "malformed-request")


def test_http_1_0_needs_no_host(unset: Server) -> None:
    assert sent(unset, http="1.0")[0] == 200
    assert sent(unset, "Host: evil.example", http="1.0")[0] == 421


def test_the_operations_port_answers_alike(unset: Server) -> None:
    (port,) = re.findall(r"Operations are served on http://127\.0\.0\.1:(\d+)", unset.logs())
    request = "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"
    assert exchange(int(port), request.format("evil.example").encode()).startswith(b"HTTP/1.1 421")
    answer = exchange(int(port), request.format("localhost").encode())
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'unadmitted_calls_total{status="host-not-served"}' in answer


@pytest.mark.parametrize("host", ["planner", "Planner:8080", "a.example.org", "localhost"])
def test_hosts_of_the_setting_are_answered(server: Server, host: str) -> None:
    assert sent(server, f"Host: {host}")[0] == 200


@pytest.mark.parametrize("host", ["example.org", "planner.evil.example", "10.0.0.1"])
def test_hosts_beside_the_setting_are_not(server: Server, host: str) -> None:
    assert sent(server, f"Host: {host}")[0] == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("Origin: http://localhost:8080",), 200),
        (("Origin: http://localhost:3000",), 403),
        (("Origin: https://evil.example",), 403),
        (("Origin: null",), 403),
        (("Origin: https://planner",), 200),
        (("Sec-Fetch-Site: same-origin",), 200),
        (("Sec-Fetch-Site: none",), 200),
        (("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"), 403),
        (("Sec-Fetch-Site: CROSS-SITE",), 403),
        (("Sec-Fetch-Site: same-site",), 403),
        (("Sec-Fetch-Site: cross-site, same-origin",), 403),
        (("Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin"), 403),
        (("Origin: http://evil.example", "Origin: http://localhost:8080"), 403),
        (("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"), 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_other_sites_are_refused(
    server: Server, headers: tuple[str, ...], status: int, method: str
) -> None:
    sent_headers = ("Host: localhost:8080", *headers)
    if method == "GET":
        answer = sent(server, *sent_headers, path="/placements")
    else:
        typed = (*sent_headers, "Content-Type: application/json")
        answer = sent(server, *typed, method="POST", path="/decision", body=BODY)
    assert answer[0] == status
    if status == 403:
        assert problem(answer) == (403, "cross-site")


def test_a_link_from_elsewhere_may_be_followed_but_no_form_sent(server: Server) -> None:
    link = (
        "Host: localhost",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: document",
    )
    assert sent(server, *link, path="/docs")[0] == 200
    assert sent(server, *link, method="POST", path="/decision", body=BODY)[0] == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/plan"),
        ("POST", "/predict"),
        ("POST", "/decision"),
        ("POST", "/actuals"),
        ("POST", "/destination"),
        ("PUT", "/policy"),
        ("POST", "/plan/frontier"),
    ],
)
@pytest.mark.parametrize(
    "kind",
    [(), ("Content-Type: text/plain",), ("Content-Type: application/x-www-form-urlencoded",)],
)
def test_a_body_of_no_type_that_is_read_is_refused(
    unset: Server, method: str, path: str, kind: tuple[str, ...]
) -> None:
    answer = sent(unset, "Host: localhost", *kind, method=method, path=path, body=BODY)
    assert problem(answer) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/readyz", "/docs", "/openapi.json", "/nowhere", "/docs-assets/swagger-ui.css"],
)
def test_every_answer_says_that_it_is_what_it_says(unset: Server, path: str) -> None:
    _, headers, _ = sent(unset, "Host: localhost", path=path)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_documentation_runs_its_own_scripts_only_and_in_no_frame(unset: Server) -> None:
    _, headers, page = sent(unset, "Host: localhost", path="/docs")
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert rules["script-src"].count("sha256-") == page.count(b"<script>") == 1
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/placements",
        "/cost-models",
        "/plans",
        "/openapi.json",
        "/docs",
        "/policy",
        "/actuals",
    ],
)
def test_head_answers_as_get_without_a_body(unset: Server, path: str) -> None:
    status, headers, body = sent(unset, "Host: localhost", method="HEAD", path=path)
    got, gotten, whole = sent(unset, "Host: localhost", path=path)
    assert (status, body) == (got, b"")
    assert status == 200
    assert whole
    assert headers["content-type"] == gotten["content-type"]


def test_head_is_not_where_get_is_not(unset: Server) -> None:
    status, headers, _ = sent(unset, "Host: localhost", method="HEAD", path="/decision")
    assert (status, headers["allow"]) == (405, "POST")
    status, headers, _ = sent(unset, "Host: localhost", method="PATCH", path="/policy")
    assert (status, headers["allow"]) == (405, "DELETE, GET, HEAD, PUT")
