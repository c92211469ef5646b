"""The key file: names, hashes and limits as YAML (of which JSON is a part)."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from costmodel.files import Stamp, is_absent, open_regular, stamp
from costmodel.moments import read_zoned_moment
from service.http.access.keys import NAME_PATTERN, ApiKey, KeyStore
from service.http.access.scopes import SCOPES, Scope
from service.problems import pointer
from service.settings.access import AccessError
from service.wording import words_of_error
from service.yaml_lines import YamlError, place_in, read_yaml

logger = logging.getLogger("service.access.ring")

MAX_BYTES = 1024 * 1024
HEAD = "# API keys of jouleplan: the SHA-256 of each, no key. `python -m service keys` writes it.\n"
OWNER_ONLY = 0o600


def _time(value: object) -> object:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromtimestamp(read_zoned_moment(value), UTC)


def _name(text: str) -> str:
    if not re.fullmatch(NAME_PATTERN, text):
        raise ValueError("Expected a name of 1 to 64 letters (a to z), digits, _ and -.")
    return text


def _digest(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("Expected a SHA-256 as 64 digits, 0 to 9 and a to f.")
    return text


Name = Annotated[str, AfterValidator(_name)]
Digest = Annotated[str, AfterValidator(_digest)]


class KeyFileError(AccessError):
    """The key file cannot be used; the message names the file and the place in it."""


class KeyRow(BaseModel):
    """One key, as the file has it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    name: Name
    sha256: Digest
    requests_per_second: Annotated[float | None, Field(gt=0, le=1e6)] = None
    burst: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    max_concurrent: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    scopes: Annotated[list[Scope] | None, Field(min_length=1)] = None
    owner: Name | None = None
    expires_at: Annotated[AwareDatetime | None, Field(strict=False), BeforeValidator(_time)] = None

    @model_validator(mode="after")
    def _a_burst_has_a_rate(self) -> Self:
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("Expected requests_per_second beside burst, got none.")
        return self

    def key(self) -> ApiKey:
        """Return it as the service uses it; a second's worth is the burst where none is given."""
        rate = self.requests_per_second
        return ApiKey(
            self.name,
            bytes.fromhex(self.sha256),
            rate,
            self.burst if rate is None or self.burst else ceil(rate),
            self.max_concurrent,
            None if self.expires_at is None else self.expires_at.timestamp(),
            frozenset(SCOPES if self.scopes is None else self.scopes),
            self.owner or self.name,
        )


class KeyFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    keys: list[KeyRow]

    @model_validator(mode="after")
    def _names_and_hashes_differ(self) -> Self:
        for field in ("name", "sha256"):
            counted = Counter(getattr(row, field) for row in self.keys)
            if counted and (commonest := counted.most_common(1)[0])[1] > 1:
                msg = f"Expected each {field} once, got {commonest[0]} {commonest[1]} times."
                raise ValueError(msg)
        return self


def read_keys(path: Path) -> KeyFile:
    """Read a key file.

    Raises
    ------
    KeyFileError
        If it is missing, too large, writable for others, no YAML or does not hold keys. The message
        names the first place that is wrong.
    """
    text = _text(path)
    try:
        return KeyFile.model_validate(read_yaml(text))
    except YamlError as error:
        raise KeyFileError(f"{path}: {error}") from None
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        words = words_of_error(first)
        more = f" ({len(others)} more)" if others else ""
        msg = f"{path}: {place_in(text, pointer(*first['loc']))}: {words}{more}"
        raise KeyFileError(msg) from None


@contextlib.contextmanager
def changed_keys(path: Path) -> Iterator[list[KeyRow]]:
    """Give the rows of the file, none where there is no file, and write what is made of them.

    The file is replaced whole, readable by its owner only. Others who change it so wait meanwhile.

    Raises
    ------
    KeyFileError
        If the file cannot be read or written.
    """
    # Path.resolve gives up on a link that leads back to itself.
    path = Path(os.path.realpath(path))
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(path, "written", error) from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        rows = [] if is_absent(path) else list(read_keys(path).keys)
        yield rows
        _replace(path, rows)
    except OSError as error:
        raise _unusable(path, "written", error) from None
    finally:
        os.close(folder)


class FileKeyStore:
    """The keys of a file, and of each later version of it that can be used.

    Attributes
    ----------
    store
        The keys in force.
    loaded_stamp
        How the file looked when it was read first.

    Raises
    ------
    KeyFileError
        If the file cannot be used to begin with.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.loaded_stamp = stamp(path)
        self.store = KeyStore(self._read())

    @property
    def name(self) -> str:
        """The file, as messages name it."""
        return str(self._path)

    def stamp(self) -> Stamp:
        """Return what changes when the file does; runs in any thread."""
        return stamp(self._path)

    async def reload(self) -> None:
        """Read the file again; where that raises, the keys of before stay in force."""
        self.store.replace(await asyncio.to_thread(self._read))
        logger.info("API keys in force: %d.", len(self.store))

    def _read(self) -> list[ApiKey]:
        keys = [row.key() for row in read_keys(self._path).keys]
        with contextlib.suppress(OSError):
            if self._path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
                logger.warning("%s can be read by others than its owner: chmod 600.", self._path)
        return keys


def _replace(path: Path, rows: Sequence[KeyRow]) -> None:
    KeyFile(keys=list(rows))
    listed = [row.model_dump(exclude_none=True) for row in rows]
    text = HEAD + yaml.safe_dump({"keys": listed}, sort_keys=False)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    part = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), OWNER_ONLY)
            if os.geteuid() == 0 and path.exists():
                # Whom the service runs as must still be able to read it.
                owner = path.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            found = os.fstat(file.fileno())
            if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                mode = stat.S_IMODE(found.st_mode)
                msg = f"{path}: expected a file that only its owner may write, got mode {mode:o}."
                raise KeyFileError(msg)
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(path, "read", error) from None
    if len(content) > MAX_BYTES:
        msg = f"{path}: expected at most {MAX_BYTES} bytes, got more."
        raise KeyFileError(msg)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        msg = f"{path}: expected UTF-8."
        raise KeyFileError(msg) from None


def _unusable(path: Path, verb: str, error: OSError) -> KeyFileError:
    return KeyFileError(f"{path}: cannot be {verb}: {error.strerror}.")
