"""Results of `vllm bench serve`, and logs of power, that tests write."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from costmodel.zones import UNIVERSAL
from profiler.importers.vllm_bench import import_vllm_bench
from profiler.observations import Observations

ENDED = datetime.datetime(2026, 1, 31, 12, 0, 0)

DEVICE = {"device": "2xh100-sxm5-80gb"}


def result(**changes: Any) -> dict[str, Any]:
    """Eight requests of 100 tokens in, 11 out, four at a time, in 10 s."""
    return {
        "date": ENDED.strftime("%Y%m%d-%H%M%S"),
        "backend": "vllm",
        "model_id": "meta-llama/Llama-3.1-8B-Instruct",
        "num_prompts": 8,
        "duration": 10.0,
        "completed": 8,
        "total_input_tokens": 800,
        "total_output_tokens": 88,
        "mean_ttft_ms": 1000.0,
        "mean_tpot_ms": 400.0,
        "input_lens": [100] * 8,
        "output_lens": [11] * 8,
        "ttfts": [1.0] * 8,
        "itls": [[0.4] * 10] * 8,
    } | changes


def write_log(
    path: Path, begin: int = -20, end: int = 5, every: float = 0.1, watts: float = 300.0
) -> Path:
    lines = ["timestamp, index, power.draw [W]"]
    for count in range(round((end - begin) / every)):
        at = (ENDED + datetime.timedelta(seconds=begin + every * count)).strftime(
            "%Y/%m/%d %H:%M:%S.%f"
        )[:-3]
        lines += [f"{at}, {gpu}, {watts + 100 * gpu:.2f} W" for gpu in (0, 1)]
    path.write_text("\n".join(lines) + "\n")
    return path


def read_runs(
    folder: Path, *runs: dict[str, Any], fixed: dict[str, str] = DEVICE, **log: Any
) -> tuple[Observations, list[str]]:
    path = folder / "result.json"
    path.write_text("\n".join(json.dumps(run) for run in runs))
    power = write_log(folder / "power.csv", **log)
    return import_vllm_bench(path, power, None, fixed, zone=UNIVERSAL)


def read_run(folder: Path, run: dict[str, Any], **log: Any) -> Observations:
    return read_runs(folder, run, **log)[0]


FAILED_TWO = {
    "input_lens": [100] * 10,
    "output_lens": [11] * 8 + [0, 0],
    "ttfts": [1.0] * 8 + [0.0, 0.3],
    "itls": [[0.4] * 10] * 8 + [[], [0.1]],
}


def without_lists(**changes: Any) -> dict[str, Any]:
    """Return the totals and means alone, of twice as many requests."""
    lists = ("ttfts", "itls", "input_lens", "output_lens")
    run = {name: value for name, value in result().items() if name not in lists}
    twice = {name: 16 * size for name, size in (("total_input_tokens", 100), ("completed", 1))}
    return run | twice | {"total_output_tokens": 176, "duration": 20.0, "num_prompts": 16} | changes
