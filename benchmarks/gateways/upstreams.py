"""LLM servers of a few lines, real ones on ports, that tell which of them answered."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USED = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}


def completion(name: str) -> dict[str, Any]:
    """Return the answer of a server of that name."""
    message = {"role": "assistant", "content": name}
    choice = {"index": 0, "message": message, "text": name, "finish_reason": "stop"}
    body: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": name}
    return body | {"choices": [choice], "usage": USED}


def streamed(name: str) -> str:
    """Return the same as server-sent events."""
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": name}
    said = {"index": 0, "delta": {"role": "assistant", "content": name}, "finish_reason": None}
    stop = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunks: list[dict[str, Any]] = [
        {"choices": [said]},
        {"choices": [stop]},
        {"choices": [], "usage": USED},
    ]
    events = [f"data: {json.dumps(head | chunk)}\n\n" for chunk in chunks]
    return "".join([*events, "data: [DONE]\n\n"])


def wants_a_stream(body: bytes) -> bool:
    """Say what a body asks for; gateways pass on what is no JSON, too."""
    try:
        asked = json.loads(body)
    except ValueError:
        return False
    return isinstance(asked, dict) and bool(asked.get("stream"))


class Upstream:
    """Answers completions with its name.

    Attributes
    ----------
    name
        Name in every answer.
    port
        Port on the loopback address.
    """

    def __init__(self, name: str, hits: Counter[str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            wbufsize = -1  # an answer in one packet

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                hits[name] += 1
                if wants_a_stream(body):
                    self.answer("text/event-stream", streamed(name))
                else:
                    self.answer("application/json", json.dumps(completion(name)))

            def answer(self, kind: str, text: str) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.name = name
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def upstreams(*names: str) -> Iterator[tuple[dict[str, int], Counter[str]]]:
    """Run some, and give their ports by name and the number of requests that each got."""
    hits: Counter[str] = Counter()
    running = [Upstream(name, hits) for name in names]
    try:
        yield {one.name: one.port for one in running}, hits
    finally:
        for one in running:
            one.close()
