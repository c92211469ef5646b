"""What a gateway sends to `POST /destination`, as it stands or byte for byte."""

from __future__ import annotations

import socket
from typing import Any

import httpx

from tests.service.server import Server

CALL = {
    "model": "qwen3-8b",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "x" * 800}],
}
SMALL, LARGE = "10.0.0.1:8000", "10.0.0.2:8000"
CANDIDATES = f"small={SMALL},large={LARGE}"
PATH = "/destination/v1/chat/completions"
JSON_TYPE = {"content-type": "application/json"}
HEADER = "x-jouleplan-candidates"


def ask(
    server: Server, headers: dict[str, str] | None = None, path: str = PATH, json: Any = CALL
) -> httpx.Response:
    return server.client.post(path, json=json, headers={HEADER: CANDIDATES} | (headers or {}))


def exchange(port: int, message: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(message)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
