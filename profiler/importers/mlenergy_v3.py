"""Configurations of the ML.ENERGY Leaderboard v3: one row a (LLM, device, task, batch limit)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from costmodel.errors import CostModelError
from costmodel.names import device_name, llm_name
from profiler.delimited import read_table
from profiler.errors import ObservationError
from profiler.fit.published import MLENERGY_V3
from profiler.importers.leaderboard_json import read_leaderboard
from profiler.observation_files import checked_observations
from profiler.observation_rules import MIN_MEASUREMENT, CellError, number
from profiler.observations import COLUMNS, Observations

TASKS = ("lm-arena-chat", "gpqa")
"""Tasks of text prompts, the preferred one first. Rows of one LLM, device and batch differ by 0.7
to 2.2 times between tasks, so a cost model is of one task."""
MIN_BATCH_SIZES = 3
"""Fewer do not identify the curve over the batch: decode has three terms."""

KEPT_COLUMNS = ("max_num_seqs", "weight_precision", "architecture")
"""Columns carried over as they are."""
NUMBER_COLUMNS = (
    *("num_gpus", "avg_batch_size", "avg_output_len"),
    *("energy_per_request_joules", "output_throughput_tokens_per_sec"),
    *("tensor_parallel", "expert_parallel", "data_parallel", "max_num_seqs"),
)
NEEDED_COLUMNS = (
    "task",
    "model_id",
    "gpu_model",
    *NUMBER_COLUMNS,
    "weight_precision",
    "architecture",
)

Cells = Mapping[str, str]


def import_mlenergy_v3(path: Path) -> tuple[Observations, list[str]]:
    """Turn the leaderboard's configurations into observations of one task for each pair.

    `runtime_s = avg_output_len * avg_batch_size / throughput` (a request's latency at the achieved
    batch), joules per request as published, `concurrency` the achieved batch, input tokens empty
    since they are not published.

    Parameters
    ----------
    path
        `configurations.csv`, or the folder that holds it; or JSON of the leaderboard's own (one
        LLM's, or a task's), or a folder of such files.

    Returns
    -------
    tuple
        The observations, and one sentence for each pair or file that is left out.

    Raises
    ------
    ObservationError
        If a cell is not as expected; it names row and column.
    """
    by_pair: dict[tuple[str, str], list[tuple[Path, int, Cells]]] = defaultdict(list)
    left_out, chosen = [], []
    for file in _files(path):
        rows, why = _rows(file)
        left_out += [why] if why else []
        for line, cells in rows:
            by_pair[_pair(file, line, cells)].append((file, line, cells))
    for (llm, device), configurations in sorted(by_pair.items()):
        task = _task(configurations)
        if task is None:
            found = ", ".join(sorted({cells["task"] for *_, cells in configurations}))
            left_out.append(
                f"{llm} on {device}: fewer than {MIN_BATCH_SIZES} batch sizes of "
                f"{' or '.join(TASKS)} (has {found})"
            )
            continue
        chosen += [
            (line, _trial(file, line, cells, llm, device))
            for file, line, cells in configurations
            if cells["task"] == task
        ]
    if not chosen:
        why = "; ".join(left_out) or "no configurations"
        raise ObservationError(path, f"Expected configurations of text tasks, got none: {why}.")
    columns = [*COLUMNS, "task", "hardware", *KEPT_COLUMNS]
    return checked_observations(path, columns, chosen), left_out


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    table = path / "configurations.csv"
    return sorted(path.glob("*.json")) if not table.exists() else [table]


def _rows(file: Path) -> tuple[list[tuple[int, dict[str, str]]], str | None]:
    """Read a file's configurations, and say why it has none."""
    if file.suffix == ".json":
        rows, why = read_leaderboard(file)
        header = (
            set.intersection(*(set(cells) for _, cells in rows)) if rows else set(NEEDED_COLUMNS)
        )
    else:
        why = None
        names, rows = read_table(file, lambda _: NUMBER_COLUMNS)
        header = set(names)
    missing = [name for name in NEEDED_COLUMNS if name not in header]
    if missing:
        raise ObservationError(file, f"Expected {', '.join(missing)} of each configuration too.")
    return rows, why


def _pair(file: Path, line: int, cells: Cells) -> tuple[str, str]:
    try:
        device = device_name(
            _count(file, line, cells, "num_gpus"),
            cells["gpu_model"],
            tp=_count(file, line, cells, "tensor_parallel"),
            ep=_count(file, line, cells, "expert_parallel"),
            dp=_count(file, line, cells, "data_parallel"),
        )
        return llm_name(cells["model_id"]), device
    except CostModelError as error:
        raise ObservationError(file, str(error), row=line) from None


def _task(configurations: list[tuple[Path, int, Cells]]) -> str | None:
    for task in TASKS:
        batches = {cells["max_num_seqs"] for *_, cells in configurations if cells["task"] == task}
        if len(batches) >= MIN_BATCH_SIZES:
            return task
    return None


def _trial(file: Path, line: int, cells: Cells, llm: str, device: str) -> dict[str, str]:
    batch = _positive(file, line, cells, "avg_batch_size")
    length = _positive(file, line, cells, "avg_output_len")
    throughput = _positive(file, line, cells, "output_throughput_tokens_per_sec")
    return {
        "llm": llm,
        "device": device,
        "num_gpus": cells["num_gpus"],
        "concurrency": repr(batch),
        "kv_cache": "on",
        "input_tokens": "",
        "output_tokens": repr(length),
        "runtime_s": repr(length * batch / throughput),
        "energy_gpu_j": cells["energy_per_request_joules"],
        "energy_cpu_j": "",
        "warmup": "0",
        "source": MLENERGY_V3,
        "flags": "",
        "task": cells["task"],
        "hardware": _hardware(cells),
        **{name: cells[name] for name in KEPT_COLUMNS},
    }


def _hardware(cells: Cells) -> str:
    return (
        f"{cells['num_gpus']} x NVIDIA {cells['gpu_model']}, tensor parallel "
        f"{cells['tensor_parallel']}, expert parallel {cells['expert_parallel']}, data parallel "
        f"{cells['data_parallel']}, weights {cells['weight_precision']}"
    )


def _positive(file: Path, line: int, cells: Cells, column: str) -> float:
    try:
        return number(cells[column], minimum=MIN_MEASUREMENT, wanted="a positive number")
    except CellError as error:
        raise ObservationError(file, str(error), row=line, column=column) from None


def _count(file: Path, line: int, cells: Cells, column: str) -> int:
    value = _positive(file, line, cells, column)
    if not math.isclose(value, round(value)):
        problem = f"Expected a whole number, got {cells[column]!r}."
        raise ObservationError(file, problem, row=line, column=column)
    return round(value)
