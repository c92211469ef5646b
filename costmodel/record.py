"""Typed access to the fields of a dict of plain data, each to be read exactly once."""

import math
from collections.abc import Mapping
from typing import Any

from costmodel.errors import MalformedArtefactError
from costmodel.kinds import kind_of


class Record:
    """A dict whose fields are read by name and type.

    Parameters
    ----------
    data : object
        Plain data, a dict if all is well.
    path : str
        Place in the artefact, for messages.

    Raises
    ------
    MalformedArtefactError
        If the data is not what was asked for; so does every method.
    """

    def __init__(self, data: object, path: str) -> None:
        self._path = path
        if not isinstance(data, dict):
            raise _unexpected("a dict", path, data)
        self._data: dict[str, Any] = data
        self._read: set[str] = set()

    def check_read(self) -> None:
        """Check that the dict holds no field that was never asked for."""
        unknown = sorted(set(self._data) - self._read)
        if unknown:
            msg = f"Expected no unknown fields in {self._path}, got {', '.join(unknown)[:200]}."
            raise MalformedArtefactError(msg)

    def child(self, name: str) -> "Record":
        """Return a field that is a dict, as a record."""
        return Record(self._take(name), f"{self._path}.{name}")

    def child_or_none(self, name: str) -> "Record | None":
        """Return a field that is a dict or null."""
        return None if self._is_none(name) else self.child(name)

    def mapping(self, name: str) -> dict[str, Any]:
        """Return a field that is a dict of anything plain."""
        value = self._take(name)
        if not isinstance(value, dict):
            raise self._wrong("a dict", name)
        return value

    def mapping_or_none(self, name: str) -> dict[str, Any] | None:
        """Return a field that is a dict of anything plain, or null."""
        return None if self._is_none(name) else self.mapping(name)

    def text_mapping(self, name: str) -> Mapping[str, str]:
        """Return a field that is a dict of strings."""
        value = self.mapping(name)
        if not all(isinstance(text, str) for text in value.values()):
            raise self._wrong("a dict of strings", name)
        return value

    def text(self, name: str) -> str:
        """Return a field that is a string."""
        value = self._take(name)
        if not isinstance(value, str):
            raise self._wrong("a string", name)
        return value

    def text_or_none(self, name: str) -> str | None:
        """Return a field that is a string or null."""
        return None if self._is_none(name) else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a field that is a list of strings."""
        values = self._take(name)
        if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
            raise self._wrong("a list of strings", name)
        return tuple(values)

    def whole(self, name: str) -> int:
        """Return a field that is a whole number."""
        value = self._take(name)
        if type(value) is not int:
            raise self._wrong("a whole number", name)
        return value

    def whole_or_none(self, name: str) -> int | None:
        """Return a field that is a whole number or null."""
        return None if self._is_none(name) else self.whole(name)

    def number(self, name: str) -> float:
        """Return a field that is a finite number."""
        value = self._take(name)
        if not _is_number(value):
            raise self._wrong("a finite number", name)
        return float(value)

    def number_or_none(self, name: str) -> float | None:
        """Return a field that is a finite number or null."""
        return None if self._is_none(name) else self.number(name)

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return a field that is a list of finite numbers."""
        values = self._take(name)
        if not isinstance(values, list) or not all(_is_number(value) for value in values):
            raise self._wrong("a list of finite numbers", name)
        return tuple(float(value) for value in values)

    def rows(self, name: str, width: int) -> list[list[float]]:
        """Return a field that is a list of lists of numbers, null ones as nan."""
        rows = self._take(name)
        if not isinstance(rows, list) or not all(_is_row(row, width) for row in rows):
            raise self._wrong(f"a list of lists of {width} numbers or nulls", name)
        return [[math.nan if value is None else float(value) for value in row] for row in rows]

    def _take(self, name: str) -> Any:  # noqa: ANN401 - the callers check
        if name not in self._data:
            msg = f"Expected the field {self._path}.{name}, got none."
            raise MalformedArtefactError(msg)
        self._read.add(name)
        return self._data[name]

    def _is_none(self, name: str) -> bool:
        return self._take(name) is None

    def _wrong(self, expected: str, name: str) -> MalformedArtefactError:
        return _unexpected(expected, f"{self._path}.{name}", self._data[name])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


def _is_row(row: object, width: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) == width
        and all(value is None or _is_number(value) for value in row)
    )


def _unexpected(expected: str, path: str, value: object) -> MalformedArtefactError:
    return MalformedArtefactError(
        f"Expected {expected} at {path}, got {kind_of(value)}: {value!r:.80}."
    )
