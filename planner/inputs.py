"""What a planning problem is made of: pools, placements, limits, the objective, the requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.cost_model import CostModel
from costmodel.workload import Workload
from planner.errors import InvalidProblemError

Unit = Literal["energy", "carbon", "money"]
"""What a plan's cost is counted in: joules, grams of carbon dioxide, or the pools' money."""


@dataclass(frozen=True)
class Pool:
    """`count` equal, interchangeable devices.

    Attributes
    ----------
    idle_watts
        Power of a whole device that is on and serves nothing [W]; None where it was not measured.
    available_s
        Seconds for which the pool can be had; None for no limit.
    resident
        LLMs that are loaded on every device of the pool and stay.
    carbon_g_per_kwh, price_per_kwh, price_per_device_hour
        Grams of carbon dioxide and money for a kilowatt-hour, money for an hour in which a device
        is on, each at least 0; None where it is not known.
    activation_j, activation_s
        Joules and seconds of switching on a device that the plan uses, once, before its first
        block; 0 on an always-on pool, whose devices are on anyway.
    """

    name: str
    device: str
    count: int
    idle_watts: float | None = None
    power_policy: Literal["power_down", "always_on"] = "power_down"
    available_s: float | None = None
    resident: frozenset[str] = frozenset()
    carbon_g_per_kwh: float | None = None
    price_per_kwh: float | None = None
    price_per_device_hour: float | None = None
    activation_j: float = 0.0
    activation_s: float = 0.0

    @property
    def end_s(self) -> float:
        """Time by which everything on the pool must have ended [s]."""
        return np.inf if self.available_s is None else self.available_s

    @property
    def always_on_watts(self) -> float:
        """Idle power that the plan pays while a device serves nothing [W]."""
        return (self.idle_watts or 0.0) if self.power_policy == "always_on" else 0.0


@dataclass(frozen=True)
class Placement:
    """One column of the decision: an LLM on a pool at a concurrency.

    Attributes
    ----------
    pool
        Index into the problem's pools.
    quality
        The LLM's score, 0 to 1; None where it is not known.
    max_context_tokens
        Most input plus output tokens of one request; None where it is not known.
    """

    llm: str
    pool: int
    concurrency: int
    cost_model: CostModel
    quality: float | None = None
    max_context_tokens: int | None = None

    def load(self, pool: Pool) -> tuple[float, float]:
        """Seconds and joules to load the LLM on a pool, 0 where resident, inf where unknown."""
        load_s, load_j = self.cost_model.load_s, self.cost_model.load_energy_j
        if self.llm in pool.resident:
            return 0.0, 0.0
        return (np.inf, np.inf) if load_s is None or load_j is None else (load_s, load_j)


@dataclass(frozen=True)
class Share:
    """Bounds on the share of the requests that one LLM serves, each from 0 to 1."""

    min: float = 0.0
    max: float = 1.0


CAP_NAMES: Mapping[Unit, str] = {
    "energy": "max_energy_joules",
    "carbon": "max_carbon_grams",
    "money": "max_money",
}
"""A cap's name in the body of a call, by the unit of the cost that it caps."""
_CAP_FIELDS: Mapping[Unit, str] = {
    "energy": "max_energy_j",
    "carbon": "max_carbon_g",
    "money": "max_money",
}


@dataclass(frozen=True)
class Limits:
    """What a plan must keep; None or an empty mapping where there is no such limit.

    Attributes
    ----------
    confidence
        Probability at which every deadline together is to be kept, 0.5 to below 1; None where
        deadlines are to be kept as predicted.
    """

    deadline_s: float | None = None
    max_energy_j: float | None = None
    min_mean_quality: float | None = None
    shares: Mapping[str, Share] = field(default_factory=dict)
    min_requests: Mapping[str, int] = field(default_factory=dict)
    horizon_s: float | None = None
    confidence: float | None = None
    max_carbon_g: float | None = None
    max_money: float | None = None

    def share(self, llm: str) -> Share:
        """Bounds on an LLM's share, none where none are given."""
        return self.shares.get(llm, Share())

    @property
    def caps(self) -> dict[Unit, float]:
        """The caps on what a plan costs, by the unit of the cost."""
        given = {unit: getattr(self, name) for unit, name in _CAP_FIELDS.items()}
        return {unit: cap for unit, cap in given.items() if cap is not None}

    def with_cap(self, unit: Unit, cap: float | None) -> Limits:
        """Return the same limits with another cap on a cost."""
        changed: dict[str, Any] = {_CAP_FIELDS[unit]: cap}
        return replace(self, **changed)


@dataclass(frozen=True)
class Objective:
    """Minimise ``zeta * cost / C0 - (1 - zeta) * quality / Q0`` (arXiv 2407.04014).

    `minimise` says what the cost is: joules, grams of carbon dioxide or money. `cost_normaliser`
    (C0, in that unit; the paper's E0 for energy) and `quality_normaliser` (Q0) default to the
    largest single value over all eligible (request, placement) pairs.
    """

    zeta: float = 1.0
    cost_normaliser: float | None = None
    quality_normaliser: float | None = None
    minimise: Unit = "energy"


@dataclass(frozen=True)
class Requests:
    """The requests of a call as arrays of shape (n,).

    Attributes
    ----------
    deadline_s
        Seconds from the plan's start; inf where a request has none.
    min_quality
        Least score of the LLM that may serve it; -inf where there is none.
    allowed
        (n, k), False where the request excludes a placement; None when none does.
    device
        (n,), the device (an index within its pool) that a request is pinned to, -1 where it is
        free; None when all are.
    """

    workload: Workload
    deadline_s: FloatArray
    min_quality: FloatArray
    allowed: BoolArray | None = None
    device: IntArray | None = None

    def take(self, indices: IntArray) -> Requests:
        """Return some of the requests."""
        return Requests(
            self.workload.take(indices),
            self.deadline_s[indices],
            self.min_quality[indices],
            None if self.allowed is None else self.allowed[indices],
            None if self.device is None else self.device[indices],
        )


def validate(pools: Sequence[Pool], placements: Sequence[Placement], limits: Limits) -> None:
    """Check what pools, placements and limits say of each other.

    Raises
    ------
    InvalidProblemError
        If a term has to be mended; it points to the first.
    """
    if not placements:
        raise InvalidProblemError("/fleet/pools", "Expected at least one placement, got none.")
    for index, pool in enumerate(pools):
        if pool.power_policy == "always_on" and max(pool.activation_j, pool.activation_s) > 0.0:
            raise InvalidProblemError(
                f"/fleet/pools/{index}/activation_joules",
                f"Expected no activation of the always-on pool {pool.name}, whose devices are on "
                "anyway.",
            )
    for llm, share in limits.shares.items():
        if share.min > share.max:
            raise InvalidProblemError(
                f"/constraints/shares/{llm}", f"Expected min <= max, got {share.min} > {share.max}."
            )
    if sum(share.min for share in limits.shares.values()) > 1.0 + 1e-9:
        raise InvalidProblemError(
            "/constraints/shares", "Expected minimum shares that sum to at most 1."
        )


@dataclass(frozen=True)
class Deadlines:
    """Distinct deadlines, and which one each request has.

    `distinct_s`, (D,), rise, in seconds from the plan's start, inf for none. `rank`, (n,), is the
    position of each request's deadline among them, in two bytes where these do.
    """

    distinct_s: FloatArray
    rank: IntArray

    @classmethod
    def of(cls, deadline_s: FloatArray) -> Deadlines:
        """Return those of some requests, shape (n,).

        Examples
        --------
        >>> found = Deadlines.of(np.array([9.0, 5.0, 9.0]))
        >>> found.distinct_s, found.rank.tolist(), found.count
        (array([5., 9.]), [1, 0, 1], 2)
        """
        distinct_s = np.unique(deadline_s)
        narrow = np.uint16 if len(distinct_s) < 2**16 else np.int64
        return cls(distinct_s, np.searchsorted(distinct_s, deadline_s).astype(narrow))

    @property
    def count(self) -> int:
        """Number of distinct deadlines."""
        return len(self.distinct_s)
