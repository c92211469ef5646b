"""What the case study compares: costs of single requests, points of a sweep, blind policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from costmodel.workload import Workload

ROUND_ROBIN, RANDOM = "round_robin", "random"
BLIND, BLIND_DRAWN = "query_blind_split", "query_blind_split_drawn"


@dataclass(frozen=True)
class CaseCosts:
    """Costs of n requests on K LLMs.

    Attributes
    ----------
    energy_j, runtime_s
        Joules and seconds of each request on each LLM, shape (n, K).
    quality
        Score of each LLM, 0 to 1, shape (K,).
    """

    workload: Workload
    llms: tuple[str, ...]
    energy_j: FloatArray
    runtime_s: FloatArray
    quality: FloatArray

    @property
    def tokens(self) -> FloatArray:
        """Input plus output tokens of each request, shape (n,)."""
        return (self.workload.input_tokens + self.workload.output_tokens).astype(float)

    def total_energy_j(self, choice: IntArray) -> float:
        """Joules of all requests, each on the LLM chosen for it, shape (n,)."""
        return float(self.energy_j[np.arange(len(choice)), choice].sum())

    def runtimes_s(self, choice: IntArray) -> FloatArray:
        """Seconds of each request on the LLM chosen for it, shape (n,)."""
        return self.runtime_s[np.arange(len(choice)), choice]

    def mean_quality(self, choice: IntArray, weights: FloatArray | None = None) -> float:
        """Mean score of a choice, weighted by tokens as the paper has it, or by `weights`."""
        return float(np.average(self.quality[choice], weights=_or(weights, self.tokens)))

    def blind_energy_j(self, mean_quality: float) -> float | None:
        """Least expected joules of a split of at least this quality that ignores the requests.

        Every request goes to LLM K with the same probability, so the split's quality is the same
        however requests are weighted. A mixture of at most two LLMs is optimal. None where no LLM
        reaches the quality.
        """
        totals, quality = self.energy_j.sum(axis=0), self.quality
        found = []
        for high in np.flatnonzero(quality >= mean_quality - 1e-12):
            found.append(float(totals[high]))
            for low in np.flatnonzero(quality < mean_quality - 1e-12):
                share = (mean_quality - quality[low]) / (quality[high] - quality[low])
                found.append(float(share * totals[high] + (1.0 - share) * totals[low]))
        return min(found, default=None)

    def saving_at_equal_quality(
        self, choice: IntArray, weights: FloatArray | None = None
    ) -> float | None:
        """Saved share of the joules of the query-blind split whose mean quality is the choice's.

        `weights` (n,) say how requests count in the mean; their tokens where None.
        """
        blind = self.blind_energy_j(self.mean_quality(choice, weights))
        return None if blind is None else 1.0 - self.total_energy_j(choice) / blind

    def fixed_policies(self, seed: int) -> dict[str, float]:
        """Joules of each LLM alone, of round robin, and of chance with the planner's draws."""
        turns = np.arange(len(self.workload))
        draws = np.random.default_rng(seed).integers(0, 2**31, len(self.workload))
        singles = {
            single(llm): float(total)
            for llm, total in zip(self.llms, self.energy_j.sum(axis=0), strict=True)
        }
        return {
            **singles,
            ROUND_ROBIN: self.total_energy_j(turns % len(self.llms)),
            RANDOM: self.total_energy_j(draws % len(self.llms)),
        }


def _or(values: FloatArray | None, default: FloatArray) -> FloatArray:
    return default if values is None else values


def single(llm: str) -> str:
    """Name of the policy that sends every request to one LLM, as the planner names it."""
    return f"single:{llm}"


@dataclass(frozen=True)
class SweepPoint:
    """One plan of a sweep over zeta.

    Attributes
    ----------
    choice
        Column of the LLM of each request, shape (n,).
    runtime_s
        Seconds of each request, shape (n,).
    makespan_s
        Seconds until the last device finishes; None where there are no devices.
    status, gap
        ``optimal`` up to a relative gap of 1e-6, else ``feasible``; the gap is proven.
    baselines_j
        Joules of each policy that the plan is compared with; None where it cannot be followed.
    """

    zeta: float
    choice: IntArray
    energy_j: float
    runtime_s: FloatArray
    makespan_s: float | None
    mean_quality: float
    status: str
    gap: float
    baselines_j: Mapping[str, float | None]

    def saving(self, baseline: str) -> float | None:
        """Saved share of what a policy pays; None where it cannot be followed."""
        paid = self.baselines_j.get(baseline)
        return None if paid is None else 1.0 - self.energy_j / paid
