"""API keys: how they are made, read off a call, and told from a wrong one.

A key is `jp.NAME.SECRET`. The name finds the row of the key file at once; the secret has 256
random bits. What is kept is the SHA-256 of the whole key. A slow hash would add nothing: it makes
up for passwords that can be guessed, and nobody goes through 2**256 keys, however fast the hash.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import ceil

from service.http.access.limits import Clock, KeyLimits
from service.http.access.scopes import SAFE_METHODS, SCOPES, insufficient, scopes_for
from service.problems import Problem, ProblemError

KEY_PREFIX = "jp"
SECRET_BYTES = 32
NAME_PATTERN = r"[A-Za-z0-9_-]{1,64}"
MAX_CHARACTERS = 256
"""Nothing longer is a key, or is hashed."""

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/=-]+) *", re.IGNORECASE)
_KEY = re.compile(rf"{KEY_PREFIX}\.({NAME_PATTERN})\.[A-Za-z0-9_-]{{43}}".encode())
WAYS = "Authorization: Bearer KEY, or X-API-Key: KEY"
CHALLENGE = 'Bearer realm="jouleplan"'


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
        Whose plans it makes and sees; None for those of its name.
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
    return f"{KEY_PREFIX}.{name}.{secrets.token_urlsafe(SECRET_BYTES)}"


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
    """Return the keys in the headers of a call, None for one that cannot be read.

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


_NOBODY = ApiKey("", bytes(32))
"""Compared with where no key has the name, so that both refusals take as long."""


@dataclass(frozen=True)
class KeyState:
    """A key and what it has used of its limits."""

    key: ApiKey
    limits: KeyLimits


class KeyStore:
    """The keys in force, each with its limits; replaced whole when their file changes.

    Parameters
    ----------
    keys
        Keys in force at first.
    clock, calendar
        Seconds for rates, and seconds since 1970 for expiry.
    """

    def __init__(
        self,
        keys: Iterable[ApiKey] = (),
        clock: Clock = time.monotonic,
        calendar: Clock = time.time,
    ) -> None:
        self._clock, self._calendar = clock, calendar
        self._states: Mapping[str, KeyState] = {}
        self.replace(keys)

    def __len__(self) -> int:
        return len(self._states)

    def replace(self, keys: Iterable[ApiKey]) -> None:
        """Put other keys in force; one that keeps its name keeps what it has used."""
        states = {}
        for key in keys:
            old = self._states.get(key.name)
            limits = old.limits if old else KeyLimits()
            limits.change(key.requests_per_second, key.burst, key.max_concurrent, self._clock)
            states[key.name] = KeyState(key, limits)
        self._states = states

    def admit(
        self, headers: Iterable[tuple[bytes, bytes]], method: str = "GET", path: str = "/"
    ) -> KeyState:
        """Return whose call this is; its `limits.leave` is to be called when the call has ended.

        Refused are calls without a key in force (401), beyond its scopes (403) or its limits (429).
        """
        state = self._state_of(headers)
        wanted = scopes_for(method, path)
        if state.key.scopes.isdisjoint(wanted):
            raise insufficient(state.key.name, wanted)
        wait_s = state.limits.enter(ignore_plans=method in SAFE_METHODS or method == "DELETE")
        if wait_s > 0.0:
            problem = Problem(
                "rate-limited",
                f"The key {state.key.name} has used up its rate, or has too many calls in flight.",
                retry_after_s=max(1, ceil(wait_s)),
            )
            raise ProblemError(problem)
        return state

    def _state_of(self, headers: Iterable[tuple[bytes, bytes]]) -> KeyState:
        given = given_keys(headers)
        if not given:
            raise _unauthenticated(f"Expected an API key: {WAYS}.", CHALLENGE)
        if len(given) > 1:
            raise _unauthenticated(f"Expected one API key, got {len(given)}.")
        key = given[0]
        name = None if key is None else name_of(key)
        if key is None or name is None:
            raise _unauthenticated(
                f"Expected an API key of the form jp.NAME.SECRET, got something else. Send {WAYS}."
            )
        state = self._states.get(name)
        if not is_key_of(state.key if state else _NOBODY, key) or state is None:
            raise _unauthenticated("The API key is not in force.")
        expires_at = state.key.expires_at
        if expires_at is not None and self._calendar() >= expires_at:
            raise _unauthenticated("The API key has expired.")
        return state


def _unauthenticated(
    detail: str, challenge: str = f'{CHALLENGE}, error="invalid_token"'
) -> ProblemError:
    return ProblemError(Problem("unauthenticated", detail, headers={"WWW-Authenticate": challenge}))
