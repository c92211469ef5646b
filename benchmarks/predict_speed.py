"""How fast a million requests are predicted, and how fast all artefacts are loaded."""

from __future__ import annotations

import json
from pathlib import Path

import joblib

from benchmarks.fleets import default_fleet
from benchmarks.markdown import table
from benchmarks.timing import median_s
from benchmarks.workloads import chat_workload
from costmodel.catalogue import Catalogue
from costmodel.cost_matrix import predict
from costmodel.cost_model import CostModel
from costmodel.workload import Workload
from service.environment import embedded_models_dir

DRAWN = 10_000
"""Requests drawn from the example's distributions, then repeated: drawing is not what is timed."""


def predict_table(requests: int, placements: int, runs: int) -> str:
    """Time the cost matrix against evaluating each cost model by itself."""
    drawn = chat_workload(min(DRAWN, requests), seed=1)
    repeats = -(-requests // len(drawn))
    workload = Workload(
        drawn.input_tokens.repeat(repeats)[:requests],
        drawn.output_tokens.repeat(repeats)[:requests],
    )
    columns = [(p.cost_model, float(p.concurrency)) for p in default_fleet().placements]
    # Every third placement is another pool: as many cost models as can be.
    columns = columns[::3][:placements]
    calls = {
        "joules, seconds, flags": lambda: predict(workload, columns, intervals=False),
        "the same and 90 % intervals": lambda: predict(workload, columns),
        "each cost model by itself, no flags": lambda: _one_by_one(workload, columns),
    }
    seconds = {name: median_s(call, runs) for name, call in calls.items()}
    return _ratios(f"{requests:,} requests x {len(columns)} placements", seconds)


def load_table(runs: int) -> str:
    """Time the catalogue, checks and all, against reading the same files without any."""
    folder = embedded_models_dir()
    artefacts = sorted(folder.glob("*.joblib"))
    seconds = {
        "catalogue: checked and restricted": median_s(lambda: Catalogue.load(folder), runs),
        "joblib and json, unchecked": median_s(lambda: _read_unchecked(artefacts), runs),
    }
    return _ratios(f"{len(artefacts)} artefacts with their cards", seconds)


def _one_by_one(workload: Workload, columns: list[tuple[CostModel, float]]) -> None:
    for cost_model, concurrency in columns:
        tokens = workload.input_tokens, workload.output_tokens
        cost_model.energy_j(*tokens, concurrency)
        cost_model.device_seconds(*tokens, concurrency)


def _read_unchecked(artefacts: list[Path]) -> None:
    for path in artefacts:
        joblib.load(path)
        json.loads(path.with_suffix(".json").read_bytes())


def _ratios(what: str, seconds: dict[str, float]) -> str:
    first = next(iter(seconds.values()))
    rows = [[name, f"{value:.3f}", f"{value / first:.2f}"] for name, value in seconds.items()]
    return table([what, "s", "ratio"], rows)
