"""How many connections there may be, of whom, and how long their headers: on real servers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from service.http.access.connections import MAX_HEADER_BYTES
from tests.service.http.access.sockets import connected, everything
from tests.service.server import ROOT, Server
from tests.waiting import PATIENCE_S, wait_until

TOO_LONG = b"The header is too long: expected at most 16384 bytes."


def answer_to(server: Server, *parts: bytes) -> bytes:
    with connected(server) as caller:
        for part in parts:
            caller.sendall(part)
        caller.shutdown(socket.SHUT_WR)
        return everything(caller)


def call(path: str = "/healthz", fields: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}\r\n".encode()


@pytest.mark.parametrize(
    "whole",
    [
        call(fields=f"X-A: {'a' * MAX_HEADER_BYTES}\r\n"),
        call(fields="".join(f"X-{i}: a\r\n" for i in range(2500))),
        call(path="/healthz?" + "a" * MAX_HEADER_BYTES),
        call(fields=f"{'a' * MAX_HEADER_BYTES}: b\r\n"),
    ],
)
def test_a_long_header_is_refused_in_one_packet_or_in_many(server: Server, whole: bytes) -> None:
    assert TOO_LONG in answer_to(server, whole)
    pieces = [whole[at : at + 4000] for at in range(0, len(whole), 4000)]
    # What is sent after the refusal may reset the connection, and the answer with it.
    with suppress(ConnectionError):
        assert TOO_LONG in answer_to(server, *pieces)


def test_a_header_within_the_limit_is_received(server: Server) -> None:
    for whole in (
        call(fields=f"X-A: {'a' * (MAX_HEADER_BYTES - 200)}\r\n"),
        call(path="/healthz?" + "a" * (MAX_HEADER_BYTES - 200)),
    ):
        assert answer_to(server, whole).startswith(b"HTTP/1.1 200 ")


def test_headers_of_calls_on_one_connection_are_counted_apart(server: Server) -> None:
    fields = {"X-A": "a" * (MAX_HEADER_BYTES - 500)}
    for _ in range(3):
        assert server.client.get("/healthz", headers=fields).status_code == 200


def test_long_trailers_are_refused(server: Server) -> None:
    head = b"POST /plan HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
    head += b"Content-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n"
    trailers = b"".join(b"X-%d: a\r\n" % i for i in range(2500)) + b"\r\n"
    assert TOO_LONG in answer_to(server, head + trailers)


def refused(logs: str) -> list[str]:
    lines = map(json.loads, logs.splitlines())
    return [line["message"] for line in lines if "unheard" in line.get("message", "")]


def test_one_peer_has_so_many_connections_and_the_log_says_so(models_dir: Path) -> None:
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_MAX_CONNECTIONS_PER_PEER": "3",
    }
    with Server(settings) as own:
        own.wait_until_ready()
        own.client.close()
        callers = [connected(own) for _ in range(3)]
        beyond = [connected(own) for _ in range(20)]
        for caller in beyond:
            with suppress(ConnectionError):
                assert everything(caller) == b""
        other = socket.create_connection(
            ("127.0.0.1", own.port), timeout=PATIENCE_S, source_address=("127.0.0.2", 0)
        )
        other.sendall(call())
        assert everything(other).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: _counted(own.logs()) == 20)
        logged = refused(own.logs())
        assert len(logged) < 20
        assert "the last of 127.0.0.1: expected at most 3 at once of one peer" in logged[-1]
        for caller in (*callers, *beyond, other):
            caller.close()
        wait_until(lambda: _is_heard(own))


def _counted(logs: str) -> int:
    return sum(int(line.split()[1]) for line in refused(logs))


def _is_heard(server: Server) -> bool:
    try:
        return answer_to(server, call()).startswith(b"HTTP/1.1 200 ")
    except ConnectionError:
        return False


def limited(models_dir: Path, soft: int, hard: int) -> Server:
    """Return a server that is started under limits on open files."""

    shell = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"'
    return Server(
        {"JOULEPLAN_MODELS_DIR": str(models_dir)},
        prefix=("bash", "-c", shell, "-"),
    )


def open_files(server: Server) -> list[str]:
    limits = Path(f"/proc/{server.process.pid}/limits").read_text().splitlines()
    return next(line.split()[3:5] for line in limits if line.startswith("Max open files"))


def test_the_limit_on_open_files_is_raised_as_needed(models_dir: Path) -> None:
    with limited(models_dir, 256, 4096) as own:
        own.wait_until_ready()
        soft, hard = map(int, open_files(own))
        assert 800 + 128 < soft < hard == 4096
        assert "limit on open files" not in own.logs()


def test_fewer_connections_are_taken_where_it_cannot_be_raised(models_dir: Path) -> None:
    with limited(models_dir, 256, 300) as own:
        own.wait_until_ready()
        assert open_files(own) == ["300", "300"]
        assert "At most 140 connections instead of 800" in own.logs()
        own.client.close()
        callers = [connected(own) for _ in range(200)]
        wait_until(lambda: _counted(own.logs()) >= 60)
        for caller in callers:
            caller.close()
        wait_until(lambda: _is_heard(own))
        assert "Too many open files" not in own.logs()


def test_no_start_where_no_connection_could_be_had() -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100));"
        "from service.__main__ import main; sys.exit(main([]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.returncode == 2
    assert "Expected a limit on open files (ulimit -Hn) of at least" in ended.stderr
