"""The tokens of a batch of any size: a smoothed bootstrap of a smaller one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.workloads import chat_workload, read_trace, trace_path
from costmodel.arrays import FloatArray, IntArray
from costmodel.workload import Workload

BASE_REQUESTS = 20_000
"""Requests drawn from the distributions of the shipped example, before the bootstrap."""
JITTER = 0.05
"""Standard deviation of the logarithm by which each count is smeared."""


def bootstrap(
    size: int, seed: int, max_tokens: int, min_output: int = 1, data: Path | None = None
) -> Workload:
    """Draw requests with replacement and smear their tokens, so that hardly two are equal.

    Parameters
    ----------
    max_tokens
        Most input plus output tokens of a request; longer ones are left out before drawing, and
        what the smearing lifts above is cut.
    data
        Folder of the Azure traces to draw from; None for the distributions of the shipped example,
        which need no outside data.
    """
    base = chat_workload(BASE_REQUESTS, seed) if data is None else _azure(data)
    fits = base.input_tokens + base.output_tokens <= max_tokens
    generator = np.random.default_rng(seed)
    drawn = generator.choice(np.flatnonzero(fits), size)
    smear = np.exp(JITTER * generator.standard_normal((2, size)))
    output = _whole(base.output_tokens[drawn] * smear[0], min_output, max_tokens - 1)
    taken = _whole(base.input_tokens[drawn] * smear[1], 1, max_tokens)
    return Workload(np.minimum(taken, max_tokens - output), output)


def _whole(tokens: FloatArray, lower: int, upper: int) -> IntArray:
    whole: IntArray = np.clip(np.rint(tokens), lower, upper).astype(np.int64)
    return whole


def _azure(data: Path) -> Workload:
    conv, code = (read_trace(trace_path(data, name)) for name in ("conv", "code"))
    return Workload(
        np.concatenate([conv.input_tokens, code.input_tokens]),
        np.concatenate([conv.output_tokens, code.output_tokens]),
    )
