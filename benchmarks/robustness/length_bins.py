"""What a planner can know of answer lengths: quantiles by the length of the prompt.

One half of the Azure conversation trace (every request by the toss of a seeded coin) teaches the
quantiles of each bin of prompt lengths; the other half gives the batches of the replay.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.workloads import CONTEXT_TOKENS, read_trace, take, trace_path
from costmodel.arrays import FloatArray, IntArray
from costmodel.output_lengths import OutputLengths
from costmodel.workload import Workload

BINS = 8
PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class LengthBins:
    """Quantiles of output tokens in bins of input tokens.

    Attributes
    ----------
    edges
        Shape (bins - 1,), input tokens: a prompt of an edge's length belongs above it.
    quantiles
        Shape (bins, probabilities), tokens.
    """

    edges: FloatArray
    quantiles: FloatArray

    @classmethod
    def learn(cls, known: Workload) -> LengthBins:
        """Cut prompts into bins of equal counts, and take the quantiles of each."""
        shares = np.arange(1, BINS) / BINS
        edges = np.unique(np.quantile(known.input_tokens, shares))
        bins = np.searchsorted(edges, known.input_tokens, side="right")
        rows = [
            np.quantile(known.output_tokens[bins == b], PROBABILITIES)
            for b in range(edges.size + 1)
        ]
        return cls(edges, np.array(rows))

    def bin_of(self, input_tokens: IntArray) -> IntArray:
        """Return the bin of each prompt, shape (n,)."""
        return np.searchsorted(self.edges, input_tokens, side="right")

    def expected(self, input_tokens: IntArray) -> Workload:
        """Return the requests of some prompts as a planner knows them."""
        rows = self.quantiles[self.bin_of(input_tokens)]
        by_probability = {p: rows[:, i] for i, p in enumerate(PROBABILITIES)}
        return Workload.expected(input_tokens, OutputLengths.from_quantiles(by_probability))


def halves(data: Path, seed: int) -> tuple[Workload, Workload]:
    """Return the half of the trace to learn from and the half to replay, of what fits Llama 2."""
    trace = read_trace(trace_path(data, "conv"))
    trace = take(trace, np.flatnonzero(trace.input_tokens + trace.output_tokens <= CONTEXT_TOKENS))
    coin = np.random.default_rng(seed).random(len(trace)) < 0.5
    return take(trace, np.flatnonzero(coin)), take(trace, np.flatnonzero(~coin))
