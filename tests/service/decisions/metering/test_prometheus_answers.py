"""What Prometheus may answer: several counters of a pool, none, nonsense, too much."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from service.decisions.metering import MeteringError, Reading
from service.decisions.metering.prometheus import JouleCounters

Answering = Callable[[bytes, int], str]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Return the URL of a server that answers as it is set up."""
    answers: list[tuple[bytes, int]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, status = answers[-1]
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()

    def answer(body: bytes, status: int) -> str:
        answers.append((body, status))
        return f"http://127.0.0.1:{server.server_port}"

    yield answer
    server.shutdown()
    thread.join()
    server.server_close()


def vector(*series: tuple[dict[str, str], str]) -> bytes:
    result = [{"metric": labels, "value": [1000.5, value]} for labels, value in series]
    return orjson.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


async def read(url: str) -> dict[str, Reading]:
    counters = JouleCounters(url, "joules", "pool")
    try:
        return await counters.read()
    finally:
        await counters.close()


@pytest.mark.anyio
async def test_counters_of_a_pool_are_added_and_each_may_begin_anew(answering: Answering) -> None:
    def gpus(**joules: str) -> bytes:
        return vector(*(({"pool": "a", "gpu": gpu}, value) for gpu, value in joules.items()))

    first = (await read(answering(gpus(x="10", y="5000"), 200)))["a"]
    assert first.at == 1000.5
    more = (await read(answering(gpus(x="14", y="5001.5"), 200)))["a"]
    assert more.since(first) == pytest.approx(5.5)
    for odd in (gpus(x="14"), gpus(x="14", y="3"), gpus(x="14", y="5002", z="7"), gpus(x="NaN")):
        found = await read(answering(odd, 200))
        assert "a" not in found or found["a"].since(first) is None


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"status": "error", "error": "parse error"}', 400, "parse error"),
        (b"<html>", 200, "<html>"),
        (b"\xff\xfe", 502, "status 502"),
        (b"[]", 200, "Expected an answer"),
        (b'{"data": {"resultType": "matrix", "result": []}}', 200, "instant vector"),
        (b'{"data": {"resultType": "vector", "result": null}}', 200, "label pool"),
        (b'{"data": {"resultType": "vector", "result": [{"metric": 1}]}}', 200, "label pool"),
        (vector(({"gpu": "0"}, "1")), 200, "label pool"),
        (vector(({"pool": "a"}, "many")), 200, "label pool"),
        (b" " * 5_000_000, 200, "at most"),
    ],
)
@pytest.mark.anyio
async def test_another_answer_is_reported_in_a_sentence(
    answering: Answering, body: bytes, status: int, said: str
) -> None:
    with pytest.raises(MeteringError, match=said):
        await read(answering(body, status))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9",
        "http://no-such-host.invalid",
        "http://",
        "http://[",
        f"http://{'a' * 99}",
    ],
)
@pytest.mark.anyio
async def test_nobody_there_is_reported_in_a_sentence(url: str) -> None:
    with pytest.raises(MeteringError, match="Expected"):
        await read(url)


def test_an_answer_without_series_is_no_reading(answering: Answering) -> None:
    import anyio

    found: Any = anyio.run(read, answering(vector(), 200))
    assert found == {}
