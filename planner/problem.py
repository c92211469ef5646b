"""The planning problem: requests, pools, placements and limits, checked once and then frozen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.cost_matrix import CostMatrix, predict
from planner.inputs import Deadlines, Limits, Objective, Placement, Pool, Requests, Unit, validate
from planner.rates import Rates, no_figures, rates_of, states_figures

COUNT_TOLERANCE = 1e-9
"""A share of the requests this close to a whole number is that number: 0.29 of 100 are 29."""


@dataclass(frozen=True)
class PlacementProblem:
    """Everything that a plan is made from. Pure data: no clock, no file, no solver."""

    requests: Requests
    pools: tuple[Pool, ...]
    placements: tuple[Placement, ...]
    limits: Limits
    objective: Objective
    costs: CostMatrix

    @classmethod
    def build(
        cls,
        requests: Requests,
        pools: Sequence[Pool],
        placements: Sequence[Placement],
        limits: Limits | None = None,
        objective: Objective | None = None,
        *,
        intervals: bool = False,
    ) -> PlacementProblem:
        """Predict the cost of every request on every placement and check the limits.

        A plan needs the bounds of its own placements only and computes these itself; `intervals`
        asks for those of every request on every placement, half of the matrix's memory.

        Raises
        ------
        InvalidProblemError
            If limits contradict each other or themselves.
        """
        columns = [(p.cost_model, float(p.concurrency)) for p in placements]
        costs = predict(requests.workload, columns, intervals=intervals)
        limits, objective = limits or Limits(), objective or Objective()
        return cls(requests, tuple(pools), tuple(placements), limits, objective, costs)

    def __post_init__(self) -> None:
        validate(self.pools, self.placements, self.limits)

    @property
    def n(self) -> int:
        """Number of requests."""
        return len(self.requests.workload)

    @property
    def k(self) -> int:
        """Number of placements."""
        return len(self.placements)

    @cached_property
    def pool_of(self) -> IntArray:
        """Pool index of each placement, shape (k,)."""
        return np.array([placement.pool for placement in self.placements], dtype=np.int64)

    @cached_property
    def concurrency(self) -> FloatArray:
        """Concurrency of each placement, shape (k,)."""
        return np.array([placement.concurrency for placement in self.placements], dtype=float)

    @cached_property
    def llms(self) -> tuple[str, ...]:
        """The LLMs of the placements, each once, in order of first use."""
        return tuple(dict.fromkeys(placement.llm for placement in self.placements))

    @cached_property
    def tokens(self) -> FloatArray:
        """Input plus output tokens of each request, of all its answers, shape (n,)."""
        workload = self.requests.workload
        return (workload.input_tokens + workload.generated_tokens).astype(float)

    def energy_at_j(self, k: int, members: IntArray | slice, concurrency: float) -> FloatArray:
        """Joules of some requests on the pair of placement k at a concurrency, shape (members,).

        Means over the lengths of the answers where those are distributions.
        """
        terms = self.requests.workload.terms(members)
        return self.placements[k].cost_model.energy_of(terms, concurrency)

    @cached_property
    def quality(self) -> FloatArray:
        """Score of each placement's LLM, shape (k,); nan where it is not known."""
        return np.array([np.nan if p.quality is None else p.quality for p in self.placements])

    @cached_property
    def deadline_s(self) -> FloatArray:
        """Effective deadline of each request, its own or the plan's, shape (n,)."""
        plan = np.inf if self.limits.deadline_s is None else self.limits.deadline_s
        return np.minimum(self.requests.deadline_s, plan)

    @cached_property
    def deadlines(self) -> Deadlines:
        """The distinct ones among the effective deadlines."""
        return Deadlines.of(self.deadline_s)

    def latest_s(self, requests: IntArray, placement: IntArray) -> FloatArray:
        """Time by which requests, each on a placement, must have ended, shape (m,)."""
        ends = np.array([pool.end_s for pool in self.pools])[self.pool_of]
        return np.asarray(np.minimum(self.deadline_s[requests], ends[placement]))

    def latest_in_pool_s(self, pool: int, requests: IntArray) -> FloatArray:
        """Time by which requests on a pool must have ended, shape (m,), or (1,) if alike."""
        one = self.deadlines.count == 1
        due = self.deadlines.distinct_s if one else self.deadline_s[requests]
        return np.asarray(np.minimum(due, self.pools[pool].end_s))

    @cached_property
    def load_s(self) -> FloatArray:
        """Seconds to load each placement's LLM, 0 where resident, inf where unknown, (k,)."""
        return np.array([p.load(self.pools[p.pool])[0] for p in self.placements])

    @cached_property
    def load_energy_j(self) -> FloatArray:
        """Joules to load each placement's LLM, 0 where resident, inf where unknown, (k,)."""
        return np.array([p.load(self.pools[p.pool])[1] for p in self.placements])

    @cached_property
    def setup_s(self) -> FloatArray:
        """Seconds before a placement's first request on a fresh device, (k,): switch on, load."""
        activation_s = np.array([self.pools[p].activation_s for p in self.pool_of])
        return np.asarray(self.load_s + activation_s)

    @cached_property
    def pinned_device(self) -> IntArray:
        """Device that each request is pinned to, -1 where it is free, shape (n,)."""
        device = self.requests.device
        return np.full(self.n, -1, dtype=np.int64) if device is None else device

    @cached_property
    def exclusions(self) -> dict[str, BoolArray]:
        """What keeps requests from placements: reason to mask, each broadcastable to (n, k)."""
        requests = self.requests
        context = np.array([p.max_context_tokens or np.inf for p in self.placements])
        not_loaded = ~np.isfinite(self.load_s)[None, :]
        reasons = {"the load of the LLM was not measured and it is not resident": not_loaded}
        longest = requests.workload.context_tokens
        if longest.max(initial=0) > context.min():
            reasons["longer than the context of the LLM"] = longest[:, None] > context
        if requests.allowed is not None:
            reasons["not among the LLMs or pools that the request names"] = ~requests.allowed
        if requests.device is not None:
            counts = np.array([self.pools[p].count for p in self.pool_of])
            beyond = self.pinned_device[:, None] >= counts[None, :]
            reasons["the pool has no device of the index that the request is pinned to"] = beyond
        own_floors = bool(np.isfinite(requests.min_quality).any())
        floor = self.limits.min_mean_quality
        if self.objective.zeta < 1.0 or floor is not None or own_floors:
            reasons["the quality of the LLM is not known"] = np.isnan(self.quality)[None, :]
        if own_floors:
            with np.errstate(invalid="ignore"):
                low = self.quality[None, :] < requests.min_quality[:, None]
            reasons["below the request's min_quality"] = low
        return reasons

    @cached_property
    def eligible(self) -> BoolArray:
        """Whether a request may run on a placement, deadlines aside, shape (n, k)."""
        eligible = np.ones((self.n, self.k), dtype=bool, order="F")
        for mask in self.exclusions.values():
            eligible &= ~mask
        return eligible

    def take(self, indices: IntArray) -> PlacementProblem:
        """Return the same problem for some of the requests only."""
        return replace(
            self, requests=self.requests.take(indices), costs=self.costs.take(rows=indices)
        )

    def with_objective(self, objective: Objective) -> PlacementProblem:
        """Return the problem with another objective, what is eligible unchanged."""
        requests = replace(self.requests, allowed=self.eligible)
        return replace(self, requests=requests, objective=objective)

    def with_limits(self, limits: Limits) -> PlacementProblem:
        """Return the same problem under other limits."""
        return replace(self, limits=limits)

    def unpriced_pools(self, unit: Unit) -> list[int]:
        """Pools that a plan may pay for and that do not state what that costs in a unit."""
        if unit == "energy":
            return []
        open_to = set(self.pool_of[self.eligible.any(axis=0)].tolist())
        return [
            index
            for index, pool in enumerate(self.pools)
            if (index in open_to or pool.power_policy == "always_on")
            and not states_figures(pool, unit)
        ]

    def rates_in(self, unit: Unit) -> Rates:
        """Prices of joules and on-seconds in a unit, 0 on pools that no plan pays for.

        Raises
        ------
        InvalidProblemError
            If a pool that a plan may pay for does not state its figures.
        """
        for index in self.unpriced_pools(unit):
            raise no_figures(self.pools, index, unit)
        return rates_of(self.pools, unit).known()

    @cached_property
    def rates(self) -> Rates:
        """Prices of joules and on-seconds in what the objective minimises."""
        return self.rates_in(self.objective.minimise)

    def pair_cost(self, unit: Unit) -> FloatArray:
        """Cost of each request on each placement by its own joules and device-seconds, (n, k)."""
        if unit == "energy":
            return self.costs.energy_j
        rates = self.rates_in(unit)
        cost = self.costs.energy_j * rates.per_joule[self.pool_of]
        return cost + self.costs.device_seconds * rates.per_second[self.pool_of]

    @cached_property
    def largest_cost(self) -> float:
        """The largest cost of an eligible pair, in the unit of what is minimised."""
        return _largest(self.pair_cost(self.objective.minimise).T, self.eligible)

    @cached_property
    def cost_normaliser(self) -> float:
        """C0 of the objective, in the unit of what it minimises."""
        given = self.objective.cost_normaliser
        return (self.largest_cost or 1.0) if given is None else given

    @cached_property
    def quality_values(self) -> FloatArray:
        """Score of each placement, 0 where it is not known (and then does not matter), (k,)."""
        return np.nan_to_num(self.quality)

    @cached_property
    def largest_quality(self) -> float:
        """The largest quality of an eligible pair [score x tokens]."""
        return _largest((score * self.tokens for score in self.quality_values), self.eligible)

    @cached_property
    def quality_normaliser(self) -> float:
        """Q0 of the objective [score x tokens]."""
        given = self.objective.quality_normaliser
        return (self.largest_quality or 1.0) if given is None else given

    def request_counts(self, llm: str) -> tuple[int, int]:
        """Least and most requests that an LLM may serve, from shares and `min_requests`."""
        share = self.limits.share(llm)
        lower = int(np.floor(share.min * self.n + COUNT_TOLERANCE))
        upper = int(np.ceil(share.max * self.n - COUNT_TOLERANCE))
        return max(lower, self.limits.min_requests.get(llm, 0)), upper


def _largest(columns: Iterable[FloatArray], eligible: BoolArray) -> float:
    """Return the largest value, at least 0, of an eligible pair; columns (n,), eligible (n, k)."""
    found = (np.max(v, where=eligible[:, k], initial=0.0) for k, v in enumerate(columns))
    return float(max(found))
