"""`jouleplan keys add | list | remove`: the key file, changed whole or not at all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from commandline.ending import DONE, FAILED, refuse, say
from commandline.streams import OutputError
from commandline.tables import print_table
from service.http.access.key_file import KeyFileError, KeyRow, changed_keys, read_keys
from service.http.access.keys import digest_of, new_key
from service.http.access.scopes import SCOPES, Scope
from service.wording import words_of_error

COLUMNS = (
    "name", "requests_per_second", "burst", "max_concurrent", "expires_at", "scopes", "owner",
)  # fmt: skip


def keep_keys(options: argparse.Namespace) -> int:
    """Do what the verb says; return 0 when done, 1 where a key cannot be shown, else 2."""
    verbs: dict[str, Callable[[argparse.Namespace], None]] = {
        "add": _add,
        "list": _list,
        "remove": _remove,
    }
    try:
        if options.file is None:
            raise KeyFileError("Expected --file, or JOULEPLAN_API_KEYS_FILE in the environment.")
        verbs[options.verb](options)
    except KeyFileError as error:
        return refuse(str(error))
    except OutputError as error:
        if options.verb != "add":
            raise
        why = error.reason or "its reader has gone"
        return refuse(f"The key could not be shown ({why}), and was not added.", FAILED)
    return DONE


def _add(options: argparse.Namespace) -> None:
    key = new_key(options.name)
    row = _row(options, key)
    with changed_keys(options.file) as rows:
        if any(other.name == row.name for other in rows):
            msg = f"{options.file}: has a key {row.name} already; remove it first."
            raise KeyFileError(msg)
        rows.append(row)
        # Before it is kept: a key that nobody was shown is of use to nobody.
        sys.stdout.write(f"{key}\n")
        sys.stdout.flush()
    say(f"Its hash is in {options.file}; the key is not shown again.")


def _remove(options: argparse.Namespace) -> None:
    # Where there is no file, none is made.
    read_keys(options.file)
    with changed_keys(options.file) as rows:
        kept = [row for row in rows if row.name != options.name]
        if len(kept) == len(rows):
            msg = f"{options.file}: has no key {options.name:.100}."
            raise KeyFileError(msg)
        rows[:] = kept


def _list(options: argparse.Namespace) -> None:
    rows = [_cells(row) for row in read_keys(options.file).keys]
    print_table(f"Keys of {options.file}", COLUMNS, rows)


def _cells(row: KeyRow) -> tuple[str, ...]:
    key, expires_at = row.key(), row.expires_at
    rate = key.requests_per_second
    limits = (None if rate is None else f"{rate:g}", key.burst, key.max_concurrent)
    expiry = "never" if expires_at is None else expires_at.isoformat(timespec="seconds")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        expiry += " (expired)"
    scopes = ",".join(scope for scope in SCOPES if scope in key.scopes)
    shown = ("any" if limit is None else str(limit) for limit in limits)
    return (row.name, *shown, expiry, scopes, row.owner or row.name)


def _row(options: argparse.Namespace, key: str) -> KeyRow:
    try:
        return KeyRow(
            name=options.name,
            sha256=digest_of(key.encode()).hex(),
            requests_per_second=options.requests_per_second,
            burst=options.burst,
            max_concurrent=options.max_concurrent,
            scopes=_scopes(options.scopes),
            owner=options.owner,
            expires_at=_expiry(options.expires_in_days),
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else ""
        words = words_of_error(first)
        msg = f"{name.replace('--name', 'NAME')}: {words}" if name else words
        raise KeyFileError(msg) from None


def _scopes(text: str | None) -> list[Scope] | None:
    if text is None:
        return None
    given = {part.strip() for part in text.split(",")}
    if given <= set(SCOPES):
        return [scope for scope in SCOPES if scope in given]
    msg = f"--scopes: Expected {', '.join(SCOPES)}, one or several, got {text:.100}."
    raise KeyFileError(msg)


def _expiry(days: float | None) -> datetime | None:
    if days is None:
        return None
    try:
        if not days > 0:
            raise ValueError
        return (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    except (OverflowError, ValueError):
        msg = f"--expires-in-days: Expected days above 0 and not beyond the calendar, got {days:g}."
        raise KeyFileError(msg) from None
