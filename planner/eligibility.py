"""Requests that may run nowhere, and why not."""

from __future__ import annotations

import numpy as np

from planner.problem import PlacementProblem


def find_unplaceable(problem: PlacementProblem) -> dict[int, str]:
    """Return the requests that no placement may take, with the reasons, by index."""
    found, shape = {}, (problem.n, problem.k)
    highest = float(np.nan_to_num(problem.quality).max(initial=0.0))
    for i in np.flatnonzero(~problem.eligible.any(axis=1)):
        masks = problem.exclusions.items()
        reasons = [reason for reason, mask in masks if np.broadcast_to(mask, shape)[i].any()]
        asked = float(problem.requests.min_quality[i])
        if asked > highest:
            reasons.append(f"no LLM scores {asked:g} or more, the highest is {highest:g}")
        found[int(i)] = "; ".join(reasons)
    return found
