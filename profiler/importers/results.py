"""Result files of load generators: a JSON object a run, one or several in a file, or a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from costmodel.errors import CostModelError, MomentRefusedError
from costmodel.files import open_input
from costmodel.kinds import kind_of
from costmodel.moment_reader import MomentReader
from costmodel.names import device_num_gpus, llm_name
from profiler.errors import ObservationError
from profiler.observation_files import checked_observations
from profiler.observations import COLUMNS, Observations

Run = Mapping[str, Any]
Row = dict[str, str]

MAX_RUN_S = 366 * 86_400.0
"""A longer duration is in another unit."""

_LISTS: Mapping[str, str] = {
    "input_lens": "input_len",
    "output_lens": "output_len",
    "ttfts": "ttft",
    "itls": "itl",
    "success": "success",
    "errors": "error",
}
"""What the ML.ENERGY benchmark writes in an object a request, by the name of the list."""


def read_runs(path: Path, to_row: Callable[[Path, Run], Row], fixed: Row) -> Observations:
    """Read runs and turn each into a row.

    Parameters
    ----------
    path
        A file of JSON objects, one after the other as ``--append-result`` writes them, or a folder
        with such files (``*.json``, ``*.jsonl``), read in the order of their names.
    to_row
        Makes the cells of a run's row.
    fixed
        Text that all rows get; `device` is needed, since no result names it, and `llm` where it
        has no ``model_id``.

    Returns
    -------
    Observations
        One trial a run.

    Raises
    ------
    ObservationError
        If a file is not such a result, or a cell breaks its rule.
    """
    if "device" not in fixed:
        raise ObservationError(path, "Expected --set device=NAME, got none: results do not tell.")
    files = sorted(path.glob("*.json*")) if path.is_dir() else [path]
    if not files:
        raise ObservationError(path, "Expected JSON results in the folder, got none.")
    try:
        count = str(device_num_gpus(fixed["device"]))
    except CostModelError as error:
        raise ObservationError(path, str(error)) from None
    runs = [(file, line, run) for file in files for line, run in _runs(file)]
    _check_one_llm(path, [run for *_, run in runs], fixed)
    found = [_row(file, line, run, to_row, fixed) for file, line, run in runs]
    rows = [
        (number, {"num_gpus": count, **row, **fixed}) for number, row in enumerate(found, start=1)
    ]
    header = list(dict.fromkeys(name for _, row in rows for name in row))
    return checked_observations(path, [*COLUMNS, *(n for n in header if n not in COLUMNS)], rows)


def _check_one_llm(path: Path, runs: Sequence[Run], fixed: Row) -> None:
    """Refuse one name for runs of several LLMs."""
    named = sorted({str(run["model_id"]) for run in runs if run.get("model_id") is not None})
    if "llm" in fixed and len(named) > 1:
        problem = (
            f"Expected runs of one LLM with --set llm={fixed['llm']}, got those of "
            f"{', '.join(named)}: import each by itself, or leave --set llm out."
        )
        raise ObservationError(path, problem)


def _row(file: Path, line: int, run: Run, to_row: Callable[[Path, Run], Row], fixed: Row) -> Row:
    """Make a run's row, and say in which line of its file a run is that makes none."""
    try:
        named = {} if "llm" in fixed else {"llm": _named_llm(file, run)}
        return {**named, **to_row(file, run)}
    except ObservationError as error:
        if line == 1 or error.path != file:
            raise
        raise ObservationError(file, error.problem, row=line) from None


def _named_llm(path: Path, run: Run) -> str:
    if "duration" not in run and "steady_state_duration" not in run:
        shown = ", ".join(list(run)[:8])
        problem = (
            "Expected a run of vllm bench serve, SGLang's bench_serving or the ML.ENERGY "
            f"benchmark, with its duration, got {shown}: import csv reads tables of other tools."
        )
        raise ObservationError(path, problem)
    published = run.get("model_id")
    if not isinstance(published, str) or not published.strip():
        got = "neither" if published is None else f"model_id {published!r:.40}"
        raise ObservationError(path, f"Expected model_id or --set llm=NAME, got {got}.")
    try:
        return llm_name(published)
    except CostModelError as error:
        raise ObservationError(path, f"model_id: {error}") from None


def positive(path: Path, run: Run, name: str) -> float:
    """Return a positive number of a run.

    Raises
    ------
    ObservationError
        If the run has none of that name.
    """
    value = run.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
        raise ObservationError(path, f"Expected a positive {name}, got {value!r}.")
    return float(value)


def began_s(
    path: Path,
    run: Run,
    reader: MomentReader,
    covers: Callable[[float, float], bool] | None = None,
) -> float:
    """Return when a run began, in seconds since 1970-01-01 UTC.

    Load generators write their ``date`` as they end, ``duration`` seconds later.

    Parameters
    ----------
    path
        Path of the result, for messages.
    run
        The run.
    reader
        Reader of its date.
    covers
        Says of a beginning and an end whether there is a log of it: where the clock showed the date
        twice, that decides. None where there is none.

    Raises
    ------
    ObservationError
        If the date is no moment, or the duration no number.
    """
    date = run.get("date")
    if date is None:
        raise ObservationError(path, "Expected a date, or --started-at MOMENT, got neither.")
    seconds = duration_s(path, run)
    fits = None if covers is None else lambda ended_s: covers(ended_s - seconds, ended_s)
    try:
        ended_s = reader.read(date if isinstance(date, str | int | float) else str(date), fits)
    except MomentRefusedError as error:
        raise ObservationError(path, f"date: {error}") from None
    return ended_s - seconds


def duration_s(path: Path, run: Run) -> float:
    """Return the seconds that a run took: above zero, and at most a year."""
    seconds = positive(path, run, "duration")
    if seconds > MAX_RUN_S:
        raise ObservationError(path, f"Expected a duration in seconds, got {seconds:g}.")
    return seconds


def joined_notes(notes: Sequence[tuple[Path, str]]) -> list[str]:
    """Write what is to be said of files: what is the same of several, once.

    Examples
    --------
    >>> joined_notes([(Path("1.json"), "late"), (Path("2.json"), "late"), (Path("2.json"), "hot")])
    ['1.json and 1 more: late', '2.json: hot']
    """
    files: dict[str, list[str]] = {}
    for file, sentence in notes:
        files.setdefault(sentence, []).append(file.name)
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {sentence}"
        for sentence, names in files.items()
    ]


def overlapping(spans: Sequence[tuple[str, float, float]], apart_s: float) -> list[str]:
    """Say which runs took place at once: joules of each are in those of the others.

    Parameters
    ----------
    spans
        Name, beginning and end of each run.
    apart_s
        By how much their moments may be off.

    Examples
    --------
    >>> overlapping([("a.json", 0.0, 9.0), ("b.json", 8.5, 20.0)], 1.0)
    []
    >>> overlapping([("a.json", 0.0, 9.0), ("b.json", 5.0, 20.0)], 1.0)[0][:33]
    'a.json and b.json overlap in time'
    """
    ordered = sorted(spans, key=lambda span: span[1:])
    last_s, met = -math.inf, []
    for place, (_, begin_s, end_s) in enumerate(ordered):
        if begin_s < last_s - apart_s:
            met.append((ordered[place - 1][0], ordered[place][0]))
        last_s = max(last_s, end_s)
    if not met:
        return []
    more = len(met) - 1
    others = f", and so do {more} more pairs" if more > 1 else ", and so does 1 more pair" * more
    return [
        f"{met[0][0]} and {met[0][1]} overlap in time{others}: what the GPUs drew then is counted "
        "in each; import one run once, and of runs at the same time none"
    ]


def step_sums(run: Run) -> list[tuple[float, int]]:
    """Return seconds and number of the steps between tokens, a pair for each request."""
    steps = run.get("itls")
    if not isinstance(steps, list):
        return []
    known = [
        [step for step in one if isinstance(step, int | float) and 0 <= step < math.inf]
        for one in steps
        if isinstance(one, list)
    ]
    return [(float(sum(one)), len(one)) for one in known]


def _runs(path: Path) -> list[tuple[int, Run]]:
    """Read the runs of a file, each with the line where it begins."""
    try:
        with open_input(path) as file:
            content = file.read()
        text = content.decode(json.detect_encoding(content))
    except OSError as error:
        raise ObservationError(path, f"Expected a JSON result, got: {error.strerror}.") from None
    except UnicodeError as error:
        raise ObservationError(path, f"Expected a JSON result, got: {error}.") from None
    decoder, place = json.JSONDecoder(), _begin(text, 0)
    runs: list[tuple[int, Run]] = []
    while place < len(text) or not runs:
        line = text.count("\n", 0, place) + 1
        try:
            run, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            problem = f"Expected a JSON result, got: {error}."
            raise ObservationError(path, problem, row=line if runs else None) from None
        for one in run if isinstance(run, list) and run else [run]:
            if not isinstance(one, dict):
                problem = f"Expected a JSON object a run, got {kind_of(one)}."
                raise ObservationError(path, problem, row=line if runs else None)
            runs.append((line, _listed(one)))
        place = _begin(text, end)
    return runs


def _begin(text: str, place: int) -> int:
    """Return where the next value begins: after white space, and the comma that some write."""
    while place < len(text) and text[place] in " \t\r\n,":
        place += 1
    return place


def _listed(run: Run) -> Run:
    """Return a run whose requests are objects of ``results`` with the lists that others have."""
    requests = run.get("results")
    if "output_lens" in run or not isinstance(requests, list) or not requests:
        return run
    if not all(isinstance(one, dict) for one in requests):
        return run
    lists = {
        ours: [one.get(theirs) for one in requests]
        for ours, theirs in _LISTS.items()
        if any(theirs in one for one in requests)
    }
    return {**lists, **run}
