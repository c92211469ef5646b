"""One run over a problem: relax and bound, assign, dispatch, reprice, search exactly if tiny."""

from __future__ import annotations

from functools import cached_property
from itertools import islice

import numpy as np

from costmodel.arrays import IntArray
from planner.bounds.activity import keeps_rows
from planner.bounds.bounding import Bounded, bound, proves_violation
from planner.bounds.formulation import Formulation
from planner.bounds.lagrangian import lagrangian_bound
from planner.bounds.surrogate import Surrogate
from planner.interruption import run_within, with_grace
from planner.problem import PlacementProblem
from planner.progress import OnProgress, Progress, ignore_progress
from planner.reporting import OPTIMAL_GAP, gap_unit
from planner.result import SolverOptions
from planner.search import exact
from planner.search.baselines import MIN_BACKGROUND_REQUESTS, BackgroundPolicies, max_compared
from planner.search.candidates import simple_policies
from planner.search.capacity_reserve import MIN_RESERVED_REQUESTS, CapacityReserve
from planner.search.epsilon_constraint import epsilon_constraint_plans
from planner.search.feasibility import FeasibilitySearch
from planner.search.incumbent import Incumbent
from planner.search.neighbourhood import Neighbourhood
from planner.search.repricing import Repricing
from planner.solvers.assignment_problem import AssignmentProblem
from planner.time_budget import TimeBudget

DEADLINE_ROUNDS = 3
"""Times that rows are given to further deadlines."""
NEIGHBOURHOOD_REQUESTS = 5_000
"""Requests above which loads and longest jobs are too small a part to look for by moves."""


class Solver:
    """One run of the pipeline over a problem.

    It ends between two steps when the budget is spent, and is cut wherever it is at `hard_limit`,
    which is somewhat later unless given.
    """

    def __init__(
        self,
        problem: PlacementProblem,
        options: SolverOptions,
        budget: TimeBudget,
        on_progress: OnProgress = ignore_progress,
        hard_limit: TimeBudget | None = None,
    ) -> None:
        self.problem = problem
        self.options = options
        self.budget = budget
        self.hard_limit = hard_limit or with_grace(budget.left_s)
        self.on_progress = on_progress
        self.phase = ""
        self.incumbent = Incumbent(problem, on_better=self._on_better)
        self.lower_bound = -np.inf
        self.bounded: Bounded | None = None
        self.proven_infeasible = False
        self.background = BackgroundPolicies({})

    @cached_property
    def formulation(self) -> Formulation:
        """The relaxation's formulation, with rows for more deadlines as they are broken."""
        return Formulation(self.problem)

    @cached_property
    def relaxation(self) -> AssignmentProblem:
        """The relaxation, built of the formulation."""
        return self.formulation.build()

    @cached_property
    def policies(self) -> dict[str, IntArray | None]:
        """Simple policies that are compared with, as many as the batch's size allows."""
        every = simple_policies(self.problem, self.options.seed)
        return dict(islice(every, max_compared(self.problem.n)))

    def run_in_time(self, *, thorough: bool = False) -> None:
        """Run within the time; with `thorough` the heuristics follow where no plan was found."""

        def work() -> None:
            self.run()
            if thorough:
                self.run_heuristics()

        run_within(self.hard_limit, work)
        self.background.offer_to(self.incumbent)
        self.budget.cut |= self.hard_limit.cut

    def run(self) -> None:
        """Fill the incumbent and the lower bound, or find out that there is no plan."""
        self.enter("relaxing")
        if not self.relaxation.allowed.any(axis=1).all():
            self.proven_infeasible = True
            return
        zero = np.zeros(len(self.relaxation.rows))
        self.lower_bound = max(self.lower_bound, lagrangian_bound(self.relaxation, zero))
        self.enter("candidates")
        if self.problem.n < MIN_BACKGROUND_REQUESTS:
            self._offer_simple_policies()
        self.background = BackgroundPolicies.start(self.problem, self.policies)
        self.enter("bounding")
        if self.relaxation.rows or not self._good_enough():
            bounded = self._bound_all_deadlines()
            self.bounded = bounded
            if bounded is not None:
                self.lower_bound = max(self.lower_bound, bounded.lower_bound)
            elif self.incumbent.schedule is None and proves_violation(
                self.relaxation, self.problem.requests.workload, self.budget
            ):
                self.proven_infeasible = True
                return
            if bounded is not None and not self._good_enough():
                self.enter("improving")
                self._improve(bounded)
        self.enter("searching")
        self._search_exactly()
        if self.problem.n <= NEIGHBOURHOOD_REQUESTS:
            Neighbourhood(*self._improved(), self.relaxation).shift_down()
        self.background.wait()
        self.background.offer_to(self.incumbent)
        if self.problem.n < MIN_BACKGROUND_REQUESTS:
            for placement in self.policies.values():
                if placement is not None:
                    self.incumbent.evaluate_placement(placement)

    def _bound_all_deadlines(self) -> Bounded | None:
        """Bound the relaxation; give rows to the deadlines that its assignment breaks."""
        for left in reversed(range(DEADLINE_ROUNDS)):
            bounded = bound(
                self.relaxation,
                self.problem.requests.workload,
                self.budget,
                ascend=True,
                absolute_gap=self._wanted_gap(),
            )
            if bounded is None or not left or self.budget.spent():
                break
            deadlines = self.formulation.with_broken_deadlines(bounded.placement)
            if deadlines is None:
                break
            self.lower_bound = max(self.lower_bound, bounded.lower_bound)
            self.formulation = Formulation(self.problem, Surrogate(deadlines=deadlines))
            self.relaxation = self.formulation.build()
        return bounded

    def run_heuristics(self) -> None:
        """Where no plan was found, run the epsilon-constraint heuristic, then move requests."""
        if self.incumbent.schedule is not None or self.proven_infeasible:
            return
        for schedule in epsilon_constraint_plans(self.problem, self.budget, self.options.seed):
            self.incumbent.offer(schedule)
            if self.incumbent.schedule is not None:
                return
        FeasibilitySearch(self.problem, self.incumbent, self.budget, self.options.seed).run()

    def enter(self, phase: str) -> None:
        """Go over to another phase, and notify the caller."""
        self.phase = phase
        self.notify()

    def notify(self) -> None:
        """Notify the caller how far the run is."""
        evaluation, lower = self.incumbent.evaluation, self.lower_bound
        proven = None if np.isinf(lower) else float(lower)
        gap = None
        if evaluation is not None and proven is not None:
            unit = gap_unit(self.problem, evaluation)
            gap = max(0.0, evaluation.objective - proven) / unit if unit > 0.0 else None
        found = None if evaluation is None else evaluation.objective
        self.on_progress(Progress(self.phase, found, proven, gap, self.budget.elapsed_s))

    def _on_better(self) -> None:
        self.budget.end_extension()
        self.notify()

    def _offer_simple_policies(self) -> None:
        for placement in self.policies.values():
            if self._good_enough() or self.budget.spent():
                return
            if placement is not None and keeps_rows(self.relaxation, placement):
                self.incumbent.offer_placement(placement)

    def _improve(self, bounded: Bounded) -> None:
        if self.problem.n > MIN_RESERVED_REQUESTS:
            before = self.incumbent.best
            CapacityReserve(*self._improved()).run(self.relaxation, bounded)
            found = self.incumbent.best is not before
            if self._good_enough() or (found and self.problem.n > NEIGHBOURHOOD_REQUESTS):
                return
        around = Neighbourhood(*self._improved(), self.relaxation)
        small = self.problem.n <= NEIGHBOURHOOD_REQUESTS
        if small:
            around.each_placement()
            around.within_cutoffs(bounded.lagrangian)
        surrogate = self.formulation.surrogate
        proven = Repricing(*self._improved()).run(self.relaxation, bounded, surrogate)
        self.lower_bound = max(self.lower_bound, proven)
        if small and not self._good_enough():
            self.lower_bound = max(self.lower_bound, around.pack())
        if small and not self._good_enough():
            around.few_placements()
        if small and not self._good_enough():
            around.moves()

    def _improved(self) -> tuple[PlacementProblem, Incumbent, TimeBudget, int, float]:
        """Return what an `Improvement` is made of."""
        gap = self._wanted_gap()
        return self.problem, self.incumbent, self.budget, self.options.seed, gap

    def _search_exactly(self) -> None:
        if self._good_enough(OPTIMAL_GAP) or not exact.small_enough(self.problem):
            return
        search = exact.Search(
            self.problem, self.relaxation, self.incumbent.objective, self.budget
        ).run()
        if search.best is not None:
            self.incumbent.offer(search.best[0])
        if search.complete:
            if self.incumbent.evaluation is None:
                self.proven_infeasible = True
            else:
                self.lower_bound = self.incumbent.objective

    def _wanted_gap(self) -> float:
        """Absolute gap that meets the wanted relative one, by the bound alone at first."""
        evaluation = self.incumbent.evaluation
        if evaluation is None:
            return self.options.relative_gap * max(abs(self.lower_bound), 1e-9)
        unit = gap_unit(self.problem, evaluation)
        return self.options.relative_gap * unit

    def _good_enough(self, relative_gap: float | None = None) -> bool:
        evaluation = self.incumbent.evaluation
        if evaluation is None:
            return False
        wanted = self.options.relative_gap if relative_gap is None else relative_gap
        unit = gap_unit(self.problem, evaluation)
        return evaluation.objective - self.lower_bound <= wanted * unit
