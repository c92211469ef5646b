"""Which requests may run where at all, deadlines aside, and why not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from costmodel.arrays import BoolArray, FloatArray

if TYPE_CHECKING:
    from service.planning.problem import PlacementProblem


def find_exclusions(problem: PlacementProblem) -> dict[str, BoolArray]:
    """Return what keeps requests from placements: reason to mask, broadcastable to (n, k)."""
    requests = problem.requests
    context = np.array([p.max_context_tokens or np.inf for p in problem.placements])
    reasons = {
        "the load of the LLM was not measured and it is not resident": ~np.isfinite(problem.load_s)[
            None, :
        ],
    }
    if problem.context_tokens.max(initial=0.0) > context.min():
        reasons["longer than the context of the LLM"] = problem.context_tokens[:, None] > context
    if requests.allowed is not None:
        reasons["not among the LLMs or pools that the request names"] = ~requests.allowed
    if requests.device is not None:
        counts = np.array([problem.pools[p].count for p in problem.pool_of])
        beyond = problem.pinned_device[:, None] >= counts[None, :]
        reasons["the pool has no device of the index that the request is pinned to"] = beyond
    if problem.quality_matters:
        reasons["the quality of the LLM is not known"] = np.isnan(problem.quality)[None, :]
        if np.isfinite(requests.min_quality).any():
            with np.errstate(invalid="ignore"):
                low = problem.quality[None, :] < requests.min_quality[:, None]
            reasons["below the request's min_quality"] = low
    return reasons


def find_unplaceable(problem: PlacementProblem) -> dict[int, str]:
    """Return the requests that no placement may take, with the reasons, by index."""
    found, shape = {}, (problem.n, problem.k)
    scores = problem.quality[~np.isnan(problem.quality)]
    for i in np.flatnonzero(~problem.eligible.any(axis=1)):
        masks = problem.exclusions.items()
        reasons = [reason for reason, mask in masks if np.broadcast_to(mask, shape)[i].any()]
        asked = float(problem.requests.min_quality[i])
        if scores.size and asked > scores.max():
            reasons.append(f"no LLM scores {asked:g} or more, the highest is {scores.max():g}")
        found[int(i)] = "; ".join(reasons)
    return found


def largest(columns: Iterable[FloatArray], eligible: BoolArray) -> float:
    """Return the largest value of an eligible pair, at least 0.

    Parameters
    ----------
    columns
        Values of all requests on each placement, shape (n,) each.
    eligible
        Shape (n, k).
    """
    found = (np.max(v, where=eligible[:, k], initial=0.0) for k, v in enumerate(columns))
    return float(max(found))
