"""Why there is no plan: which limits conflict, and how far each has to move to mend it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from service.planning.clock import Deadline
from service.planning.errors import InfeasibleError, Relaxation
from service.planning.explanation.extremes import proven_extreme
from service.planning.explanation.knobs import Knob, knobs_of
from service.planning.inputs import Objective
from service.planning.problem import PlacementProblem
from service.planning.schedule.evaluation import Evaluation
from service.planning.schedule.schedule import Schedule

Attempt = Callable[[PlacementProblem, float], tuple[Schedule, Evaluation] | None]
"""Looks for a plan within some seconds; None where it found none."""
Prove = Callable[[PlacementProblem, Deadline], bool]
"""Whether it is proven, before a deadline, that a problem has no plan."""
MARGINS = (0.0, 1e-4, 1e-3, 5e-3, 0.02, 0.05, 0.1, 0.25, 0.6, 1.5, 4.0)
"""How far beyond the proven bound a value is tried, as shares of it."""
ATTEMPT_S = 3.0


def explain(
    problem: PlacementProblem, attempt: Attempt, prove: Prove, deadline: Deadline
) -> InfeasibleError:
    """Name the limits that conflict and what would mend it.

    Parameters
    ----------
    problem
        A problem that is proven to have no plan.
    attempt, prove
        The planner itself: by the one every `needed` value is verified, by the other limits that
        do not matter are left out.
    """
    knobs = knobs_of(problem)
    conflict = _conflict(problem, knobs, prove, deadline)
    relaxations = [
        found
        for knob in conflict
        if (found := _single(problem, knob, attempt, deadline)) is not None
    ]
    joint: tuple[Relaxation, ...] = ()
    if not relaxations and conflict:
        joint = _joint(problem, knobs, attempt, prove, deadline)
    names = tuple(knob.name for knob in conflict)
    return InfeasibleError(names, tuple(relaxations), joint)


def _conflict(
    problem: PlacementProblem, knobs: list[Knob], prove: Prove, deadline: Deadline
) -> list[Knob]:
    """Return limits of which none can be left out: without it, infeasibility is not proven."""
    kept, current = list(knobs), problem
    for knob in knobs if len(knobs) > 1 else ():
        without = knob.turn(current, None)
        if prove(without, deadline):
            kept.remove(knob)
            current = without
    return kept


def _single(
    problem: PlacementProblem, knob: Knob, attempt: Attempt, deadline: Deadline
) -> Relaxation | None:
    """Move one limit as far as needed; None where no plan is found even without it, or in time."""
    if deadline.passed():
        return None
    bound = proven_extreme(problem, knob, deadline)
    aimed = _aimed_at(problem, knob)
    found = attempt(knob.turn(aimed, None), min(ATTEMPT_S, deadline.left_s))
    if bound is None or found is None:
        return None
    bound = _no_tighter_than_given(knob, bound)
    needed = knob.attained(problem, *found)
    for margin in MARGINS:
        value = knob.whole(_loosened(knob, bound, margin))
        if deadline.passed() or _verified(knob, value, needed) == needed:
            break
        found = attempt(knob.turn(aimed, value), min(ATTEMPT_S, deadline.left_s))
        if found is not None:
            needed = _verified(knob, value, knob.attained(problem, *found))
            break
    return Relaxation(knob.name, float(knob.given), float(needed), float(bound))


def _aimed_at(problem: PlacementProblem, knob: Knob) -> PlacementProblem:
    """Return the problem with an objective that pulls at the knob's own quantity."""
    if knob.unit is not None:
        return problem.with_objective(Objective(minimise=knob.unit))
    return problem.with_objective(Objective(0.0)) if knob.kind == "quality" else problem


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
    problem: PlacementProblem,
    knobs: list[Knob],
    attempt: Attempt,
    prove: Prove,
    deadline: Deadline,
) -> tuple[Relaxation, ...]:
    """Loosen all limits by one common share until a plan is found; name those that it uses."""
    proven = 0.0
    for share in np.geomspace(0.005, 1000.0, 24).tolist():
        if deadline.passed():
            break
        turned = problem
        for knob in knobs:
            turned = knob.turn(turned, _by_share(knob, share))
        if prove(turned, deadline):
            proven = share
        elif (found := attempt(turned, min(ATTEMPT_S, deadline.left_s))) is not None:
            moved = [(knob, knob.attained(problem, *found)) for knob in knobs]
            return tuple(
                Relaxation(
                    knob.name,
                    float(knob.given),
                    float(_verified(knob, _by_share(knob, share), attained)),
                    float(_by_share(knob, proven)),
                )
                for knob, attained in moved
                if (attained - knob.given) * knob.looser > 0.0
            )
    return ()


def _by_share(knob: Knob, share: float) -> float:
    return knob.given * (1.0 + share) if knob.looser > 0 else knob.given / (1.0 + share)
