"""The batches that are planned, and the fleet they are planned on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.robustness.length_bins import LengthBins
from benchmarks.robustness.measured_errors import HeldOutPair
from benchmarks.workloads import CONTEXT_TOKENS
from costmodel.workload import Workload
from planner.inputs import Limits, Placement, Pool, Requests
from planner.problem import PlacementProblem

COUNTS = {"1xa100-sxm4-40gb": 4, "3xa100-sxm4-40gb": 3, "4xa100-sxm4-40gb": 1}
"""Devices of each kind: cheap LLMs run on the first, the others are where work can go instead."""
QUALITY = {
    "llama-2-7b-chat": 0.5097,
    "llama-2-13b-chat": 0.5569,
    "mistral-7b-v0.1": 0.6097,
    "mixtral-8x7b-v0.1": 0.6847,
    "llama-2-70b-chat": 0.6452,
}
"""A_K of arXiv 2407.04014."""
PAIRS = (
    ("llama-2-7b-chat", "1xa100-sxm4-40gb"),
    ("llama-2-13b-chat", "1xa100-sxm4-40gb"),
    ("mistral-7b-v0.1", "1xa100-sxm4-40gb"),
    ("mixtral-8x7b-v0.1", "3xa100-sxm4-40gb"),
    ("llama-2-70b-chat", "4xa100-sxm4-40gb"),
)
REQUESTS = 200
MIN_MEAN_QUALITY = 0.6
TIGHTNESS = 1.12
"""Deadline over the seconds in which the cheapest LLM of enough quality could just do all work."""
OWN_DEADLINES = 0.2
"""Share of the requests with a deadline of their own, at half of the plan's."""


@dataclass(frozen=True)
class SampledBatch:
    """Prompts to be planned, and whom the planner takes the placements from.

    Attributes
    ----------
    pairs
        Held-out pairs by (LLM, device), in the order of the placements.
    """

    problem: PlacementProblem
    pairs: Mapping[tuple[str, str], HeldOutPair]


def draw_batch(
    held_out: Workload,
    bins: LengthBins,
    pairs: Mapping[tuple[str, str], HeldOutPair],
    seed: int,
) -> SampledBatch:
    """Draw prompts with replacement; the planner knows the lengths of answers by their bin."""
    rng = np.random.default_rng([seed, 1])
    prompts = held_out.input_tokens[rng.integers(0, len(held_out), REQUESTS)]
    workload = bins.expected(prompts)
    devices = list(COUNTS)
    resident = frozenset(llm for llm, _ in pairs)
    pools = [Pool(d, d, n, power_policy="power_down", resident=resident) for d, n in COUNTS.items()]
    placements = [
        Placement(llm, devices.index(device), 1, pair.cost_model, QUALITY[llm], CONTEXT_TOKENS)
        for (llm, device), pair in pairs.items()
    ]
    free = np.full(REQUESTS, np.inf)
    requests = Requests(workload, free, -free)
    cheapest = [llm for llm, _ in pairs].index("mistral-7b-v0.1")
    costs = PlacementProblem.build(requests, pools, placements).costs
    busy_s = float(costs.device_seconds[:, cheapest].sum()) / COUNTS["1xa100-sxm4-40gb"]
    deadline_s = TIGHTNESS * busy_s
    own = np.where(rng.random(REQUESTS) < OWN_DEADLINES, 0.5 * deadline_s, np.inf)
    limits = Limits(deadline_s=deadline_s, min_mean_quality=MIN_MEAN_QUALITY)
    problem = PlacementProblem.build(
        Requests(workload, own, requests.min_quality), pools, placements, limits
    )
    return SampledBatch(problem, pairs)
