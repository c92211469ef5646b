"""The list of a gateway's endpoints by pool, as a header carries it."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from service.calls.schemas.decisions import MAX_CANDIDATES, MAX_NAME_CHARACTERS

MAX_CHARACTERS = 16 * 1024
"""No header of a call may be longer."""
MAX_HOST_CHARACTERS = 253
_POOL = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_ENDPOINT = re.compile(
    r"(?P<host>[^\[\]:]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[1-9][0-9]{0,4})", re.ASCII
)
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
FORM = "pool=host:port, separated by commas, without spaces"


def endpoints_of(text: str) -> dict[str, str]:
    """Return the endpoint of each pool.

    A gateway sends requests to what this returns, so it takes nothing but names or addresses with
    a port: no scheme, path, user or control character.

    Examples
    --------
    >>> endpoints_of("h100=10.0.0.1:8000,a100=[fd00::2]:8000")
    {'h100': '10.0.0.1:8000', 'a100': '[fd00::2]:8000'}
    >>> endpoints_of("h100=user@...")
    Traceback (most recent call last):
        ...
    ValueError: Expected pool=host:port, separated by commas, without spaces, got 'h100=user@...'.
    """
    parts = text.split(",") if len(text) <= MAX_CHARACTERS else []
    if not 1 <= len(parts) <= MAX_CANDIDATES:
        raise ValueError(f"Expected 1 to {MAX_CANDIDATES} entries of the form {FORM}.")
    found: dict[str, str] = {}
    for part in parts:
        pool, _, endpoint = part.partition("=")
        if not _POOL.fullmatch(pool) or not _is_endpoint(endpoint):
            raise ValueError(f"Expected {FORM}, got {part!r:.80}.")
        if pool in found:
            raise ValueError(f"Expected each pool once, got {pool!r} twice.")
        found[pool] = endpoint
    return found


def _is_endpoint(text: str) -> bool:
    match = _ENDPOINT.fullmatch(text) if len(text) <= MAX_NAME_CHARACTERS else None
    if match is None or int(match["port"]) > 65535:
        return False
    host = match["host"]
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            return False
        return True
    labels = host.split(".")
    return len(host) <= MAX_HOST_CHARACTERS and all(map(_LABEL.fullmatch, labels))
