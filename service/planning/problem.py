"""The planning problem: requests, pools, placements and limits, checked once and then frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.cost_matrix import CostMatrix, predict
from costmodel.workload import Workload
from service.planning.errors import InvalidProblemError
from service.planning.inputs import Limits, Objective, Placement, Pool, Requests, Share

_ALL = slice(None)
ROUNDING = 1e-9
"""A share of the requests this close to a whole number is that number: 0.29 of 100 are 29."""


def take_costs(
    costs: CostMatrix, rows: IntArray | slice = _ALL, columns: IntArray | slice = _ALL
) -> CostMatrix:
    """Return the costs of some requests on some placements."""
    energy_j = costs.energy_j[rows][:, columns]

    def bounds(values: FloatArray) -> FloatArray:
        """Leave bounds that were not asked for the single number that they are."""
        if values.strides == (0, 0):
            return np.broadcast_to(np.float64(np.nan), energy_j.shape)
        return values[rows][:, columns]

    return CostMatrix(
        energy_j,
        costs.device_seconds[rows][:, columns],
        bounds(costs.energy_low_j),
        bounds(costs.energy_high_j),
        costs.outside[rows][:, columns],
    )


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
            When limits contradict each other or themselves.
        """
        columns = [(p.cost_model, float(p.concurrency)) for p in placements]
        costs = predict(requests.workload, columns, intervals=intervals)
        return cls(
            requests,
            tuple(pools),
            tuple(placements),
            limits or Limits(),
            objective or Objective(),
            costs,
        )

    def __post_init__(self) -> None:
        if not self.placements:
            raise InvalidProblemError("/fleet/pools", "Expected at least one placement, got none.")
        shares = self.limits.shares
        for llm, share in shares.items():
            if share.min > share.max:
                raise InvalidProblemError(
                    f"/constraints/shares/{llm}",
                    f"Expected min <= max, got {share.min} > {share.max}.",
                )
        if sum(share.min for share in shares.values()) > 1.0 + 1e-9:
            raise InvalidProblemError(
                "/constraints/shares", "Expected minimum shares that sum to at most 1."
            )

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
        """Input plus output tokens of each request, shape (n,)."""
        workload = self.requests.workload
        return (workload.input_tokens + workload.output_tokens).astype(float)

    @cached_property
    def quality(self) -> FloatArray:
        """Score of each placement's LLM, shape (k,); nan where it is not known."""
        return np.array([np.nan if p.quality is None else p.quality for p in self.placements])

    @property
    def quality_matters(self) -> bool:
        """Whether the objective or a limit needs the LLMs' scores."""
        return (
            self.objective.zeta < 1.0
            or self.limits.min_mean_quality is not None
            or bool(np.isfinite(self.requests.min_quality).any())
        )

    @cached_property
    def deadline_s(self) -> FloatArray:
        """Effective deadline of each request, its own or the plan's, shape (n,)."""
        plan = np.inf if self.limits.deadline_s is None else self.limits.deadline_s
        return np.minimum(self.requests.deadline_s, plan)

    @cached_property
    def _deadline_ranks(self) -> tuple[FloatArray, IntArray]:
        distinct, ranks = np.unique(self.deadline_s, return_inverse=True)
        narrow = np.uint16 if len(distinct) < 2**16 else np.int64
        return distinct, ranks.reshape(-1).astype(narrow)

    @property
    def deadline_count(self) -> int:
        """Number of distinct deadlines."""
        return len(self._deadline_ranks[0])

    @property
    def deadline_rank(self) -> IntArray:
        """Position of each request's deadline among the distinct ones, shape (n,)."""
        return self._deadline_ranks[1]

    def latest_s(self, requests: IntArray, placement: IntArray) -> FloatArray:
        """Time by which requests, each on a placement, must have ended, shape (m,)."""
        ends = np.array([pool.end_s for pool in self.pools])[self.pool_of]
        return np.asarray(np.minimum(self.deadline_s[requests], ends[placement]))

    @cached_property
    def load_s(self) -> FloatArray:
        """Seconds to load each placement's LLM, 0 where resident, shape (k,)."""
        return np.array([self._load(k)[0] for k in range(self.k)])

    @cached_property
    def load_energy_j(self) -> FloatArray:
        """Joules to load each placement's LLM, 0 where resident, shape (k,)."""
        return np.array([self._load(k)[1] for k in range(self.k)])

    def _load(self, k: int) -> tuple[float, float]:
        placement = self.placements[k]
        cost_model = placement.cost_model
        if placement.llm in self.pools[placement.pool].resident:
            return 0.0, 0.0
        if cost_model.load_s is None or cost_model.load_energy_j is None:
            return np.inf, np.inf
        return cost_model.load_s, cost_model.load_energy_j

    @cached_property
    def exclusions(self) -> dict[str, BoolArray]:
        """What keeps requests from placements: reason to mask, each broadcastable to (n, k)."""
        context = np.array([p.max_context_tokens or np.inf for p in self.placements])
        reasons = {
            "the load of the LLM was not measured and it is not resident": ~np.isfinite(
                self.load_s
            )[None, :],
        }
        if self.tokens.max(initial=0.0) > context.min():
            reasons["longer than the context of the LLM"] = self.tokens[:, None] > context
        if self.requests.allowed is not None:
            reasons["not among the LLMs or pools that the request names"] = ~self.requests.allowed
        if self.quality_matters:
            reasons["the quality of the LLM is not known"] = np.isnan(self.quality)[None, :]
            if np.isfinite(self.requests.min_quality).any():
                with np.errstate(invalid="ignore"):
                    low = self.quality[None, :] < self.requests.min_quality[:, None]
                reasons["below the request's min_quality"] = low
        return reasons

    @cached_property
    def eligible(self) -> BoolArray:
        """Whether a request may run on a placement, deadlines aside, shape (n, k)."""
        eligible = np.ones((self.n, self.k), dtype=bool, order="F")
        for mask in self.exclusions.values():
            eligible &= ~mask
        return eligible

    def unplaceable(self) -> dict[int, str]:
        """Return the requests that no placement may take, with the reasons, by index."""
        found = {}
        for i in np.flatnonzero(~self.eligible.any(axis=1)):
            shape = (self.n, self.k)
            reasons = [r for r, m in self.exclusions.items() if np.broadcast_to(m, shape)[i].any()]
            found[int(i)] = "; ".join(reasons)
        return found

    def take(self, indices: IntArray) -> PlacementProblem:
        """Return the same problem for some of the requests only."""
        requests, workload = self.requests, self.requests.workload
        return replace(
            self,
            requests=Requests(
                Workload(workload.input_tokens[indices], workload.output_tokens[indices]),
                requests.deadline_s[indices],
                requests.min_quality[indices],
                None if requests.allowed is None else requests.allowed[indices],
            ),
            costs=take_costs(self.costs, rows=indices),
        )

    def with_zeta(self, zeta: float) -> PlacementProblem:
        """Return the problem with another objective, what is eligible unchanged."""
        requests = replace(self.requests, allowed=self.eligible)
        return replace(self, requests=requests, objective=Objective(zeta))

    def with_limits(self, limits: Limits) -> PlacementProblem:
        """Return the same problem under other limits."""
        return replace(self, limits=limits)

    @cached_property
    def energy_normaliser_j(self) -> float:
        """E0 of the objective [J]."""
        if self.objective.energy_normaliser_j is not None:
            return self.objective.energy_normaliser_j
        largest = (
            np.max(self.costs.energy_j[:, k], where=self.eligible[:, k], initial=0.0)
            for k in range(self.k)
        )
        return float(max(largest)) or 1.0

    @cached_property
    def quality_values(self) -> FloatArray:
        """Score of each placement, 0 where it is not known (and then does not matter), (k,)."""
        return np.nan_to_num(self.quality)

    @cached_property
    def quality_normaliser(self) -> float:
        """Q0 of the objective [score x tokens]."""
        if self.objective.quality_normaliser is not None:
            return self.objective.quality_normaliser
        largest = (
            quality * np.max(self.tokens, where=self.eligible[:, k], initial=0.0)
            for k, quality in enumerate(self.quality_values.tolist())
        )
        return float(max(largest)) or 1.0

    def request_counts(self, llm: str) -> tuple[int, int]:
        """Least and most requests that an LLM may serve, from shares and `min_requests`."""
        share = self.limits.shares.get(llm, Share())
        least = int(np.floor(share.min * self.n + ROUNDING))
        most = int(np.ceil(share.max * self.n - ROUNDING))
        return max(least, self.limits.min_requests.get(llm, 0)), most
