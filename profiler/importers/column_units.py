"""Joules and seconds of foreign tables, in whatever unit they are written, to plain ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from costmodel.errors import CostModelError
from profiler.errors import ObservationError, UnusableInputError
from profiler.plausibility import nearest_scale
from profiler.units import (
    ENERGY,
    PLAIN,
    TIME,
    Unit,
    UnitError,
    header_units,
    read_quantity,
    unit,
)

COLUMN_QUANTITIES: Mapping[str, str] = {
    "runtime_s": TIME,
    "energy_gpu_j": ENERGY,
    "energy_cpu_j": ENERGY,
}
"""Columns of the schema that have a unit, and what they hold."""

_PER_TOKEN = re.compile(
    r"(?:per|/)[\s_-]*(?:[0-9]+k?|k)?[\s_-]*tok|tok\w*[\s_-]*(?:per|/)|tpot|(?<![a-z])itl(?![a-z])|ttft",
    re.IGNORECASE,
)
"""What is of a token, or of the first alone, or a rate of tokens."""
_OF_ALL = frozenset(("total", "sum", "batch", "cumulative"))
_NOT_MEANS = frozenset(
    ("median", "max", "min", "std", "p50", "p75", "p90", "p95", "p99", "maximum", "minimum")
)
_LONG = ("min", "h")

Row = tuple[int, dict[str, str]]


def convert_units(
    path: Path, origin: Mapping[str, str], rows: Sequence[Row], stated: Mapping[str, str]
) -> list[str]:
    """Write the cells of quantities in joules and seconds.

    The unit of a cell goes before what the user states, and that before the name of the column.

    Parameters
    ----------
    path
        Path for messages.
    origin
        Name in the file by column of the schema, of columns that have a unit.
    rows
        Line and text by column of the schema; changed in place.
    stated
        Unit by column of the schema.

    Returns
    -------
    list
        What had to be assumed, a sentence each.

    Raises
    ------
    ObservationError
        If a unit is none, or contradicts another, or cannot be given.
    """
    notes = []
    # Seconds first: joules whose unit is in doubt are judged by them.
    for ours in sorted(origin, key=lambda name: COLUMN_QUANTITIES[name] == ENERGY):
        theirs, dimension = origin[ours], COLUMN_QUANTITIES[ours]
        units = _named(path, ours, theirs, stated)
        read = [_read(path, line, theirs, dimension, cells[ours]) for line, cells in rows]
        bare = [own is None for number, own in read if number is not None]
        if not units and any(bare) and not all(bare):
            line = next(
                row[0]
                for row, (n, own) in zip(rows, read, strict=True)
                if n is not None and not own
            )
            problem = "Expected a unit in every cell or in the name, got a cell without one."
            raise ObservationError(path, problem, row=line, column=theirs)
        if len(units) > 1 and any(bare):
            units = (_decided(path, theirs, units, rows, read),)
            notes.append(f"{path.name}: {theirs} is taken as {units[0].symbol}: only so can it be")
        elif not units and any(bare):
            notes.append(f"{path.name}: {theirs} names no unit, taken as {PLAIN[dimension]}")
        notes += [f"{path.name}: {doubt}" for doubt in _doubts(theirs, dimension, units)]
        for (_, cells), (number, own) in zip(rows, read, strict=True):
            chosen = own or (units[0] if units else None)
            if number is not None and chosen is not None and (own or chosen.scale != 1.0):
                cells[ours] = repr(number * chosen.scale)
    return notes


def _named(path: Path, ours: str, theirs: str, stated: Mapping[str, str]) -> tuple[Unit, ...]:
    """Return the units that the user or the name of a column may mean."""
    dimension = COLUMN_QUANTITIES[ours]
    if ours in stated:
        try:
            given = unit(stated[ours])
        except UnitError as error:
            raise UnusableInputError(f"--unit {ours}: {error}") from None
        if given.dimension != dimension:
            msg = f"Expected --unit {ours} in {PLAIN[dimension]} or the like, got {given.symbol}."
            raise UnusableInputError(msg)
        return (given,)
    if _PER_TOKEN.search(theirs):
        problem = "Expected joules or seconds of a request, got those of a token: multiply them."
        raise ObservationError(path, problem, row=1, column=theirs)
    try:
        return header_units(theirs, dimension)
    except UnitError as error:
        raise ObservationError(path, str(error), row=1, column=theirs) from None


def _doubts(theirs: str, dimension: str, units: Sequence[Unit]) -> Iterator[str]:
    """Say what the name of a column may mean beside a mean of requests in its unit."""
    words = set(re.findall(r"[a-z]+[0-9]*", " ".join(theirs.lower().split("_"))))
    if words & _OF_ALL:
        yield f"{theirs} is taken as that of one request, not of all together"
    if words & _NOT_MEANS - {"min"}:
        yield f"{theirs} is taken as a mean, which it may not be"
    if dimension == TIME and len(units) == 1 and units[0].symbol in _LONG:
        yield f"{theirs} is taken as in {units[0].symbol}"


def _read(
    path: Path, line: int, theirs: str, dimension: str, cell: str
) -> tuple[float | None, Unit | None]:
    if not cell.strip():
        return None, None
    try:
        return read_quantity(cell, dimension)
    except UnitError as error:
        raise ObservationError(path, str(error), row=line, column=theirs) from None


def _decided(
    path: Path,
    theirs: str,
    units: Sequence[Unit],
    rows: Sequence[Row],
    read: Sequence[tuple[float | None, Unit | None]],
) -> Unit:
    """Choose the unit under which the device can have drawn it."""
    watts = np.array(list(_watts(rows, read)))
    scale = None
    if len(watts) and rows[0][1].get("device"):
        with suppress(CostModelError):
            scale = nearest_scale(watts, rows[0][1]["device"], tuple(one.scale for one in units))
    chosen = next((one for one in units if one.scale == scale), None)
    if chosen is None:
        either = " or ".join(one.symbol for one in units)
        problem = f"Expected one unit, got a name that may mean {either}: state it with --unit."
        raise ObservationError(path, problem, row=1, column=theirs)
    return chosen


def _watts(
    rows: Sequence[Row], read: Sequence[tuple[float | None, Unit | None]]
) -> Iterator[float]:
    for (_, cells), (number, own) in zip(rows, read, strict=True):
        if number and own is None:
            with suppress(ValueError, KeyError, ZeroDivisionError):
                yield number * float(cells["concurrency"]) / float(cells["runtime_s"])
