"""Why there is no plan: which limits conflict, how far each has to move to mend it, or no proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from planner.bounds.formulation import Formulation
from planner.errors import InfeasibleError, LimitChange, UndecidedError
from planner.infeasibility.intervals import FindPlan, LimitInterval
from planner.infeasibility.joint import Joint, Prove
from planner.interruption import run_within
from planner.limits.extremes import proves_infeasible
from planner.limits.limit import Limit, limits_of
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from planner.schedule.evaluation import Evaluation
from planner.schedule.schedule import Schedule
from planner.search import exact
from planner.search.solver import Solver
from planner.time_budget import TimeBudget

POLICIES_SHARE = 0.25
"""Share of the time in which simple policies show what would be enough, before anything else."""


def explain(
    problem: PlacementProblem,
    attempt: FindPlan,
    prove: Prove,
    budget: TimeBudget,
    seed: int = 0,
    notify: Callable[[], None] = lambda: None,
) -> InfeasibleError:
    """Name the limits that conflict and what would mend it, of a problem proven to have no plan.

    By `attempt` every `needed` value is verified, by `prove` limits that do not matter are left
    out: both are the planner itself. Where the budget ends it, the answer says so, and what was
    reached. `notify` is called at every step.
    """
    found = _Explanation(problem, attempt, prove, budget, seed, notify)
    run_within(budget, found.complete)
    return found.as_error()


@dataclass
class _Explanation:
    """What is known so far of why there is no plan.

    `conflict` are limits that cannot hold together, all at first; `joint` limits to be moved
    together.
    """

    problem: PlacementProblem
    attempt: FindPlan
    prove: Prove
    budget: TimeBudget
    seed: int
    notify: Callable[[], None]
    conflict: list[Limit] = field(init=False)
    intervals: list[LimitInterval] = field(default_factory=list)
    joint: tuple[LimitChange, ...] = ()

    def __post_init__(self) -> None:
        self.conflict = limits_of(self.problem)

    def complete(self) -> None:
        """Find a plan that some limits would have to move for, then the conflict, then the rest."""
        joint = Joint(self.problem, self.conflict, self.attempt, self.prove, self.budget, self.seed)
        self.notify()
        run_within(TimeBudget(POLICIES_SHARE * self.budget.left_s), joint.compare_policies)
        self.joint = next(joint.relaxations(), ())
        self._leave_out()
        self.intervals = [
            LimitInterval(self.problem, limit, self.attempt, self.budget, self.seed)
            for limit in self.conflict
        ]
        for interval in self.intervals:
            interval.achieved = joint.alone.get(interval.limit.name)
        _narrow(self.intervals, self.budget, self.notify)
        if not self.relaxations:
            joint.narrow(self.notify)
            for relaxations in joint.relaxations():
                self.joint = relaxations

    @property
    def relaxations(self) -> tuple[LimitChange, ...]:
        """Limits each of which alone would mend it."""
        known = (interval.relaxation() for interval in self.intervals)
        return tuple(one for one in known if one is not None)

    def as_error(self) -> InfeasibleError:
        """Return what is known."""
        names = tuple(limit.name for limit in self.conflict)
        joint = () if self.relaxations else self.joint
        note = _quality_note(self.problem) if "min_mean_quality" in names else ""
        cut = self.budget.cut
        return InfeasibleError(names, self.relaxations, joint, cut_by_clock=cut, note=note)

    def _leave_out(self) -> None:
        """Leave out the limits without which infeasibility is proven all the same."""
        every = self.conflict

        def conflicting(kept: list[Limit]) -> bool:
            self.notify()
            problem, names = self.problem, {limit.name for limit in kept}
            for limit in every:
                if limit.name not in names:
                    problem = limit.with_value(problem, None)
            proven = self.prove(problem, self.budget)
            if proven and len(kept) < len(self.conflict):
                self.conflict = kept
            return proven

        # The last first: of two conflicts the one is named that more time would not mend.
        found = smallest_conflict(every[::-1], conflicting)
        names = {limit.name for limit in min(found, self.conflict, key=len)}
        self.conflict = [limit for limit in every if limit.name in names]


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


def _narrow(intervals: list[LimitInterval], budget: TimeBudget, notify: Callable[[], None]) -> None:
    """Initialise every interval, then spend the time where one is widest."""
    for interval in intervals:
        notify()
        interval.initialise()
    while wide := [interval for interval in intervals if not interval.done]:
        notify()
        if budget.spent():
            return
        max(wide, key=lambda interval: interval.width).narrow()


def smallest_conflict(
    limits: list[Limit], conflicting: Callable[[list[Limit]], bool]
) -> list[Limit]:
    """Return limits of which none can be left out, those that come first preferred.

    Takes some 2 c log(m / c) proofs for c of m limits, where leaving out one after the other takes
    m. `conflicting` says whether it is proven that some of them alone conflict; where a proof is
    missing, a limit stays that might be left out. Source: QuickXplain, Junker, Preferred
    explanations and relaxations for over-constrained problems, AAAI 2004.

    Examples
    --------
    >>> smallest_conflict([1, 2, 3, 4, 5, 6], lambda kept: {2, 5} <= set(kept))
    [2, 5]
    >>> smallest_conflict([1, 2, 3, 4, 5, 6], lambda kept: False)
    [1, 2, 3, 4, 5, 6]
    """

    def of(kept: list[Limit], rest: list[Limit], *, more: bool) -> list[Limit]:
        """Return the fewest of the rest that conflict with what is kept; `more` was just kept."""
        if more and conflicting(kept):
            return []
        if len(rest) == 1:
            return rest
        half = (len(rest) + 1) // 2
        first, second = rest[:half], rest[half:]
        of_second = of(kept + first, second, more=True)
        return of(kept + of_second, first, more=bool(of_second)) + of_second

    return of([], limits, more=False) if limits else []


def why_not(solver: Solver, *, explained: bool = True) -> Exception:
    """Return the error that says why a run found no plan, and if so asked what would mend it."""
    if not solver.proven_infeasible and solver.budget.cut:
        return UndecidedError(
            "The time limit was up before a plan was found, or a proof that there is none. Allow "
            "more time, send fewer requests, or loosen a limit."
        )
    if not solver.proven_infeasible:
        return UndecidedError(
            "The limits allow a relaxed plan, but none was found that keeps them on the devices' "
            "schedule. Allow more time, or loosen a limit slightly."
        )
    if not explained:
        return InfeasibleError(())
    solver.enter("explaining")
    return explain(
        solver.problem,
        partial(_attempt, solver.options),
        _prove,
        TimeBudget(solver.hard_limit.left_s),
        solver.options.seed,
        solver.notify,
    )


def _attempt(
    options: SolverOptions, problem: PlacementProblem, seconds: float, relative_gap: float
) -> tuple[Schedule, Evaluation] | None:
    """Look for a plan of a problem with loosened limits."""
    solver = Solver(problem, replace(options, relative_gap=relative_gap), TimeBudget(seconds))
    solver.run_in_time()
    return solver.incumbent.best


def _prove(problem: PlacementProblem, budget: TimeBudget) -> bool:
    """Whether it is proven that no plan exists, by the relaxation or an exact search."""
    if proves_infeasible(problem, budget):
        return True
    if budget.spent() or not exact.small_enough(problem):
        return False
    search = exact.Search(problem, Formulation(problem).build(), np.inf, budget).run()
    return search.complete and search.best is None
