"""Loading and idling of a device, from the seconds and joules of loads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from profiler.delimited import read_table
from profiler.errors import ObservationError
from profiler.observation_rules import RULES, SMALLEST, CellError, number

LOAD_COLUMNS = ("llm", "device", "num_gpus", "load_s", "load_energy_gpu_j", "idle_watts")
_NEEDED = LOAD_COLUMNS[:-1]
IDLE_NOTE = (
    "idle_watts is the mean power of the accelerators over the loads (load joules over load "
    "seconds): an upper estimate of idling with the LLM resident."
)
IDLE_METERED_NOTE = "idle_watts was metered with the LLM resident and no request in flight."


@dataclass(frozen=True)
class LoadFigures:
    """What loading one LLM on one device takes, means of the repeats.

    Attributes
    ----------
    load_s, load_energy_j
        Seconds, and joules of what the energy scope includes (the accelerators, unless the
        campaign metered more); None where no load was measured.
    idle_watts
        Of the whole device, the LLM resident [W]. Metered where it could be; else the mean power
        while loading: hardly any work, so an upper estimate (about 57 W per A100-40GB).
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
class _Row:
    load: tuple[float, float] | None
    idle_watts: float | None


def read_loads(path: Path) -> Mapping[tuple[str, str], LoadFigures]:
    """Read loads and average the repeats of each pair.

    Parameters
    ----------
    path
        CSV with the columns `llm, device, num_gpus, load_s, load_energy_gpu_j` and, where idling
        was metered, `idle_watts`; one row a load. A row may have idling alone.

    Returns
    -------
    Mapping
        Figures by (LLM, device).

    Raises
    ------
    ObservationError
        With the row and column of what is not a name or not a positive number.
    """
    header, rows = read_table(path)
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise ObservationError(path, f"Expected the columns {', '.join(missing)} too.", row=1)
    loads: dict[tuple[str, str], list[_Row]] = defaultdict(list)
    for line, cells in rows:
        pair = str(_cell(path, line, cells, "llm")), str(_cell(path, line, cells, "device"))
        loads[pair].append(_row(path, line, cells))
    return {pair: _figures(repeats) for pair, repeats in loads.items()}


def _row(path: Path, line: int, cells: Mapping[str, str]) -> _Row:
    idle = cells.get("idle_watts", "")
    idle_watts = _positive(path, line, cells, "idle_watts") if idle else None
    if idle and not cells["load_s"] and not cells["load_energy_gpu_j"]:
        return _Row(None, idle_watts)
    load_s = _positive(path, line, cells, "load_s")
    return _Row((load_s, _positive(path, line, cells, "load_energy_gpu_j")), idle_watts)


def _figures(rows: Sequence[_Row]) -> LoadFigures:
    loads = [row.load for row in rows if row.load is not None]
    idle = [row.idle_watts for row in rows if row.idle_watts is not None]
    if not loads:
        return LoadFigures(None, None, fmean(idle), 0, idle_metered=True)
    seconds, joules = (sum(column) for column in zip(*loads, strict=True))
    count = len(loads)
    watts = fmean(idle) if idle else joules / seconds
    return LoadFigures(seconds / count, joules / count, watts, count, idle_metered=bool(idle))


def _cell(path: Path, line: int, cells: Mapping[str, str], column: str) -> object:
    try:
        return RULES[column](cells[column])
    except CellError as error:
        raise ObservationError(path, str(error), row=line, column=column) from None


def _positive(path: Path, line: int, cells: Mapping[str, str], column: str) -> float:
    try:
        return number(cells[column], least=SMALLEST, wanted="a positive number")
    except CellError as error:
        raise ObservationError(path, str(error), row=line, column=column) from None
