"""Fleet files: the fleet of the API as YAML, with the sources of its figures beside it.

::

    FleetFileError   the file cannot be read, is not YAML, or does not describe a fleet
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from costmodel.files import read_regular
from costmodel.kinds import kind_of
from service.calls.schemas.fleet import FleetFileSpec
from service.calls.validation import path_of
from service.problems import FieldError, pointer
from service.wording import words_of_error
from service.yaml_lines import YamlError, place_in, read_yaml

MAX_BYTES = 1024 * 1024
MAX_LISTED = 5
"""Mistakes of one file that are listed; the others are counted."""


class FleetFileError(ValueError):
    """The fleet file cannot be used; the message names the file and the place in it."""


@dataclass(frozen=True)
class FleetFile:
    """A fleet file that was read: where it is, what it held, and the fleet that this describes."""

    path: Path
    text: str
    fleet: FleetFileSpec

    def describe(self, errors: Sequence[FieldError]) -> str:
        """Return the first errors, a line each with the file, the pointer and the line."""
        return _places(self.path, self.text, errors)


def read_fleet_file(path: Path) -> FleetFile:
    """Read a fleet file, YAML of at most 1 MiB.

    A FleetFileError says where the file is missing, too large, not YAML or not a fleet.
    """
    text = _text(path)
    document = _parse(path, text)
    if not isinstance(document, dict):
        found = "an empty file" if document is None else kind_of(document)
        msg = f"{path}: expected a mapping with `pools`, got {found}."
        raise FleetFileError(msg)
    try:
        return FleetFile(path, text, FleetFileSpec.model_validate(document))
    except ValidationError as error:
        found_errors = error.errors(include_url=False)
        errors = [FieldError(pointer(*path_of(e)), words_of_error(e)) for e in found_errors]
        raise FleetFileError(_places(path, text, errors)) from None


def first_sentences(sentences: Sequence[str]) -> str:
    """Return the first of several sentences as one text, a line each."""
    return _lines(sentences[:MAX_LISTED], len(sentences))


def _text(path: Path) -> str:
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}."
        raise FleetFileError(msg) from None
    if len(content) > MAX_BYTES:
        msg = f"{path}: expected a fleet file of at most {MAX_BYTES} bytes, got more."
        raise FleetFileError(msg)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"{path}: is not YAML: expected UTF-8, got another byte at {error.start}."
        raise FleetFileError(msg) from None


def _parse(path: Path, text: str) -> object:
    try:
        return read_yaml(text)
    except YamlError as error:
        msg = f"{path}: {error}"
        raise FleetFileError(msg) from None


def _places(path: Path, text: str, errors: Sequence[FieldError]) -> str:
    first = [f"{path}: {place_in(text, e.pointer)}: {e.detail}" for e in errors[:MAX_LISTED]]
    return _lines(first, len(errors))


def _lines(first: Sequence[str], count: int) -> str:
    more = [f"({count - len(first)} more)"] if count > len(first) else []
    return "\n".join([*first, *more])
