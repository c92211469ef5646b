"""Result files of load generators: one JSON object a run, in one file or a folder of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from costmodel.errors import CostModelError, MomentRefusedError
from costmodel.moments import MomentReader
from costmodel.names import device_num_gpus, llm_name
from profiler.errors import ObservationError
from profiler.observation_files import checked_observations
from profiler.observations import COLUMNS, Observations

Run = Mapping[str, Any]
Row = dict[str, str]


def read_runs(path: Path, to_row: Callable[[Path, Run], Row], fixed: Row) -> Observations:
    """Read runs and turn each into a row.

    Parameters
    ----------
    path
        A JSON file, or a folder with some; read in the order of their names.
    to_row
        Makes the cells of a run's row.
    fixed
        Text that all rows get; `device` is needed, since no result names it.

    Returns
    -------
    Observations
        One trial a run.

    Raises
    ------
    ObservationError
        Where a file is not such a result, or a cell breaks its rule.
    """
    if "device" not in fixed:
        raise ObservationError(path, "Expected --set device=NAME, got none: results do not tell.")
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ObservationError(path, "Expected JSON results in the folder, got none.")
    try:
        count = str(device_num_gpus(fixed["device"]))
    except CostModelError as error:
        raise ObservationError(path, str(error)) from None
    rows = [
        (number, {"num_gpus": count, **to_row(file, _read(file)), **fixed})
        for number, file in enumerate(files, start=1)
    ]
    header = list(dict.fromkeys(name for _, row in rows for name in row))
    return checked_observations(path, [*COLUMNS, *(n for n in header if n not in COLUMNS)], rows)


def named_llm(path: Path, run: Run) -> str:
    """Return the name of the LLM that a run names as ``model_id``."""
    try:
        return llm_name(str(run.get("model_id", "")))
    except CostModelError as error:
        raise ObservationError(path, f"model_id: {error}") from None


def positive(path: Path, run: Run, name: str) -> float:
    """Return a positive number of a run.

    Raises
    ------
    ObservationError
        Where there is none.
    """
    value = run.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
        raise ObservationError(path, f"Expected a positive {name}, got {value!r}.")
    return float(value)


def numbers(run: Run, name: str) -> list[float]:
    """Return a list of numbers of a run; empty where it has none."""
    values = run.get(name)
    if not isinstance(values, list):
        return []
    return [float(value) for value in values if isinstance(value, int | float)]


def began_s(path: Path, run: Run, reader: MomentReader) -> float:
    """Return when a run began, in seconds since 1970-01-01 UTC.

    Load generators write their ``date`` as they end, ``duration`` seconds later.

    Raises
    ------
    ObservationError
        Where the date is no moment, or the duration no number.
    """
    date = run.get("date")
    try:
        ended_s = reader.read(date if isinstance(date, str | int | float) else str(date))
    except MomentRefusedError as error:
        raise ObservationError(path, f"date: {error}") from None
    return ended_s - positive(path, run, "duration")


def step_sums(run: Run) -> list[tuple[float, int]]:
    """Return seconds and number of the steps between tokens, a pair for each request."""
    steps = run.get("itls")
    if not isinstance(steps, list):
        return []
    return [(sum(map(float, one)), len(one)) for one in steps if isinstance(one, list)]


def _read(path: Path) -> Run:
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ObservationError(path, f"Expected a JSON result, got: {error}.") from None
    if not isinstance(run, dict):
        raise ObservationError(path, f"Expected one JSON object, got a {type(run).__name__}.")
    return run
