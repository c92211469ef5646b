"""The requests that benchmarks plan: Azure's production traces, or the shipped example.

The traces are AzureLLMInferenceTrace 2023 (Azure/AzurePublicDataset, CC-BY; Patel et al.,
Splitwise, ISCA 2024). They are read where they lie and are not part of this repository.
"""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from costmodel.arrays import IntArray
from costmodel.workload import Workload
from examples.make_workload import BODY, sample
from planner.inputs import Requests

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where the traces are looked for unless a command says otherwise."""

CONTEXT_TOKENS = 4096
"""Most input plus output tokens of Llama 2 (Touvron et al., arXiv 2307.09288)."""


@dataclass(frozen=True)
class NamedWorkload:
    """Requests and one sentence that says where they are from."""

    workload: Workload
    origin: str


def trace_path(data: Path, name: str) -> Path:
    """Return where the trace `name` ("conv" or "code") lies below a folder of data."""
    return data / "azure2023" / f"{name}.csv.gz"


def read_trace(path: Path) -> Workload:
    """Read one Azure trace in its order.

    Should one be recorded with 0 generated tokens, it counts as 1: its prompt was served.
    """
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [
            (int(row["ContextTokens"]), max(1, int(row["GeneratedTokens"])))
            for row in csv.DictReader(file)
        ]
    return from_pairs(rows)


def case_study_workload(data: Path, size: int, seed: int) -> NamedWorkload:
    """Return `size` requests of at most `CONTEXT_TOKENS` tokens.

    A seeded sample without replacement of the Azure conversation trace, in the trace's order: its
    first 200 requests are one minute, a sample speaks for the hour. Without the trace the first
    ones of the shipped example that fit.
    """
    path = trace_path(data, "conv")
    if not path.is_file():
        rows = json.loads(BODY.read_bytes())["requests"]
        example = from_pairs([(row["input_tokens"], row["output_tokens"]) for row in rows])
        fitting = _fitting(example)[:size]
        origin = f"the first {len(fitting)} requests of examples/chat_1000.json that fit"
        return NamedWorkload(take(example, fitting), f"{origin} {CONTEXT_TOKENS} tokens")
    trace = read_trace(path)
    fitting = _fitting(trace)
    chosen = np.sort(np.random.default_rng(seed).choice(fitting, size, replace=False))
    origin = (
        f"{size} of the {len(fitting):,} requests of the Azure conversation trace that fit "
        f"{CONTEXT_TOKENS} tokens, sampled with seed {seed}"
    )
    return NamedWorkload(take(trace, chosen), origin)


def chat_workload(size: int, seed: int) -> Workload:
    """Draw requests from the distributions of the shipped example."""
    return from_pairs(sample(size, seed))


def from_pairs(pairs: list[tuple[int, int]]) -> Workload:
    """Return pairs of input and output tokens as a workload."""
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Workload(columns[:, 0].copy(), columns[:, 1].copy())


def take(workload: Workload, indices: IntArray) -> Workload:
    """Return some of the requests."""
    return Workload(workload.input_tokens[indices], workload.output_tokens[indices])


def without_limits(workload: Workload) -> Requests:
    """Return the requests of a call in which none has limits of its own."""
    n = len(workload)
    return Requests(workload, np.full(n, np.inf), np.full(n, -np.inf))


def _fitting(workload: Workload) -> IntArray:
    return np.flatnonzero(workload.input_tokens + workload.output_tokens <= CONTEXT_TOKENS)
