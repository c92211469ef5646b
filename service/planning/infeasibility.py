"""Why there is no plan: which limits conflict, and how far each has to move to mend it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from service.planning.clock import Deadline
from service.planning.errors import InfeasibleError, Relaxation
from service.planning.evaluation import Evaluation
from service.planning.extremes import proven_extreme, proves_infeasible
from service.planning.knobs import Knob, knobs_of
from service.planning.problem import PlacementProblem
from service.planning.schedule import Schedule

Attempt = Callable[[PlacementProblem, float], tuple[Schedule, Evaluation] | None]
"""Looks for a plan within some seconds; None where it found none."""
MARGINS = (0.0, 1e-4, 1e-3, 5e-3, 0.02, 0.05, 0.1, 0.25, 0.6, 1.5, 4.0)
"""How far beyond the proven bound a value is tried, as shares of it."""
ATTEMPT_S = 3.0


def explain(problem: PlacementProblem, attempt: Attempt, deadline: Deadline) -> InfeasibleError:
    """Name the limits that conflict and what would mend it.

    Parameters
    ----------
    problem
        A problem that is proven to have no plan.
    attempt
        The planner itself, by which every `needed` value is verified.
    """
    knobs = knobs_of(problem)
    conflict = _conflict(problem, knobs, deadline)
    relaxations = [
        found
        for knob in conflict
        if (found := _single(problem, knob, attempt, deadline)) is not None
    ]
    joint: tuple[Relaxation, ...] = ()
    if not relaxations and conflict:
        joint = _joint(problem, conflict, attempt, deadline)
    names = tuple(knob.name for knob in conflict)
    return InfeasibleError(names, tuple(relaxations), joint)


def _conflict(problem: PlacementProblem, knobs: list[Knob], deadline: Deadline) -> list[Knob]:
    """Return limits of which none can be left out: without it, infeasibility is not proven."""
    kept, current = list(knobs), problem
    for knob in knobs:
        without = knob.turn(current, None)
        if proves_infeasible(without, max(1.0, deadline.left_s)):
            kept.remove(knob)
            current = without
    return kept


def _single(
    problem: PlacementProblem, knob: Knob, attempt: Attempt, deadline: Deadline
) -> Relaxation | None:
    bound = proven_extreme(problem, knob, max(1.0, deadline.left_s))
    if bound is None:
        return None
    bound = _no_tighter_than_given(knob, bound)
    needed = None
    for margin in MARGINS:
        if deadline.passed():
            break
        value = _loosened(knob, bound, margin)
        turned = knob.turn(problem, value)
        found = attempt(turned, ATTEMPT_S)
        if found is not None:
            needed = _verified(knob, value, knob.attained(problem, *found))
            break
    return Relaxation(knob.name, knob.given, needed, bound)


def _no_tighter_than_given(knob: Knob, bound: float) -> float:
    return max(bound, knob.given) if knob.looser > 0 else min(bound, knob.given)


def _loosened(knob: Knob, value: float, margin: float) -> float:
    if knob.looser > 0:
        return value * (1.0 + margin) + (0.0 if margin == 0.0 else 1e-12)
    return max(0.0, value * (1.0 - margin))


def _verified(knob: Knob, value: float, attained: float) -> float:
    """Return the tighter of the value tried and what its plan attained; both have a plan."""
    return min(value, attained) if knob.looser > 0 else max(value, attained)


def _joint(
    problem: PlacementProblem, conflict: list[Knob], attempt: Attempt, deadline: Deadline
) -> tuple[Relaxation, ...]:
    """Loosen all limits of the conflict by one common share until a plan is found."""
    proven = 0.0
    for share in np.geomspace(0.005, 1000.0, 24).tolist():
        if deadline.passed():
            break
        turned = problem
        for knob in conflict:
            turned = knob.turn(turned, _by_share(knob, share))
        if proves_infeasible(turned, max(1.0, deadline.left_s)):
            proven = share
        elif (found := attempt(turned, ATTEMPT_S)) is not None:
            return tuple(
                Relaxation(
                    knob.name,
                    knob.given,
                    _verified(knob, _by_share(knob, share), knob.attained(problem, *found)),
                    _by_share(knob, proven),
                )
                for knob in conflict
            )
    return ()


def _by_share(knob: Knob, share: float) -> float:
    return knob.given * (1.0 + share) if knob.looser > 0 else knob.given / (1.0 + share)
