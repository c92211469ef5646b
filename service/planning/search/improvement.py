"""From the relaxation to a schedule that keeps every limit: assign, deal out, look, price anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from service.planning.bounds import floors
from service.planning.bounds.activity import activities, values_at
from service.planning.bounds.assignment_problem import AssignmentProblem
from service.planning.bounds.bounding import Bounded, bound
from service.planning.bounds.formulation import Formulation, Pricing
from service.planning.clock import Deadline
from service.planning.problem import PlacementProblem
from service.planning.schedule.dealing import deal
from service.planning.schedule.evaluation import Evaluation, evaluate, loosest
from service.planning.schedule.schedule import Schedule
from service.planning.search.cpsat import Effort, solve_assignment
from service.planning.search.repair import repair

CORE_PAIRS = 3_000
"""(request, placement) pairs that CP-SAT decides on Booleans; the rest follow the relaxation."""
CORE_EFFORT_S = 0.3
"""Deterministic seconds of CP-SAT in a round: about a second."""
OVERSHOOT = 0.5
"""Share of a lateness by which a pool's capacity is lowered beyond it."""
ROUNDS = 3
"""Times that the assignment is priced anew from its dealt-out schedule."""


@dataclass
class Incumbent:
    """The best schedule so far that keeps every limit, and the least broken one otherwise."""

    problem: PlacementProblem
    schedule: Schedule | None = None
    evaluation: Evaluation | None = None
    on_better: Callable[[], None] = lambda: None
    dealt: dict[bytes, Evaluation] = field(default_factory=dict)

    @property
    def objective(self) -> float:
        """Objective of the best schedule, inf while there is none."""
        return np.inf if self.evaluation is None else self.evaluation.objective

    def offer(self, schedule: Schedule) -> Evaluation:
        """Evaluate a schedule and keep it if it is feasible and better."""
        evaluation = evaluate(self.problem, schedule)
        if evaluation.feasible and self._better(evaluation):
            self.schedule, self.evaluation = schedule, evaluation
            self.on_better()
        return evaluation

    def offer_placement(self, placement: IntArray) -> tuple[Schedule, Evaluation] | None:
        """Deal an assignment out and offer it; None where it was offered before."""
        key = _digest(placement)
        if key in self.dealt:
            return None
        schedule = deal(self.problem, placement)
        evaluation = self.offer(schedule)
        self.dealt[key] = replace(evaluation, request_energy_j=np.empty(0))
        return schedule, evaluation

    def evaluate_placement(self, placement: IntArray) -> Evaluation:
        """Return the totals of an assignment as dealt out, its requests' joules left out."""
        self.offer_placement(placement)
        return self.dealt[_digest(placement)]

    def _better(self, other: Evaluation) -> bool:
        if self.evaluation is None:
            return True
        slack = 1e-12 * max(1.0, abs(other.objective))
        if abs(other.objective - self.evaluation.objective) > slack:
            return other.objective < self.evaluation.objective
        return (other.energy_j, other.makespan_s) < (
            self.evaluation.energy_j,
            self.evaluation.makespan_s,
        )


def _digest(placement: IntArray) -> bytes:
    return hashlib.blake2b(placement.tobytes(), digest_size=16).digest()


@dataclass(frozen=True)
class Improver:
    """Looks for better schedules until the gap is reached, rounds are used up or time is out."""

    problem: PlacementProblem
    incumbent: Incumbent
    deadline: Deadline
    seed: int
    absolute_gap: float

    def run(self, relaxation: AssignmentProblem, start: Bounded) -> float:
        """Improve the incumbent; return the best lower bound that was proven on the way."""
        lower = start.lower_bound
        pricing, bounded, target = Pricing(), start, relaxation
        for attempt in range(ROUNDS):
            assigned, proven = self._assign(target, bounded, lower)
            if attempt == 0:
                lower = max(lower, proven)
            dealt = self.incumbent.offer_placement(assigned)
            if dealt is None or self.incumbent.objective <= lower + self.absolute_gap:
                break
            if self.deadline.passed():
                break
            pricing = self._reprice(pricing, *dealt)
            target = Formulation(self.problem, pricing).build()
            found = bound(
                target,
                self.problem.requests.workload,
                self.deadline,
                absolute_gap=self.absolute_gap,
            )
            if found is None:
                break
            bounded = found
        return lower

    def _assign(
        self, target: AssignmentProblem, bounded: Bounded, lower: float
    ) -> tuple[IntArray, float]:
        """Decide the requests that are hardest to tell apart by CP-SAT.

        Returns
        -------
        placement, bound
            Shape (n,), and a bound that is valid for `target` (-inf where CP-SAT saw a part only).
        """
        size = max(1, CORE_PAIRS // max(1, int(target.allowed.sum(axis=1).mean())))
        core = hardest_requests(bounded, size)
        part = restrict(target, core, bounded.placement)
        placement = bounded.placement.copy()
        placement[core] = repair(part, placement[core], bounded.variables)
        hint = np.zeros(part.cost.shape)
        hint[np.arange(len(core)), placement[core]] = 1.0
        enough = lower + 0.5 * self.absolute_gap
        effort = Effort(
            seconds=self.deadline.left_s,
            deterministic_seconds=CORE_EFFORT_S,
            absolute_gap=0.25 * self.absolute_gap,
            enough=enough,
            seed=self.seed,
        )
        assignment = solve_assignment(part, effort, hint)
        self.deadline.cut |= assignment.clock_cut
        if assignment.counts is not None:
            placement[core] = assignment.counts.argmax(axis=1)
        return placement, assignment.bound if len(core) == self.problem.n else -np.inf

    def _reprice(self, pricing: Pricing, schedule: Schedule, evaluation: Evaluation) -> Pricing:
        """Price placements at the concurrency achieved, and keep room where it ended late."""
        energy = achieved_energy_j(self.problem, schedule)
        capacity = pricing.capacity
        capacity = np.ones(len(self.problem.pools)) if capacity is None else capacity
        slack = pricing.energy_slack_j
        cap = self.problem.limits.max_energy_j
        if cap is not None and evaluation.energy_j > cap:
            slack += 1.05 * (evaluation.energy_j - cap)
        return Pricing(
            energy,
            capacity * lateness_factors(self.problem, schedule),
            timely(self.problem, schedule),
            slack,
        )


def hardest_requests(bounded: Bounded, size: int) -> IntArray:
    """Return the requests whose second-best placement costs least more than their own."""
    n = len(bounded.placement)
    if size >= n:
        return np.arange(n)
    regret = bounded.priced.second_best(bounded.placement) - bounded.priced.at(bounded.placement)
    return np.sort(np.argpartition(regret, size - 1)[:size])


def restrict(problem: AssignmentProblem, core: IntArray, placement: IntArray) -> AssignmentProblem:
    """Return the problem of the core requests, the others fixed where they are."""
    if len(core) == len(placement):
        return problem
    fixed = np.ones(len(placement), dtype=bool)
    fixed[core] = False
    rest = np.flatnonzero(fixed)
    there = placement[rest]
    used = activities(problem, placement, rest)
    part = problem.take(core)
    rows = (
        replace(row, bound=row.bound - u) for row, u in zip(part.rows, used.tolist(), strict=True)
    )
    variables = {v.name: v for v in problem.variables}
    for link in problem.links:
        if np.isin(there, link.columns).any():
            v = variables[link.variable]
            variables[link.variable] = replace(v, lower=max(1.0, v.lower))
    for peak in problem.peaks:
        v = variables[peak.variable]
        highest = float(peak.values[rest[there == peak.column]].max(initial=v.lower))
        variables[peak.variable] = replace(v, lower=max(v.lower, highest))
    fixed_cost = float(values_at(problem.cost, there, rest).sum())
    return replace(
        part,
        rows=tuple(rows),
        variables=tuple(variables.values()),
        constant=problem.constant + fixed_cost,
    )


def achieved_energy_j(problem: PlacementProblem, schedule: Schedule) -> FloatArray:
    """Joules of each pair at the concurrency that its placement achieved, idle savings off."""
    energy = problem.costs.energy_j.copy()
    slot_s, seconds = np.zeros(problem.k), np.zeros(problem.k)
    for block in schedule.blocks:
        slot_s[block.placement] += block.slot_seconds
        seconds[block.placement] += block.seconds
    floor = floors.priced_floor_j(problem)
    workload = problem.requests.workload
    for k, placement in enumerate(problem.placements):
        watts = problem.pools[placement.pool].always_on_watts
        if seconds[k] == 0.0:
            energy[:, k] = floor[:, k]
            continue
        achieved = float(np.clip(slot_s[k] / seconds[k], 1.0, placement.concurrency))
        if achieved < placement.concurrency:
            energy[:, k] = placement.cost_model.energy_j(
                workload.input_tokens, workload.output_tokens, achieved
            )
        stretch = placement.concurrency / achieved
        energy[:, k] -= watts * problem.costs.device_seconds[:, k] * stretch
    return energy


def lateness_factors(problem: PlacementProblem, schedule: Schedule) -> FloatArray:
    """Share of each pool's capacity to keep, from how late its requests ended, (pools,)."""
    factors = np.ones(len(problem.pools))
    pool = problem.pool_of[schedule.placement]
    for index in range(len(problem.pools)):
        members = np.flatnonzero(pool == index)
        if not len(members):
            continue
        latest = problem.latest_s(members, schedule.placement[members])
        excess = float((schedule.end_s[members] / latest).max())
        if excess > loosest(1.0):
            factors[index] = max(0.3, (1.0 - OVERSHOOT * (excess - 1.0) - 1e-6) / excess)
    return factors


def timely(problem: PlacementProblem, schedule: Schedule) -> BoolArray:
    """Pairs whose slot time, at the mix that the schedule has, fits before their deadline."""
    allowed = np.ones((problem.n, problem.k), dtype=bool)
    latest = problem.deadline_s
    if not np.isfinite(latest).any():
        return allowed
    for k, placement in enumerate(problem.placements):
        if placement.concurrency == 1:
            continue
        members = np.flatnonzero(schedule.placement == k)
        everyone = members if len(members) else np.flatnonzero(problem.eligible[:, k])
        if not len(everyone):
            continue
        output = problem.requests.workload.output_tokens.astype(float)
        seconds = problem.costs.device_seconds[everyone, k].sum() * placement.concurrency
        slot = output * (seconds / output[everyone].sum())
        allowed[:, k] = slot + problem.load_s[k] <= latest
    return allowed
