"""Loading and idling of a device, from the seconds and joules of loads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from profiler.errors import ObservationError
from profiler.observation_files import read_table
from profiler.observation_rules import RULES, SMALLEST, CellError, number

LOAD_COLUMNS = ("llm", "device", "num_gpus", "load_s", "load_energy_gpu_j")
IDLE_NOTE = (
    "idle_watts is the mean power of the accelerators over the loads (load joules over load "
    "seconds): an upper estimate of idling with the LLM resident."
)


@dataclass(frozen=True)
class LoadFigures:
    """What loading one LLM on one device takes, means of the repeats.

    Attributes
    ----------
    load_s
        [s].
    load_energy_j
        Of the device's accelerators [J].
    idle_watts
        Mean power while loading, of the whole device [W]: hardly any work, so an upper estimate of
        idling with the LLM resident (about 57 W per A100-40GB).
    repeats
        Loads measured.
    """

    load_s: float
    load_energy_j: float
    idle_watts: float
    repeats: int


def read_loads(path: Path) -> Mapping[tuple[str, str], LoadFigures]:
    """Read loads and average the repeats of each pair.

    Parameters
    ----------
    path
        CSV with the columns `llm, device, num_gpus, load_s, load_energy_gpu_j`, one row a load.

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
    missing = [name for name in LOAD_COLUMNS if name not in header]
    if missing:
        raise ObservationError(path, f"Expected the columns {', '.join(missing)} too.", row=1)
    loads: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for line, cells in rows:
        pair = str(_cell(path, line, cells, "llm")), str(_cell(path, line, cells, "device"))
        load_s = _positive(path, line, cells, "load_s")
        loads[pair].append((load_s, _positive(path, line, cells, "load_energy_gpu_j")))
    return {pair: _figures(repeats) for pair, repeats in loads.items()}


def _figures(repeats: list[tuple[float, float]]) -> LoadFigures:
    seconds, joules = (sum(column) for column in zip(*repeats, strict=True))
    count = len(repeats)
    return LoadFigures(seconds / count, joules / count, joules / seconds, count)


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
