"""A call that has its plan: its warnings, its published prices and its sums for the metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from planner.problem import PlacementProblem
from planner.result import Plan, PlanWarning
from planner.sensitivity.alternatives import Alternatives
from service.calls.explaining import UNEXPLAINED
from service.calls.messages import PlacementTally, PlanTally, PublishedPrices
from service.calls.prepared import PreparedCall
from service.calls.publishing import UNPUBLISHED, published_prices
from service.calls.schemas.answers import TimingsAnswer
from service.calls.schemas.calls import PlanRequest


@dataclass(frozen=True)
class PlannedCall:
    """A plan, and the call that it is the plan of.

    `others` are other placements of each request, where they were asked for and there was time.
    """

    terms: PlanRequest
    ready: PreparedCall
    plan: Plan
    plan_id: str
    timings_s: TimingsAnswer
    others: Alternatives | None = None

    def warnings(self) -> list[PlanWarning]:
        """Return what a caller should know of the call and its plan."""
        return [*self.ready.warnings, *self.plan.warnings, *self._left_out()]

    def tally(self, write_s: float) -> PlanTally:
        """Return what is to be counted of it, whose writing took `write_s` seconds."""
        tally = tally_plan(self.ready.problem, self.plan, self.timings_s, write_s)
        return replace(tally, published=self._published)

    @cached_property
    def _published(self) -> PublishedPrices | None:
        if not self.terms.publish:
            return None
        return published_prices(self.ready.problem, self.plan, self.plan_id)

    def _left_out(self) -> Iterator[PlanWarning]:
        """Yield a warning for each thing that was asked for and is not there."""
        if self.terms.publish and self._published is None:
            yield UNPUBLISHED
        if self.terms.explain and self.others is None:
            yield UNEXPLAINED


def tally_plan(
    problem: PlacementProblem, plan: Plan, timings_s: TimingsAnswer, write_s: float
) -> PlanTally:
    """Return the sums of a plan whose making, and then writing, took these seconds."""
    counts = np.bincount(plan.placement, minlength=problem.k)
    energy_j = np.bincount(plan.placement, weights=plan.energy_j, minlength=problem.k)
    runtime_s = np.bincount(plan.placement, weights=plan.runtime_s, minlength=problem.k)
    outside = np.bincount(plan.placement, weights=plan.extrapolated, minlength=problem.k)
    placements = tuple(
        PlacementTally(
            llm=placement.llm,
            pool=problem.pools[placement.pool].name,
            device=problem.pools[placement.pool].device,
            requests=int(counts[k]),
            energy_j=float(energy_j[k]),
            runtime_s=float(runtime_s[k]),
            extrapolated=int(outside[k]),
        )
        for k, placement in enumerate(problem.placements)
        if counts[k]
    )
    saved_j = {
        baseline.name: max(0.0, float(baseline.energy_j - plan.energy.value_j))
        for baseline in plan.baselines
        if baseline.feasible and baseline.energy_j is not None
    }
    return PlanTally(
        plan.status,
        float(plan.gap),
        timings_s["solve"],
        placements,
        saved_j,
        {
            "parse": timings_s["parse"],
            "predict": timings_s["predict"],
            "solve": timings_s["solve"],
            "write": write_s,
        },
    )
