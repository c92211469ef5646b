"""API keys: how they are made, read off a call and told from a wrong one.

A key is `jp.NAME.SECRET`. The name finds the row of the key file at once; the secret has 256
random bits. What is kept is the SHA-256 of the whole key. A slow hash would add nothing: it makes
up for passwords that can be guessed, and nobody goes through 2**256 keys, however fast the hash.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from service.http.access.scopes import SCOPES

PREFIX = "jp"
SECRET_BYTES = 32
NAME_PATTERN = r"[A-Za-z0-9_-]{1,64}"
#: Nothing longer is a key, or is hashed.
MAX_CHARACTERS = 256

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/=-]+) *", re.IGNORECASE)
_KEY = re.compile(rf"{PREFIX}\.({NAME_PATTERN})\.[A-Za-z0-9_-]{{43}}".encode())


@dataclass(frozen=True)
class ApiKey:
    """One row of the key file.

    Attributes
    ----------
    digest
        SHA-256 of the key, 32 bytes.
    requests_per_second, burst
        Calls that the key may make [1/s], and how many at once after a pause; None for any.
    max_concurrent
        Calls that it may have in flight; None for any.
    expires_at
        When it stops being one [s since 1970]; None for never.
    scopes
        What it may do; see `service.http.access.scopes`.
    owner
        Whose plans are its own; None for those of its name.
    """

    name: str
    digest: bytes
    requests_per_second: float | None = None
    burst: int | None = None
    max_concurrent: int | None = None
    expires_at: float | None = None
    scopes: frozenset[str] = frozenset(SCOPES)
    owner: str | None = None


def new_key(name: str) -> str:
    """Return a new key of that name."""
    return f"{PREFIX}.{name}.{secrets.token_urlsafe(SECRET_BYTES)}"


def digest_of(key: bytes) -> bytes:
    """Return what is kept of a key, 32 bytes."""
    return sha256(key).digest()


def name_of(key: bytes) -> str | None:
    """Return the name that a key says it has, None where it is none.

    Examples
    --------
    >>> name_of(b"jp.gateway." + 43 * b"x"), name_of(b"gateway"), name_of(b"")
    ('gateway', None, None)
    """
    found = _KEY.fullmatch(key) if len(key) <= MAX_CHARACTERS else None
    return found[1].decode() if found else None


def is_key_of(row: ApiKey, key: bytes) -> bool:
    """Whether `key` is the one of that row; takes as long whichever byte differs."""
    return hmac.compare_digest(row.digest, digest_of(key))


def given_keys(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes | None]:
    """Return the keys that a call brings, None for one that cannot be read.

    Parameters
    ----------
    headers
        Names in lower case and values, as ASGI has them.

    Examples
    --------
    >>> given_keys([(b"authorization", b"BEARER  abc"), (b"x-api-key", b"def"), (b"host", b"x")])
    [b'abc', b'def']
    >>> given_keys([(b"authorization", b"Basic abc")])
    [None]
    """
    found: list[bytes | None] = []
    for name, value in headers:
        if name == b"authorization":
            bearer = _BEARER.fullmatch(value)
            found.append(bearer[1] if bearer else None)
        elif name == b"x-api-key":
            found.append(value.strip() or None)
    return found
