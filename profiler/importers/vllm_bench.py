"""Results of ``vllm bench serve --save-result --save-detailed``, with a log of power beside them.

SGLang's ``bench_serving --output-details`` writes the same lists, without the name of the LLM and
the date.

The benchmark meters no energy. Its ``date`` is the moment at which it ended, without a zone, as is
the time in a log of ``nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv -l 1``.
"""

from __future__ import annotations

from pathlib import Path

from costmodel.errors import CostModelError, MomentRefusedError
from costmodel.moment_reader import MomentReader
from costmodel.moments import written
from costmodel.names import device_num_gpus
from costmodel.zones import MACHINE_ZONE, Zone
from profiler.errors import ObservationError, UnusableInputError
from profiler.importers.power_log import PowerLog, read_power_log
from profiler.importers.results import (
    Row,
    Run,
    began_s,
    duration_s,
    joined_notes,
    overlapping,
    read_runs,
)
from profiler.importers.served import FAILED_FLAG, Served, read_served
from profiler.length_mix import MIXED_FLAG
from profiler.observations import Observations, flags_text
from profiler.short_windows import SHORT_WINDOW, Edges, short_window_notes

MAX_IN_FLIGHT = 1.05
"""Times ``max_concurrency``, or the duration: beyond, latencies and duration are of two runs."""
MIN_MEAN_IN_FLIGHT = 0.9
"""Mean number in flight below which the server waited for requests."""


def import_vllm_bench(
    path: Path,
    power_log: Path | None,
    started_at: str | None,
    fixed: Row,
    zone: Zone = MACHINE_ZONE,
    log_zone: Zone | None = None,
) -> tuple[Observations, list[str]]:
    """Turn benchmark results into observations, a row a run.

    Parameters
    ----------
    path
        Results: a file of one or several, or a folder of such files.
    power_log
        CSV of time and watts, see `profiler.importers.power_log`.
    started_at
        Start of a single result, in a form that `costmodel.moments` knows; None to count back from
        its ``date``.
    fixed
        Text that all rows get.
    zone
        Zone of moments that are written without one.
    log_zone
        Zone of those in the log, where another machine wrote it; None for `zone`.

    Returns
    -------
    tuple
        The observations, and what was left out or had to be assumed, a sentence each. The
        concurrency is the mean number in flight: latencies of the served requests over the run's
        seconds.

    Raises
    ------
    ObservationError
        If a result lacks what is needed, or the log does not cover it.
    UnusableInputError
        If there is no log.
    """
    if power_log is None:
        raise UnusableInputError("Expected --power-log CSV with vllm-bench, got none.")
    log = read_power_log(power_log, log_zone or zone)
    _check_gpus(power_log, log, fixed.get("device"))
    reader = MomentReader(zone)
    begin_s = None if started_at is None else _stated(started_at, reader)

    notes: list[tuple[Path, str]] = []
    short: list[tuple[str, Edges]] = []
    spans: list[tuple[str, float, float]] = []

    def to_row(file: Path, run: Run) -> Row:
        start_s = begin_s if begin_s is not None else began_s(file, run, reader, log.covers)
        row, edges, said = _row(file, run, log, start_s, reader.resolution_s)
        notes.extend((file, sentence) for sentence in said)
        short.extend([(file.name, edges)] if edges.short else [])
        spans.append((file.name, start_s, start_s + edges.window_s))
        return row

    trials = read_runs(path, to_row, {"kv_cache": "on", "energy_cpu_j": "", **fixed})
    if started_at is not None and len(trials) > 1:
        count = len(trials)
        msg = f"Expected --started-at with one result, got {count} that do not all begin then."
        raise UnusableInputError(msg)
    what = path.name if started_at is None else "--started-at"
    joined = [
        *joined_notes(notes),
        *short_window_notes(short),
        *overlapping(spans, reader.resolution_s),
    ]
    return trials, [*joined, *log.notes, *reader.assumed(what)]


def _check_gpus(path: Path, log: PowerLog, device: str | None) -> None:
    if device is None:
        return
    try:
        count = device_num_gpus(device)
    except CostModelError as error:
        raise ObservationError(path, str(error)) from None
    if not log.summed and len(log.readings) != count:
        named = ", ".join(f"GPU {one}" for one in sorted(log.readings))
        problem = (
            f"Expected the power of {count} GPU{'s' * (count > 1)} as {device} says, got that of "
            f"{named}: log the server's alone, with nvidia-smi -i."
        )
        raise ObservationError(path, problem)


def _row(
    path: Path, run: Run, log: PowerLog, start_s: float, resolution_s: float
) -> tuple[Row, Edges, list[str]]:
    seconds, served = duration_s(path, run), read_served(path, run)
    in_flight = served.latency_s * served.count / seconds
    if served.latency_s > MAX_IN_FLIGHT * seconds:
        problem = (
            f"Expected latencies within the duration of {seconds:g} s, got {served.latency_s:.3g} "
            "s on average: are the lists of this run?"
        )
        raise ObservationError(path, problem)
    notes = [*served.notes, *_judged(path, run, in_flight)]
    joules = log.joules(start_s, seconds)
    edges = log.edges(start_s, seconds, joules, resolution_s)
    row = {
        "concurrency": repr(max(1.0, in_flight)),
        "runtime_s": repr(served.latency_s),
        "energy_gpu_j": repr(joules / served.count),
        "warmup": "0",
        "source": "vllm-bench",
        "flags": flags_text(*_flags(served, edges)),
        "engine": _engine(run),
        "started_at": written(start_s),
        "requests": str(served.count),
        "failed": str(served.failed),
        "window_s": repr(seconds),
        **served.lengths,
    }
    return row, edges, notes


def _judged(path: Path, run: Run, in_flight: float) -> list[str]:
    """Refuse more requests in flight than were allowed, and tell where the server waited."""
    allowed = run.get("max_concurrency")
    if isinstance(allowed, int | float) and in_flight > MAX_IN_FLIGHT * allowed > 0:
        problem = (
            f"Expected at most max_concurrency {allowed} requests in flight, got {in_flight:.3g} "
            "from latencies and duration: are the lists of this run?"
        )
        raise ObservationError(path, problem)
    if in_flight < MIN_MEAN_IN_FLIGHT:
        return [
            f"{in_flight:.2g} requests were in flight on average: what the server drew while it "
            "waited is in the joules of the requests; send them faster"
        ]
    return []


def _flags(served: Served, edges: Edges) -> list[str]:
    named = {
        MIXED_FLAG: served.mixed,
        FAILED_FLAG: served.failed > 0,
        SHORT_WINDOW: edges.short,
    }
    return [flag for flag, raised in named.items() if raised]


def _engine(run: Run) -> str:
    backend = str(run.get("backend") or "vllm").lower()
    if backend.startswith("sglang"):
        return "sglang"
    return "vllm" if backend.startswith(("vllm", "openai")) else backend


def _stated(text: str, reader: MomentReader) -> float:
    try:
        return reader.read(text)
    except MomentRefusedError as error:
        raise UnusableInputError(f"--started-at: {error}") from None
