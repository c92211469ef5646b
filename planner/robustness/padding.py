"""The least padding of all deadlines at which the plan keeps its confidence.

Padding is a factor of at least 1, on a ladder of half per cents, by which every deadline and
availability is divided before planning. Estimates only tell what padding to try next; whether a
plan keeps its confidence is always counted on its own schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from costmodel.arrays import FloatArray
from planner.problem import PlacementProblem
from planner.result import Plan

RUNG = 0.005
"""Step of the ladder."""
MAX_ATTEMPTS = 12
MAX_FURTHER_ATTEMPTS = 6
"""Further attempts where none kept the share."""
MAX_ATTEMPTS_BELOW = 4
"""Attempts below the least padding that kept the share, where a smaller one could still save."""
RUNGS_BEYOND = 8
"""Rungs above the last one to look at, where none is proven to have no plan."""


@dataclass(frozen=True)
class Attempt:
    """A plan made with one padding, a rung of the ladder; None where the planner found none.

    `ratios`, (scenarios,), are the largest ends over their limits, empty where there is no plan;
    `proven` says whether it is proven that there is none.
    """

    rung: int
    plan: Plan | None
    ratios: FloatArray
    proven: bool = False

    @property
    def padding(self) -> float:
        """What the deadlines were divided by."""
        return 1.0 + RUNG * self.rung

    @property
    def kept(self) -> float:
        """Share of the scenarios in which every deadline is kept."""
        return float((self.ratios <= 1.0 + 1e-9).mean()) if self.ratios.size else 0.0

    @property
    def objective(self) -> float:
        """Objective of the plan, inf where there is none."""
        return math.inf if self.plan is None else self.plan.objective

    def stretch(self, share: float) -> float:
        """Factor by which the deadlines would have to grow to be kept in a share of scenarios."""
        return float(np.quantile(self.ratios, share, method="higher"))


def padded(problem: PlacementProblem, padding: float) -> PlacementProblem:
    """Return the problem with every deadline and availability divided by `padding`."""
    deadline_s = problem.limits.deadline_s
    return replace(
        problem,
        requests=replace(problem.requests, deadline_s=problem.requests.deadline_s / padding),
        pools=tuple(
            pool
            if pool.available_s is None
            else replace(pool, available_s=pool.available_s / padding)
            for pool in problem.pools
        ),
        limits=replace(
            problem.limits, deadline_s=None if deadline_s is None else deadline_s / padding
        ),
    )


def share_to_keep(confidence: float, scenarios: int) -> float:
    """Share of the scenarios that must be kept: the confidence and one standard error of it.

    Examples
    --------
    >>> share_to_keep(0.5, 2500)
    0.51
    """
    error = math.sqrt(confidence * (1.0 - confidence) / scenarios)
    return min(1.0, confidence + error)


def achieved_confidence(kept: float, scenarios: int) -> float:
    """Largest confidence for which a share of the scenarios kept is enough.

    Examples
    --------
    >>> round(achieved_confidence(share_to_keep(0.8, 2000), 2000), 6)
    0.8
    """
    # kept = c + sqrt(c (1 - c) / s), solved for c.
    spread = 1.0 / scenarios
    middle = kept + 0.5 * spread
    root = math.sqrt(max(0.0, middle**2 - (1.0 + spread) * kept**2))
    return (middle - root) / (1.0 + spread)


def search(
    first: Attempt, share: float, attempt: Callable[[int], Attempt | None], enough: float
) -> list[Attempt]:
    """Try paddings until the least one that keeps a share of the scenarios is found; return all.

    `first` is the plan without padding, rung 0. `attempt` plans at a rung; None where there is no
    time left. A smaller padding is not looked for where it saves a share of the objective below
    `enough`.
    """
    made = [first]
    if first.kept >= share:
        return made
    low, high = first, None
    while len(made) < MAX_ATTEMPTS and not _settled(low, high, enough):
        found = attempt(_next_rung(made, low, high, share))
        if found is None:
            return made
        made.append(found)
        if found.proven or found.kept >= share:
            high = found
        else:
            low = found
    if high is None or high.plan is None:
        return made + _once_more(made, share, attempt)
    return made + _just_below(made, low, high, enough, attempt)


def _settled(low: Attempt, high: Attempt | None, enough: float) -> bool:
    if high is None:
        return False
    both = high.plan is not None and low.plan is not None
    return high.rung - low.rung <= 1 or (both and _little(low, high, enough))


def _little(low: Attempt, high: Attempt, enough: float) -> bool:
    """Whether less padding than `high` could hardly save: `low` had too little."""
    return high.objective - low.objective <= enough * abs(low.objective)


def _next_rung(made: list[Attempt], low: Attempt, high: Attempt | None, share: float) -> int:
    """The rung at which the last plan's spread says that the share is just kept.

    While all have failed, in steps that at least double: what single long requests take does not
    shrink with the padding, and then the spread says too little.
    """
    last = made[-1]
    guess = -1
    if last.plan is not None:
        guess = math.ceil((last.padding * last.stretch(share) - 1.0) / RUNG - 1e-6)
    if high is None:
        return max(low.rung + (1 << (len(made) - 1)), guess)
    if low.rung < guess < high.rung:
        return guess
    return (low.rung + high.rung) // 2


def _just_below(
    made: list[Attempt],
    low: Attempt,
    high: Attempt,
    enough: float,
    attempt: Callable[[int], Attempt | None],
) -> list[Attempt]:
    """Look a little below the least padding found, where a cheaper plan may keep the share, too."""
    tried = {found.rung for found in made}
    if low.plan is not None and _little(low, high, enough):
        return []
    rungs = [rung for rung in range(high.rung - 1, 0, -1) if rung not in tried]
    found = [attempt(rung) for rung in rungs[:MAX_ATTEMPTS_BELOW]]
    return [one for one in found if one is not None]


def _once_more(
    made: list[Attempt], share: float, attempt: Callable[[int], Attempt | None]
) -> list[Attempt]:
    """Look between the paddings tried: what a padding keeps does not rise quite steadily."""
    tried = {found.rung for found in made}
    top = min((found.rung for found in made if found.proven), default=max(tried) + RUNGS_BEYOND)
    bottom = max((found for found in made if found.plan is not None), key=lambda f: f.kept).rung
    around = np.linspace(max(0, 2 * bottom - top), top, 2 * MAX_FURTHER_ATTEMPTS + 1)
    rungs = [rung for rung in dict.fromkeys(np.rint(around).astype(int).tolist()) if rung < top]
    found_more: list[Attempt] = []
    for rung in sorted(set(rungs) - tried, key=lambda rung: (abs(rung - bottom), rung)):
        found = attempt(rung) if len(found_more) < MAX_FURTHER_ATTEMPTS else None
        if found is None:
            break
        found_more.append(found)
        if found.kept >= share:
            break
    return found_more
