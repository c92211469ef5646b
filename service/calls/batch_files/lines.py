"""The lines of an OpenAI batch as they lie in its file, and how each leaves it."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap

from service.calls.batch_files.model_place import ModelPlace, ModelValueKind, written

Data = bytes | mmap

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# As text files are read everywhere: a line ends with LF, CR LF or CR.
_LINE = re.compile(rb"([^\r\n]+)(\r\n|\n|\r|\Z)")


def line_spans(data: Data) -> Iterator[tuple[int, int, int, int]]:
    r"""Yield the number of each line that is not blank, from 1, and its start, end and end of line.

    A byte order mark at the start is no part of the first line.

    Examples
    --------
    >>> list(line_spans(b"\xef\xbb\xbfa\r\n\n  \nb"))
    [(1, 3, 4, 6), (4, 10, 11, 11)]
    """
    start = len(BYTE_ORDER_MARK) if data[: len(BYTE_ORDER_MARK)] == BYTE_ORDER_MARK else 0
    number, counted = 1, 0
    for found in _LINE.finditer(data, start):
        number += _ends(data[counted : found.start()])
        counted = found.start()
        if found.group(1).strip():
            yield number, found.start(), found.end(1), found.end()


def _ends(text: bytes) -> int:
    """Return how many lines end in a text."""
    ends = text.count(b"\n")
    return ends + text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else ends


@dataclass
class BatchLines:
    """The lines of a file: where each lies, and where the name of its LLM does.

    Each array has an entry for each line that is not blank: its number in the file, from 1,
    blank lines counted; where it begins, where its JSON ends and where its end of line does;
    the bytes of its LLM's name and what stands there; and the index of that name in `names`, as
    lines spell it, or -1.
    """

    data: Data
    numbers: array[int] = field(default_factory=lambda: array("q"))
    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    stops: array[int] = field(default_factory=lambda: array("q"))
    model_starts: array[int] = field(default_factory=lambda: array("q"))
    model_ends: array[int] = field(default_factory=lambda: array("q"))
    kinds: array[int] = field(default_factory=lambda: array("b"))
    spelled: array[int] = field(default_factory=lambda: array("l"))
    names: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, span: tuple[int, int, int, int], place: ModelPlace, name: str | None) -> None:
        """Add a line: number, start, end and end of line; the place of its LLM in it; the LLM."""
        number, start, end, stop = span
        self.numbers.append(number)
        self.starts.append(start)
        self.ends.append(end)
        self.stops.append(stop)
        self.model_starts.append(start + place.start)
        self.model_ends.append(start + place.end)
        self.kinds.append(place.kind)
        self.spelled.append(-1 if name is None else self.names.setdefault(name, len(self.names)))

    def line(self, index: int, name: str | None = None) -> bytes:
        """Return a line with its end, LF where the file has none at its own end.

        `index` counts the lines that are not blank. `name` takes the place of the LLM's;
        the bytes of the line stay as they are where that is its own, or None.
        """
        start, end = self.starts[index], self.ends[index]
        ending = self.data[end : self.stops[index]] or b"\n"
        if name is None or self.names.get(name) == self.spelled[index]:
            return self.data[start:end] + ending
        value = written(name, ModelValueKind(self.kinds[index]))
        before = self.data[start : self.model_starts[index]]
        return before + value + self.data[self.model_ends[index] : end] + ending
