"""Why there is no plan: which limits conflict, and how far each has to move to mend it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from service.planning.clock import Deadline
from service.planning.errors import InfeasibleError, Relaxation
from service.planning.explanation.brackets import Attempt, Bracket
from service.planning.explanation.joint import Joint, Prove
from service.planning.explanation.knobs import Knob, knobs_of
from service.planning.problem import PlacementProblem


def explain(
    problem: PlacementProblem,
    attempt: Attempt,
    prove: Prove,
    deadline: Deadline,
    seed: int = 0,
    tell: Callable[[], None] = lambda: None,
) -> InfeasibleError:
    """Name the limits that conflict and what would mend it.

    Parameters
    ----------
    problem
        A problem that is proven to have no plan.
    attempt, prove
        The planner itself: by the one every `needed` value is verified, by the other limits that
        do not matter are left out.
    deadline
        When to stop; the answer then says that the clock cut it, and what was reached.
    tell
        Is called at every step.
    """
    knobs = knobs_of(problem)
    conflict = _conflict(problem, knobs, prove, deadline)
    brackets = [Bracket(problem, knob, attempt, deadline, seed) for knob in conflict]
    _narrow(brackets, deadline, tell)
    relaxations = [found for bracket in brackets if (found := bracket.relaxation()) is not None]
    joint: tuple[Relaxation, ...] = ()
    if not relaxations and conflict:
        joint = Joint(problem, knobs, attempt, prove, deadline).relaxations(tell)
    names = tuple(knob.name for knob in conflict)
    note = _quality_note(problem) if "min_mean_quality" in names else ""
    return InfeasibleError(names, tuple(relaxations), joint, cut_by_clock=deadline.cut, note=note)


def _quality_note(problem: PlacementProblem) -> str:
    """Say so where the floor on mean quality is above what the best LLMs for all would reach."""
    floor = problem.limits.min_mean_quality
    scores = np.where(problem.eligible, problem.quality_values, 0.0)
    best = scores.max(axis=1)
    reached = float(best @ problem.tokens / problem.tokens.sum())
    if floor is None or floor <= reached:
        return ""
    highest = float(best.max())
    if floor > highest:
        return f"No LLM that may serve these requests scores above {highest:.6g}."
    return f"With the best LLM that may serve each request the mean is {reached:.6g}."


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


def _narrow(brackets: list[Bracket], deadline: Deadline, tell: Callable[[], None]) -> None:
    """Open every bracket, then spend the time where one is widest."""
    for bracket in brackets:
        tell()
        bracket.open()
    while wide := [bracket for bracket in brackets if not bracket.done]:
        tell()
        if deadline.passed():
            return
        max(wide, key=lambda bracket: bracket.width).tighten()
