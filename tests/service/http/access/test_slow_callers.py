"""Callers who are slow on purpose, on a real server whose limits are 1 and 2 s."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.service.bodies import endless
from tests.service.http.access.keys import Keys, get
from tests.service.http.access.sockets import connected, everything
from tests.service.server import Server
from tests.waiting import PATIENCE_S, wait_until


def begun(keys: Keys, path: str, length: str = "Content-Length: 1000") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"X-API-Key: {keys.texts['any']}\r\n{length}\r\n\r\n"
    ).encode()


def is_cut_off(caller: socket.socket, byte: bytes) -> bool:
    """Whether the connection is closed while bytes trickle in."""
    end = time.perf_counter() + PATIENCE_S
    caller.settimeout(0.1)
    while time.perf_counter() < end:
        try:
            caller.sendall(byte)
            if not caller.recv(1):
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def answers_to(server: Server, *heads: bytes) -> list[bytes]:
    """Return all that comes of calls that begin at once and go no further."""
    callers = [connected(server) for _ in heads]
    for caller, head in zip(callers, heads, strict=True):
        caller.sendall(head)
    answers = [everything(caller) for caller in callers]
    for caller in callers:
        caller.close()
    return answers


def test_a_body_that_stops_is_refused_and_its_connection_closed(
    guarded: Server, shared_keys: Keys
) -> None:
    paths = ("/plan", "/predict", "/plan/frontier", "/decision", "/actuals")
    for answer in answers_to(guarded, *(begun(shared_keys, p) + b'{"requests"' for p in paths)):
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"urn:jouleplan:problem:body-timeout" in answer
        assert b"more of the body within 1 s" in answer


@pytest.mark.parametrize("length", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_trickles_is_refused_too(
    guarded: Server, shared_keys: Keys, length: str
) -> None:
    piece = b" " if length.startswith("Content") else b"1\r\n \r\n"
    # An answer can be lost to the reset of a connection that is still written to.
    answers = (trickled(guarded, begun(shared_keys, "/plan", length), piece) for _ in range(5))
    whole = (answer for answer in answers if b"the whole body within 2 s" in answer)
    assert next(whole).startswith(b"HTTP/1.1 408 ")


def trickled(server: Server, head: bytes, piece: bytes) -> bytes:
    """Return the answer to a body that comes piece by piece, nothing where it was lost."""
    with connected(server) as caller:
        caller.sendall(head)
        caller.settimeout(0.2)
        end = time.perf_counter() + PATIENCE_S
        while time.perf_counter() < end:
            try:
                caller.sendall(piece)
                return caller.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                break
    return b""


def test_a_connection_on_which_no_call_begins_is_closed(guarded: Server) -> None:
    heads = (b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ")
    assert answers_to(guarded, *heads) == [b""] * len(heads)


def test_a_header_that_trickles_after_an_answer_is_cut_off_too(guarded: Server) -> None:
    with connected(guarded) as caller:
        caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert caller.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert is_cut_off(caller, b"A")


def test_a_refused_body_is_not_read_for_ever(guarded: Server) -> None:
    with connected(guarded) as caller:
        caller.sendall(b"POST /plan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n ")
        assert caller.recv(65536).startswith(b"HTTP/1.1 401 ")
        assert is_cut_off(caller, b" ")


def test_a_slow_answer_is_not_hurried(guarded: Server, shared_keys: Keys) -> None:
    """A call whose body is here may take longer than any body."""
    headers = {"X-API-Key": shared_keys.texts["any"]}
    answer = guarded.client.post("/plan", json=endless(2.5), headers=headers)
    assert answer.status_code != 408, answer.text


def test_a_body_over_the_limit_is_refused_on_every_path(guarded: Server, shared_keys: Keys) -> None:
    headers = {"X-API-Key": shared_keys.texts["any"], "Content-Type": "application/json"}
    # Again and again on one connection: the rest of each body comes when it was refused already.
    for path in 10 * ("/plan", "/predict", "/plan/frontier", "/decision", "/actuals"):
        answer = guarded.client.post(path, content=b" " * 3_000_001, headers=headers)
        assert answer.status_code == 413, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    # What announces no length is refused while it is read.
    streamed = guarded.client.post("/plan", content=iter([b" " * 1_500_001] * 2), headers=headers)
    assert streamed.status_code == 413
    assert get(guarded, "/healthz").status_code == 200


def test_connections_beyond_the_limit_are_closed_and_room_is_made_again(
    models_dir: Path,
) -> None:
    settings = {"JOULEPLAN_MODELS_DIR": str(models_dir), "JOULEPLAN_MAX_CONNECTIONS": "3"}
    with Server(settings) as own:
        own.wait_until_ready()
        own.client.close()
        callers = [connected(own) for _ in range(6)]
        for caller in callers:
            caller.settimeout(0.5)
        closed = 0
        for caller in callers:
            try:
                closed += caller.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                closed += 1
        assert closed == 3
        for caller in callers:
            caller.close()

        def answers() -> bool:
            with connected(own) as caller:
                try:
                    caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    return caller.recv(65536).startswith(b"HTTP/1.1 200 ")
                except ConnectionError:
                    return False

        wait_until(answers)
