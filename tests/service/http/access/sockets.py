"""Connections to a server on which a test writes byte by byte."""

from __future__ import annotations

import socket

from tests.service.server import Server
from tests.waiting import PATIENCE_S


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def everything(caller: socket.socket) -> bytes:
    found = b""
    while part := caller.recv(65536):
        found += part
    return found
