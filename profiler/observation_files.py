"""Observations as CSV files: read with strict checks, appended to, never rewritten."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from costmodel.nearest import counted
from profiler.column_proposals import import_command
from profiler.delimited import read_table
from profiler.errors import ObservationError
from profiler.observation_rules import FURTHER_RULES, RULES, CellError, Rule, check_row
from profiler.observations import COLUMNS, Observations
from profiler.plausibility import misread_trials

_TYPES: Mapping[str, type] = {
    "num_gpus": np.int64,
    "concurrency": np.float64,
    "input_tokens": np.float64,
    "output_tokens": np.float64,
    "runtime_s": np.float64,
    "energy_gpu_j": np.float64,
    "energy_cpu_j": np.float64,
    "warmup": np.bool_,
}
NUMBER_COLUMNS = frozenset({*_TYPES, "max_context_tokens"})
"""Columns that hold numbers, those that a file may lack among them."""


def read_observations(path: Path) -> Observations:
    """Read and check an observations file.

    Parameters
    ----------
    path
        CSV with at least the columns of the schema, in any order; further columns are kept.

    Returns
    -------
    Observations
        One trial or more.

    Raises
    ------
    ObservationError
        If a cell is missing, NaN, negative, not a number or not a name where it must not be; it
        names row and column of the first.
    """
    header, rows = read_table(path, lambda _: NUMBER_COLUMNS)
    return checked_observations(path, header, rows)


def checked_observations(
    path: Path, header: list[str], rows: list[tuple[int, dict[str, str]]]
) -> Observations:
    """Turn rows of text into observations.

    Parameters
    ----------
    path
        Where the rows come from, for messages.
    header
        Names of their columns.
    rows
        Line number and text by column.

    Returns
    -------
    Observations
        One trial or more.

    Raises
    ------
    ObservationError
        If `read_observations` would refuse them.
    """
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        problem = (
            f"Expected the columns of observations, got none named {', '.join(missing)}. A table "
            f"with other columns ({', '.join(header)}) is imported first, as "
            f"`{import_command(path, header, missing)}`: see that each is what it seems."
        )
        raise ObservationError(path, problem, row=1)
    if not rows:
        raise ObservationError(path, "Expected at least one trial, got only a header.")
    checked = [_checked_row(path, line, cells) for line, cells in rows]
    columns: dict[str, Any] = {
        name: np.array([row[name] for row in checked], dtype=_TYPES.get(name, np.str_))
        for name in COLUMNS
    }
    extra = {
        name: np.array([_further(path, line, name, cells) for line, cells in rows], dtype=np.str_)
        for name in header
        if name not in RULES
    }
    trials = Observations(**columns, extra=extra)
    misread = misread_trials(trials)
    if misread:
        first = misread[0]
        others = len(misread) - 1
        more = f" ({counted(others, 'more trial')})" if others else ""
        row = rows[first.trial][0]
        raise ObservationError(path, first.problem + more, row=row, column="energy_gpu_j")
    return trials


def _checked_row(path: Path, line: int, cells: Mapping[str, str]) -> dict[str, object]:
    row: dict[str, object] = {}
    for column, rule in RULES.items():
        row[column] = _ruled(path, line, column, rule, cells)
    try:
        check_row(row)
    except CellError as error:
        raise ObservationError(path, str(error), row=line) from None
    return row


def _further(path: Path, line: int, column: str, cells: Mapping[str, str]) -> object:
    rule = FURTHER_RULES.get(column)
    return cells[column] if rule is None else _ruled(path, line, column, rule, cells)


def _ruled(path: Path, line: int, column: str, rule: Rule, cells: Mapping[str, str]) -> object:
    try:
        return rule(cells[column].strip())
    except CellError as error:
        raise ObservationError(path, str(error), row=line, column=column) from None


def append_observations(path: Path, observations: Observations) -> int:
    """Append trials to a file, or make it; rows that it already holds are not written twice.

    Parameters
    ----------
    path
        Made with its header where absent.
    observations
        The trials.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    ObservationError
        If the file exists and has other columns.
    """
    header = [*COLUMNS, *observations.extra]
    known: set[tuple[str, ...]] = set()
    exists = path.exists() and path.stat().st_size > 0
    if exists:
        found, rows = read_table(path, lambda _: NUMBER_COLUMNS)
        if found != header:
            raise ObservationError(path, _difference(found, header), row=1)
        known = {tuple(cells[name] for name in header) for _, cells in rows}
    fresh = [row for row in texts(observations) if row not in known]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not exists:
            writer.writerow(header)
        writer.writerows(fresh)
    return len(fresh)


def _difference(found: Sequence[str], header: Sequence[str]) -> str:
    """Say how the columns of a file differ from those of what is to be appended."""
    lacks = [name for name in header if name not in found]
    more = [name for name in found if name not in header]
    differences = [
        f"one {word} {', '.join(names)}"
        for word, names in (("without", lacks), ("with", more))
        if names
    ]
    how = " and ".join(differences) or "one with them in another order"
    return (
        f"Expected a file of the same columns to append to, got {how}: give another --out; fit "
        "takes several files together."
    )


def texts(observations: Observations) -> Iterator[tuple[str, ...]]:
    """Write each trial as the cells of its row: the schema's columns, then the further ones."""
    columns = [getattr(observations, name).tolist() for name in COLUMNS]
    columns += [values.tolist() for values in observations.extra.values()]
    for row in zip(*columns, strict=True):
        yield tuple(_text(value) for value in row)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value == int(value) else repr(value)
    return str(value)
