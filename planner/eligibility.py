"""Requests that may run nowhere, and why not."""

from __future__ import annotations

import numpy as np

from planner.errors import UnplaceableError
from planner.problem import PlacementProblem


def require_placeable(problem: PlacementProblem) -> None:
    """Raise `UnplaceableError` where some request is eligible for no placement."""
    if unplaceable := find_unplaceable(problem):
        raise UnplaceableError(unplaceable)


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
