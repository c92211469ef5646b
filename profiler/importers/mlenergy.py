"""Results of the ML.ENERGY benchmark (ml-energy/benchmark, ``results.json``): the steady state.

Chung et al., The ML.ENERGY Benchmark (NeurIPS D&B 2025). Its joules are those of the GPUs by Zeus,
over the part of the run in which the server's batch is full; prompts are a task's own mix.
"""

from __future__ import annotations

from pathlib import Path

from costmodel.moment_reader import MomentReader
from costmodel.moments import written
from costmodel.zones import MACHINE_ZONE, Zone
from profiler.errors import ObservationError
from profiler.importers.results import (
    Row,
    Run,
    began_s,
    joined_notes,
    positive,
    read_runs,
    step_sums,
)
from profiler.importers.served import completed_notes, output_lengths, served_mask
from profiler.observations import Observations
from profiler.short_windows import SHORT_WINDOW, Edges, metered_edges, short_window_notes


def import_mlenergy(
    path: Path, fixed: Row, zone: Zone = MACHINE_ZONE
) -> tuple[Observations, list[str]]:
    """Turn benchmark results into observations, a row a run.

    Parameters
    ----------
    path
        A result, or a folder of results.
    fixed
        Text that all rows get; a `task` should be among them.
    zone
        Zone of dates, which are written without one.

    Returns
    -------
    tuple
        The observations, and what had to be assumed, a sentence each. They are without input
        lengths, which are the task's own mix: their share is in every joule. The concurrency is
        that of the decoding: tokens per second times the mean step.

    Raises
    ------
    ObservationError
        If a result lacks what is needed.
    """
    reader = MomentReader(zone)
    dated = {"date", "duration"}

    notes: list[tuple[Path, str]] = []
    short: list[tuple[str, Edges]] = []

    def to_row(file: Path, run: Run) -> Row:
        began = written(began_s(file, run, reader)) if dated <= run.keys() else ""
        row, said = _row(file, run)
        notes.extend((file, sentence) for sentence in said)
        edges = metered_edges(float(row["window_s"]))
        short.extend([(file.name, edges)] if edges.short else [])
        return {**row, "started_at": began, "flags": SHORT_WINDOW if edges.short else ""}

    trials = read_runs(path, to_row, {"kv_cache": "on", "energy_cpu_j": "", **fixed})
    return trials, [*joined_notes(notes), *short_window_notes(short), *reader.assumed(path.name)]


def _row(path: Path, run: Run) -> tuple[Row, list[str]]:
    seconds = positive(path, run, "steady_state_duration")
    per_token_j = positive(path, run, "steady_state_energy_per_token")
    completed, notes = _completed(path, run)
    length = positive(path, run, "total_output_tokens") / completed
    tokens = positive(path, run, "steady_state_energy") / per_token_j
    total_s, count = (sum(column) for column in zip((0.0, 0), *step_sums(run), strict=True))
    if not count or not total_s > 0:
        raise ObservationError(path, "Expected itls, the steps between tokens, got none.")
    concurrency = max(1.0, tokens / seconds * total_s / count)
    prompts = run.get("total_input_tokens")
    row = {
        "concurrency": repr(concurrency),
        "input_tokens": "",
        "output_tokens": repr(length),
        "runtime_s": repr(seconds / tokens * length * concurrency),
        "energy_gpu_j": repr(per_token_j * length),
        "warmup": "0",
        "source": "mlenergy-benchmark",
        "engine": "vllm",
        "mean_input_tokens": ""
        if prompts is None
        else repr(positive(path, run, "total_input_tokens") / completed),
        "window_s": repr(seconds),
    }
    return row, notes


def _completed(path: Path, run: Run) -> tuple[float, list[str]]:
    """Return how many requests were served, by the list of them where there is one."""
    lengths = output_lengths(run)
    if not len(lengths):
        return positive(path, run, "completed"), []
    count = int(served_mask(path, run, lengths).sum())
    if not count:
        raise ObservationError(path, "Expected a request that was served, got none.")
    failed = len(lengths) - count
    said = [f"{failed} of {len(lengths)} requests failed: left out"] if failed else []
    return float(count), [*said, *completed_notes(run, count)]
