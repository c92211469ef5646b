"""Cells of a log of power to readings of each GPU in watts, or in joules of a counter."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from costmodel.errors import MomentRefusedError
from costmodel.moment_reader import MomentReader
from costmodel.nearest import counted
from costmodel.zones import Zone
from profiler.delimited import UNNAMED, Rows
from profiler.errors import ObservationError
from profiler.importers.power_columns import Columns, Source, check_one_each, find_columns
from profiler.units import ENERGY, PLAIN, POWER, UnitError, name_words, read_quantity

MAX_VALUE = 1e15
MAX_INDEX = 255
MAX_GPUS = 1024
_IDENTITIES = frozenset(("serial", "uuid", "bus"))
"""Words of columns whose numbers are no indices, and may be of any size."""
UNNAMED_GPU = "0"
"""Name of a GPU that the log does not name."""
_ABSENT = re.compile(
    r"\W*(?:n/?a|not supported|nan|none|null|err!?|unknown error)?\W*", re.IGNORECASE
)
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?")


@dataclass(frozen=True)
class Readings:
    """What the cells of a log say.

    Attributes
    ----------
    by_gpu
        By GPU: seconds since 1970-01-01 UTC, and watts or joules, in the order of the file.
    counted, summed
        The same as of `PowerLog`.
    distinguished
        Whether something distinguishes GPUs.
    late_s, resolution_s
        The same as of `PowerLog`.
    notes
        What was taken and assumed, a sentence each.
    """

    by_gpu: Mapping[str, list[tuple[float, float]]]
    counted: bool
    summed: bool
    distinguished: bool
    late_s: float
    resolution_s: float
    notes: tuple[str, ...]


def read_readings(path: Path, header: Sequence[str], rows: Rows, zone: Zone) -> Readings:
    """Read the cells of a log.

    Raises
    ------
    ObservationError
        If a cell cannot be read; it names row and column of the first.
    """
    unnamed = [UNNAMED] if rows and UNNAMED in rows[0][1] else []
    columns = find_columns(path, [*header, *unnamed])
    sources = _supported(path, columns, rows)
    gpus = _telling(path, columns.gpus, rows)
    reader, units = MomentReader(zone), {source.column: _Units(source) for source in sources}
    found: dict[str, list[tuple[float, float]]] = {}
    absent = 0
    for line, cells in rows:
        at_s = _moment(path, line, columns.moment, cells, reader)
        for source in sources:
            names = [cells[name].strip() for name in gpus]
            key = " ".join([*names, *([source.gpu] if len(sources) > 1 else [])]) or UNNAMED_GPU
            of_gpu = found.setdefault(key, [])
            if _present(cells[source.column]):
                value = units[source.column].read(path, line, cells[source.column])
                of_gpu.append((at_s, value))
            else:
                absent += 1
    notes = [
        *reader.assumed(path.name),
        *(
            [f"{path.name}: {counted(absent, 'reading')} missing, as [N/A], and left out"]
            * (absent > 0)
        ),
        *_taken(path, columns, sources),
        *(note for one in units.values() for note in one.notes(path)),
    ]
    distinguished = bool(gpus) or len(sources) > 1 or sources[0].summed
    return Readings(
        found,
        sources[0].counter,
        sources[0].summed,
        distinguished,
        sources[0].late_s,
        reader.resolution_s,
        tuple(notes),
    )


def _supported(path: Path, columns: Columns, rows: Rows) -> tuple[Source, ...]:
    """Return the preferred columns that the GPU has readings for."""
    for group in columns.sources:
        if not rows or any(_present(cells[one.column]) for one in group for _, cells in rows):
            check_one_each(path, group)
            return group
    names = ", ".join(one.column for group in columns.sources for one in group)
    raise ObservationError(path, f"Expected readings, got none in {names}.")


def _telling(path: Path, names: Sequence[str], rows: Rows) -> list[str]:
    """Return the columns that distinguish GPUs; those that are empty or count the rows do not."""
    distinguishing = []
    for name in names:
        values = {cells[name].strip() for _, cells in rows}
        if not any(map(_present, values)) or len(values) == len(rows) > 1:
            continue
        identity = bool(_IDENTITIES.intersection(name_words(name)))
        wrong = next((one for one in values if not _distinguishes(one, identity=identity)), None)
        if wrong is not None or len(values) > MAX_GPUS:
            shown = repr(wrong) if wrong is not None else f"{len(values)} of them"
            problem = f"Expected the index or name of a GPU, got {shown}: rename the column."
            raise ObservationError(path, problem, column=name)
        distinguishing.append(name)
    return distinguishing


def _distinguishes(text: str, *, identity: bool) -> bool:
    if _NUMBER.fullmatch(text) and not identity:
        return 0 <= float(text) <= MAX_INDEX and float(text) == int(float(text))
    return _present(text) and "%" not in text


def _present(text: str) -> bool:
    return not _ABSENT.fullmatch(text.strip())


def _moment(
    path: Path, line: int, names: Sequence[str], cells: Mapping[str, str], reader: MomentReader
) -> float:
    try:
        return reader.read(" ".join(cells[name].strip() for name in names))
    except MomentRefusedError as error:
        raise ObservationError(path, str(error), row=line, column=names[0]) from None


def _taken(path: Path, columns: Columns, sources: Sequence[Source]) -> Iterable[str]:
    candidates = [one.column for group in columns.sources for one in group if one not in sources]
    others = [*candidates, *columns.passed_over]
    if others:
        chosen = ", ".join(one.column for one in sources)
        yield f"{path.name}: {chosen} is what was drawn; not read: {', '.join(others)}"
    if sources[0].summed:
        yield f"{path.name}: {sources[0].column} is taken as the sum of all GPUs"


@dataclass
class _Units:
    """Reads the cells of one column, and remembers which units they stated."""

    source: Source
    _seen: Counter[str] = field(default_factory=Counter)
    _bare: int = 0

    def read(self, path: Path, line: int, cell: str) -> float:
        """Return watts or joules: in the cell's unit, else in the header's, else plain ones."""
        dimension = ENERGY if self.source.counter else POWER
        try:
            number, unit = read_quantity(cell, dimension)
            if unit is None:
                self._bare += 1
            else:
                self._seen[unit.symbol] += 1
            if self.source.unit is None and self._bare and (self._seen or self.source.counter):
                raise UnitError(f"Expected a unit such as {PLAIN[dimension]}, got {cell!r:.40}.")
        except UnitError as error:
            raise ObservationError(path, str(error), row=line, column=self.source.column) from None
        stated = unit or self.source.unit
        value = number * stated.scale if stated else number
        if not 0 <= value < MAX_VALUE:
            problem = f"Expected {PLAIN[dimension]}, zero or more, got {cell!r:.40}."
            raise ObservationError(path, problem, row=line, column=self.source.column)
        return value

    def notes(self, path: Path) -> Iterable[str]:
        """Say where a unit was assumed, or where cells state another than the header."""
        stated = self.source.unit
        if stated is None and self._bare:
            yield f"{path.name}: {self.source.column} names no unit, taken as W"
        others = set(self._seen) - ({stated.symbol} if stated else set())
        if stated and others:
            which = ", ".join(sorted(others))
            yield f"{path.name}: cells of {self.source.column} are in {which}, which is taken"
