"""Why there is no plan: which limits conflict, and how far each has to move to mend it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from service.planning.clock import Deadline
from service.planning.errors import InfeasibleError, Relaxation
from service.planning.explanation.brackets import ATTEMPT_S, Attempt, Bracket
from service.planning.explanation.knobs import Knob, knobs_of
from service.planning.problem import PlacementProblem

Prove = Callable[[PlacementProblem, Deadline], bool]
"""Whether it is proven, before a deadline, that a problem has no plan."""


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
    brackets = [Bracket(problem, knob, attempt, deadline) for knob in conflict]
    _narrow(brackets, deadline)
    relaxations = [found for bracket in brackets if (found := bracket.relaxation()) is not None]
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


def _narrow(brackets: list[Bracket], deadline: Deadline) -> None:
    """Open every bracket, then spend the time where one is widest."""
    for bracket in brackets:
        bracket.open()
    while not deadline.passed():
        wide = [bracket for bracket in brackets if not bracket.done]
        if not wide:
            return
        max(wide, key=lambda bracket: bracket.width).tighten()


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


def _verified(knob: Knob, value: float, attained: float) -> float:
    """Return the tighter of the value tried and what its plan attained; both have a plan."""
    return min(value, attained) if knob.looser > 0 else max(value, attained)
