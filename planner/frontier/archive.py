"""Every plan found on the way, kept small: a first candidate wherever it keeps the limits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from costmodel.arrays import IntArray
from planner.frontier.axes import Axis
from planner.frontier.dominance_filter import at_most
from planner.result import Plan


@dataclass(frozen=True)
class ArchivedPlan:
    """Placement and device of each request of a verified plan, (n,) each, in few bytes."""

    limited_cost: float
    minimised_cost: float
    _placement: np.ndarray
    _device: np.ndarray

    @classmethod
    def of(cls, plan: Plan, limited: Axis, minimised: Axis) -> ArchivedPlan:
        """Keep what is needed of a plan to lay it out again."""
        placement = plan.placement.astype(np.min_scalar_type(int(plan.placement.max(initial=0))))
        device = plan.device_index.astype(np.min_scalar_type(int(plan.device_index.max(initial=0))))
        return cls(limited.cost(plan), minimised.cost(plan), placement, device)

    @property
    def placement(self) -> IntArray:
        """Placement of each request, shape (n,)."""
        return self._placement.astype(np.int64)

    @property
    def device(self) -> IntArray:
        """Device of each request, an index within its pool, shape (n,)."""
        return self._device.astype(np.int64)


@dataclass
class Archive:
    """The mutually non-dominated plans among those found so far."""

    limited: Axis
    minimised: Axis
    _plans: list[ArchivedPlan] = field(default_factory=list)

    def add(self, plan: Plan) -> ArchivedPlan:
        """Keep a plan unless a known one is as good on both axes; return the plan as known."""
        new = ArchivedPlan.of(plan, self.limited, self.minimised)
        if not any(_as_good(known, new) for known in self._plans):
            self._plans = [known for known in self._plans if not _as_good(new, known)] + [new]
        return new

    def least_minimised(self, limited_cost: float) -> ArchivedPlan | None:
        """Return the plan of least minimised cost within a limit."""
        within = [known for known in self._plans if at_most(known.limited_cost, limited_cost)]
        return min(within, key=lambda known: known.minimised_cost, default=None)

    def least_limited(self, minimised_cost: float) -> ArchivedPlan | None:
        """Return the plan of least limited cost that costs at most so much on the other axis."""
        within = [known for known in self._plans if at_most(known.minimised_cost, minimised_cost)]
        return min(within, key=lambda known: known.limited_cost, default=None)


def _as_good(one: ArchivedPlan, other: ArchivedPlan) -> bool:
    return at_most(one.limited_cost, other.limited_cost) and at_most(
        one.minimised_cost, other.minimised_cost
    )
