"""Results of ``vllm bench serve --save-result --save-detailed``, with a log of power beside them.

The benchmark meters no energy. Its ``date`` is the moment at which it ended, without a zone, as is
the time in a log of ``nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -l 1``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from costmodel.errors import CostModelError, MomentRefusedError
from costmodel.moments import MomentReader, written
from costmodel.names import device_num_gpus
from costmodel.zones import MACHINE, Zone
from profiler.errors import ObservationError, UnusableInputError
from profiler.importers.power_log import PowerLog, read_power_log
from profiler.importers.results import (
    Row,
    Run,
    began_s,
    named_llm,
    numbers,
    positive,
    read_runs,
    step_sums,
)
from profiler.length_mix import MIXED_FLAG, mean_cells
from profiler.observations import Observations

ALIKE = 0.1
"""Lengths whose coefficient of variation stays below this count as uniform."""


def import_vllm_bench(
    path: Path,
    power_log: Path | None,
    started_at: str | None,
    fixed: Row,
    zone: Zone = MACHINE,
) -> tuple[Observations, list[str]]:
    """Turn benchmark results into observations, a row a run.

    Parameters
    ----------
    path
        A result, or a folder of results.
    power_log
        CSV of time and watts, see `profiler.importers.power_log`.
    started_at
        Of a single result, in a form that `costmodel.moments` knows; None to count back from its
        ``date``.
    fixed
        Text that all rows get.
    zone
        Of moments that are written without one, in results and log alike.

    Returns
    -------
    tuple
        The observations, and what had to be assumed, a sentence each. The concurrency is the mean
        number in flight: latencies over the run's seconds.

    Raises
    ------
    ObservationError
        Where a result lacks what is needed, or the log does not cover it.
    UnusableInputError
        Where there is no log.
    """
    if power_log is None:
        raise UnusableInputError("Expected --power-log CSV with vllm-bench, got none.")
    if started_at is not None and path.is_dir():
        raise UnusableInputError("Expected --started-at with one result, got a folder.")
    log = read_power_log(power_log, zone)
    _check_gpus(power_log, log, fixed.get("device"))
    reader = MomentReader(zone)
    begin_s = None if started_at is None else _stated(started_at, reader)

    def to_row(file: Path, run: Run) -> Row:
        return _row(file, run, log, begin_s if begin_s is not None else began_s(file, run, reader))

    trials = read_runs(path, to_row, {"kv_cache": "on", "energy_cpu_j": "", **fixed})
    what = path.name if started_at is None else "--started-at"
    return trials, [*log.notes, *reader.assumed(what)]


def _check_gpus(path: Path, log: PowerLog, device: str | None) -> None:
    if device is None:
        return
    try:
        count = device_num_gpus(device)
    except CostModelError as error:
        raise ObservationError(path, str(error)) from None
    if len(log.readings) != count:
        problem = (
            f"Expected the power of {count} GPUs as {device} says, got that of "
            f"{', '.join(sorted(log.readings))}: log the server's alone, with nvidia-smi -i."
        )
        raise ObservationError(path, problem)


def _row(path: Path, run: Run, log: PowerLog, start_s: float) -> Row:
    seconds, completed = (positive(path, run, name) for name in ("duration", "completed"))
    latency_s = _latency_s(path, run)
    tin, tout = (np.array(numbers(run, f"{part}_lens")) for part in ("input", "output"))
    row = {
        "llm": named_llm(path, run),
        "concurrency": repr(max(1.0, latency_s * completed / seconds)),
        "runtime_s": repr(latency_s),
        "energy_gpu_j": repr(log.joules(start_s, seconds) / completed),
        "warmup": "0",
        "source": "vllm-bench",
        "flags": "",
        "engine": "vllm",
        "started_at": written(start_s),
        "requests": str(round(completed)),
        "window_s": repr(seconds),
    }
    if not len(tin) or len(tin) != len(tout):
        problem = "Expected input_lens and output_lens, got none: run with --save-detailed."
        raise ObservationError(path, problem)
    mixed = max(float(np.std(one) / np.mean(one)) for one in (tin, tout)) > ALIKE
    return row | {"flags": MIXED_FLAG if mixed else "", **mean_cells(tin, tout)}


def _latency_s(path: Path, run: Run) -> float:
    """Mean latency: of the requests one by one, or from the means that are always there."""
    first, steps = numbers(run, "ttfts"), step_sums(run)
    if first and len(first) == len(steps):
        return float(
            np.mean([ttft + seconds for ttft, (seconds, _) in zip(first, steps, strict=True)])
        )
    if "mean_e2el_ms" in run:
        return positive(path, run, "mean_e2el_ms") / 1e3
    completed = positive(path, run, "completed")
    generated = positive(path, run, "total_output_tokens") / completed
    ttft, step = (positive(path, run, f"mean_{name}_ms") / 1e3 for name in ("ttft", "tpot"))
    return ttft + step * max(0.0, generated - 1.0)


def _stated(text: str, reader: MomentReader) -> float:
    try:
        return reader.read(text)
    except MomentRefusedError as error:
        raise UnusableInputError(f"--started-at: {error}") from None
