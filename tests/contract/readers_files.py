"""The files that a reader of the pages has beforehand: requests, a batch, measurements, fleets."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from examples.make_workload import sample
from tests.contract.pages import ROOT, blocks

POINTS = [(tin, tout, b) for tin in (64, 256, 1024) for tout in (32, 128) for b in (1, 4, 16)]
LLM = "llama-3.1-8b-instruct"
KNOWN = ("my-llm-7b", "1xl4", 1, "on", "lab-2026-02", "", 0, "")
OBSERVED = (
    *("llm", "device", "num_gpus", "kv_cache", "source", "energy_cpu_j", "warmup", "flags"),
    *("input_tokens", "output_tokens", "concurrency", "runtime_s", "energy_gpu_j"),
)


def write_readers_files(folder: Path) -> None:
    """Write all of them into a folder."""
    pairs = sample(60, seed=1)
    _write_table(
        folder / "prompts.csv",
        ("name", "prompt_tokens", "answer_tokens"),
        [(f"p{i}", *pair) for i, pair in enumerate(pairs)],
    )
    tokens = {"input_tokens": [tin for tin, _ in pairs], "output_tokens": [out for _, out in pairs]}
    pq.write_table(pa.table(tokens), folder / "prompts.parquet")
    few = {name: column[:12] for name, column in tokens.items()}
    front = {"columns": few, "frontier": {"axes": ["energy", "makespan"], "points": 3}}
    (folder / "front.json").write_text(json.dumps(front))
    (folder / "batch.json").write_text(json.dumps({"columns": few}))
    line = {"custom_id": "a", "method": "POST", "url": "/v1/completions"}
    body = {"model": LLM, "max_tokens": 9, "prompt": "why"}
    (folder / "batch.jsonl").write_text(json.dumps(line | {"body": body}) + "\n")
    mine = ("prompt", "generated", "in_flight", "seconds", "joules")
    _write_table(folder / "mine.csv", mine, measurements(seed=1))
    _write_table(folder / "other-day.csv", OBSERVED, [KNOWN + row for row in measurements(seed=2)])
    (folder / "fleet.yaml").write_bytes((ROOT / "models" / "fleet.yaml").read_bytes())
    (folder / "my-fleet.yaml").write_text(fleet_of_the_page())


def measurements(seed: int) -> list[tuple[object, ...]]:
    """Return rows of `mine.csv`: two trials a point by a formula with 2 % of noise."""
    draws = random.Random(seed)
    rows: list[tuple[object, ...]] = []
    for tin, tout, b in POINTS * 2:
        prefill_s = 2e-5 * tin
        decode_s = tout * (0.03 / b + 0.0015) + 2e-7 * tout * tin
        seconds = (prefill_s + decode_s) * b * draws.gauss(1.0, 0.02)
        joules = (68.0 * prefill_s + 60.0 * decode_s) * draws.gauss(1.0, 0.02)
        rows.append((tin, tout, b, f"{seconds:.5g}", f"{joules:.5g}"))
    return rows


def fleet_of_the_page() -> str:
    """Return the fleet file that the page of fleet files shows."""
    page = ROOT / "docs/how-to/write-a-fleet-file.md"
    return next(block.text for block in blocks(page) if block.language == "yaml")


def _write_table(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
