"""Loading and idling of a device, from the seconds and joules of loads."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from costmodel.nearest import counted
from costmodel.provenance import GPU
from profiler.delimited import read_table
from profiler.errors import ObservationError
from profiler.misreadings import likely_mistakes, question
from profiler.observation_rules import MIN_MEASUREMENT, RULES, CellError, check_num_gpus, number
from profiler.power_limits import PowerRange, limits

Pair = tuple[str, str]

NO_SCOPES: Mapping[Pair, str] = {}
LOAD_COLUMNS = ("llm", "device", "num_gpus", "load_s", "load_energy_gpu_j", "idle_watts")
_NEEDED = LOAD_COLUMNS[:-1]
_NUMBERS = LOAD_COLUMNS[2:]
IDLE_NOTE = (
    "idle_watts was not metered: it is the mean power of the whole device while the LLM is loaded "
    "(load joules over load seconds), an upper estimate of idling with it resident."
)
IDLE_METERED_NOTE = (
    "idle_watts is the mean power of the whole device, metered with the LLM resident and no "
    "request in flight."
)


@dataclass(frozen=True)
class LoadFigures:
    """What loading one LLM on one device takes, means of the repeats.

    Attributes
    ----------
    load_s, load_energy_j
        Seconds, and joules of what the energy scope includes (the accelerators, unless the
        campaign metered more); None where no load was measured.
    idle_watts
        Power of the whole device, the LLM resident [W]. Metered where it could be; else the mean
        power while loading: hardly any work, so an upper estimate (about 57 W per A100-40GB).
    repeats
        Loads measured.
    idle_metered
        Whether idling itself was metered.
    """

    load_s: float | None
    load_energy_j: float | None
    idle_watts: float
    repeats: int
    idle_metered: bool = False


@dataclass(frozen=True)
class MeasuredLoad:
    """One row of loads: a load, idling, or both.

    Attributes
    ----------
    seconds, joules
        Seconds and joules of the load; None where only idling was metered.
    idle_watts
        None where idling was not metered.
    """

    seconds: float | None
    joules: float | None
    idle_watts: float | None


def read_loads(
    paths: Sequence[Path], scopes: Mapping[Pair, str] = NO_SCOPES
) -> Mapping[Pair, Sequence[MeasuredLoad]]:
    """Read loads.

    Parameters
    ----------
    paths
        CSV files with the columns `llm, device, num_gpus, load_s, load_energy_gpu_j` and, where
        idling was metered, `idle_watts`; one row a load. A row may have idling alone.
    scopes
        Energy scope by (LLM, device), of those that are not of the accelerators alone.

    Returns
    -------
    Mapping
        Rows by (LLM, device), in their order.

    Raises
    ------
    ObservationError
        If a cell is not a name or not a positive number, or holds joules or watts that the device
        cannot have drawn; it names row and column.
    """
    loads: dict[Pair, list[MeasuredLoad]] = defaultdict(list)
    for path in paths:
        header, rows = read_table(path, lambda _: _NUMBERS)
        missing = [name for name in _NEEDED if name not in header]
        if missing:
            raise ObservationError(path, f"Expected the columns {', '.join(missing)} too.", row=1)
        if not rows:
            raise ObservationError(path, "Expected at least one load, got only a header.")
        for line, cells in rows:
            llm, device = (str(_cell(path, line, cells, name)) for name in ("llm", "device"))
            load = _load(path, line, cells)
            _check_gpus(path, line, cells, device)
            _check_power(path, line, load, limits(device, scopes.get((llm, device), GPU)))
            loads[llm, device].append(load)
    return loads


def unused_loads(
    loads: Mapping[Pair, Sequence[MeasuredLoad]], pairs: Collection[Pair]
) -> list[str]:
    """Say which loads are of none of some pairs, a sentence each.

    Examples
    --------
    >>> unused_loads({("a", "1xl4"): [MeasuredLoad(9.0, 300.0, None)]}, [("b", "1xl4")])
    ['left out: 1 load of a on 1xl4, of which there are no observations']
    """
    return [
        f"left out: {counted(len(rows), 'load')} of {llm} on {device}, of which there "
        "are no observations"
        for (llm, device), rows in sorted(loads.items())
        if (llm, device) not in pairs
    ]


def load_figures(loads: Mapping[Pair, Sequence[MeasuredLoad]]) -> Mapping[Pair, LoadFigures]:
    """Average the rows of each pair."""
    return {pair: _figures(rows) for pair, rows in loads.items()}


def _figures(rows: Sequence[MeasuredLoad]) -> LoadFigures:
    loads = [(row.seconds, row.joules) for row in rows if row.seconds and row.joules]
    idle = [row.idle_watts for row in rows if row.idle_watts is not None]
    if not loads:
        return LoadFigures(None, None, fmean(idle), 0, idle_metered=True)
    seconds, joules = (sum(column) for column in zip(*loads, strict=True))
    count = len(loads)
    watts = fmean(idle) if idle else joules / seconds
    return LoadFigures(seconds / count, joules / count, watts, count, idle_metered=bool(idle))


def _load(path: Path, line: int, cells: Mapping[str, str]) -> MeasuredLoad:
    idle = cells.get("idle_watts", "")
    idle_watts = _positive(path, line, cells, "idle_watts") if idle else None
    if idle and not cells["load_s"] and not cells["load_energy_gpu_j"]:
        return MeasuredLoad(None, None, idle_watts)
    seconds, joules = (_positive(path, line, cells, name) for name in _NEEDED[-2:])
    return MeasuredLoad(seconds, joules, idle_watts)


def _check_gpus(path: Path, line: int, cells: Mapping[str, str], device: str) -> None:
    try:
        check_num_gpus(device, _cell(path, line, cells, "num_gpus"))
    except CellError as error:
        raise ObservationError(path, str(error), row=line) from None


def _check_power(path: Path, line: int, load: MeasuredLoad, allowed: PowerRange) -> None:
    """Refuse a load, or an idling, that the device cannot have drawn."""
    if load.seconds is not None and load.joules is not None:
        watts = load.joules / load.seconds
        problem = allowed.problem(watts, load.seconds)
        if problem:
            mistakes = likely_mistakes(np.array([watts]), allowed)
            asked = f" {question(mistakes, watts, 0)} Write joules and seconds." if mistakes else ""
            message = f"{problem}: {load.joules:g} J in {load.seconds:g} s.{asked}"
            raise ObservationError(path, message, row=line, column="load_energy_gpu_j")
    if load.idle_watts is not None:
        problem = allowed.problem(load.idle_watts, math.inf)
        if problem:
            message = f"{problem}: write watts of the whole device, or leave it empty."
            raise ObservationError(path, message, row=line, column="idle_watts")


def _cell(path: Path, line: int, cells: Mapping[str, str], column: str) -> object:
    try:
        return RULES[column](cells[column])
    except CellError as error:
        raise ObservationError(path, str(error), row=line, column=column) from None


def _positive(path: Path, line: int, cells: Mapping[str, str], column: str) -> float:
    try:
        return number(cells[column], minimum=MIN_MEASUREMENT, wanted="a positive number")
    except CellError as error:
        raise ObservationError(path, str(error), row=line, column=column) from None
