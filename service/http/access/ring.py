"""All keys in force, each with its limits; replaced whole when the file changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from costmodel.files import Stamp, stamp
from service.http.access.key_file import others_may_read, read_keys
from service.http.access.keys import ApiKey, given_keys, is_key_of, name_of
from service.http.access.limits import Clock, Limits
from service.http.access.scopes import SAFE_METHODS, insufficient, scopes_for
from service.problems import Problem, ProblemError

logger = logging.getLogger("service.access.ring")

WAYS = "Authorization: Bearer KEY, or X-API-Key: KEY"
CHALLENGE = 'Bearer realm="jouleplan"'
#: Compared with where no key has the name, so that both refusals take as long.
_NOBODY = ApiKey("", bytes(32))


@dataclass(frozen=True)
class Holder:
    """A key and what it has used of its limits."""

    key: ApiKey
    limits: Limits


class KeyRing:
    """The keys in force.

    Parameters
    ----------
    keys
        The first ones.
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
        self._holders: Mapping[str, Holder] = {}
        self.replace(keys)

    def __len__(self) -> int:
        return len(self._holders)

    def replace(self, keys: Iterable[ApiKey]) -> None:
        """Put other keys in force; one that keeps its name keeps what it has used."""
        before, now = self._holders, {}
        for key in keys:
            old = before.get(key.name)
            limits = old.limits if old else Limits()
            limits.change(key.requests_per_second, key.burst, key.max_concurrent, self._clock)
            now[key.name] = Holder(key, limits)
        self._holders = now

    def admit(
        self, headers: Iterable[tuple[bytes, bytes]], method: str = "GET", path: str = "/"
    ) -> Holder:
        """Return whose call this is; `limits.leave` of that when it has ended.

        Parameters
        ----------
        headers
            Of the call, as ASGI has them.
        method, path
            Of the call, without the prefix of a version.

        Raises
        ------
        ProblemError
            401 without a key in force, 403 where it may not do that, 429 where its limits are
            spent.
        """
        holder = self._holder(headers)
        wanted = scopes_for(method, path)
        if holder.key.scopes.isdisjoint(wanted):
            raise insufficient(holder.key.name, wanted)
        wait_s = holder.limits.enter(looks=method in SAFE_METHODS or method == "DELETE")
        if wait_s > 0.0:
            problem = Problem(
                "rate-limited",
                f"The key {holder.key.name} has used up its rate, or has too many calls in flight.",
                retry_after_s=max(1, ceil(wait_s)),
            )
            raise ProblemError(problem)
        return holder

    def _holder(self, headers: Iterable[tuple[bytes, bytes]]) -> Holder:
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
        holder = self._holders.get(name)
        if not is_key_of(holder.key if holder else _NOBODY, key) or holder is None:
            raise _unauthenticated("The API key is not in force.")
        expires_at = holder.key.expires_at
        if expires_at is not None and self._calendar() >= expires_at:
            raise _unauthenticated("The API key has expired.")
        return holder


class FiledKeys:
    """The keys of a file, and of each later version of it that can be used.

    Attributes
    ----------
    ring
        The keys in force.
    seen
        How the file looked when it was read first.

    Raises
    ------
    KeyFileError
        If the file cannot be used to begin with.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seen = stamp(path)
        self.ring = KeyRing(self._read())

    @property
    def named(self) -> str:
        """The file, as messages name it."""
        return str(self._path)

    def look(self) -> Stamp:
        """Return what changes when the file does."""
        return stamp(self._path)

    async def reload(self) -> None:
        """Read the file again.

        Raises
        ------
        KeyFileError
            If it cannot be used: the keys of before stay in force.
        """
        self.ring.replace(await asyncio.to_thread(self._read))
        logger.info("API keys in force: %d.", len(self.ring))

    def _read(self) -> list[ApiKey]:
        keys = [row.key() for row in read_keys(self._path).keys]
        if others_may_read(self._path):
            logger.warning("%s can be read by others than its owner: chmod 600.", self._path)
        return keys


def _unauthenticated(
    detail: str, challenge: str = f'{CHALLENGE}, error="invalid_token"'
) -> ProblemError:
    return ProblemError(Problem("unauthenticated", detail, headers={"WWW-Authenticate": challenge}))
