"""What a caller should know about the fleet and the call, whatever the plan will be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from costmodel.nearest import counted
from planner.problem import PlacementProblem
from planner.result import PlanWarning


def fleet_warnings(problem: PlacementProblem) -> list[PlanWarning]:
    """Return what is not known about the pools and LLMs that requests may take."""
    return [*_idle_unknown(problem), *_load_unknown(problem)]


def _idle_unknown(problem: PlacementProblem) -> list[PlanWarning]:
    open_to = problem.eligible.any(axis=0)
    named = [
        problem.pools[pool].name
        for pool in np.unique(problem.pool_of[open_to])
        if problem.pools[pool].idle_watts is None
        and problem.pools[pool].power_policy == "always_on"
    ]
    if not named:
        return []
    message = (
        "These pools are always on, but their idle power is not given, so idle energy is left "
        f"out: {', '.join(named)}."
    )
    return [PlanWarning("idle_unknown", message)]


def _load_unknown(problem: PlacementProblem) -> list[PlanWarning]:
    named = dict.fromkeys(
        f"{placement.llm} on {problem.pools[placement.pool].name}"
        for placement, load_s in zip(problem.placements, problem.load_s, strict=True)
        if not np.isfinite(load_s)
    )
    if not named:
        return []
    message = (
        "Loading was not measured and the LLM is not resident, so these take no part: "
        f"{', '.join(named)}."
    )
    return [PlanWarning("load_unknown", message)]


def substitution_warning(
    problem: PlacementProblem, names_llms: npt.NDArray[np.bool_]
) -> list[PlanWarning]:
    """Return the warning that the plan picks LLMs which nobody asked for.

    `names_llms`, shape (n,), says whether each request names LLMs.
    """
    limits = problem.limits
    is_limited = limits.min_mean_quality is not None or limits.shares or limits.min_requests
    free = ~names_llms & ~np.isfinite(problem.requests.min_quality)
    if len(problem.llms) < 2 or is_limited or not free.any():
        return []
    message = (
        f"No LLM and no quality limit is named by {counted(int(free.sum()), 'request')}, which any "
        "LLM of the fleet may serve. Set llms, min_quality, constraints.min_mean_quality or "
        "constraints.shares to say which may."
    )
    return [PlanWarning("llm_substitution", message)]
