"""What a plan's own figures come to, worked out from its assignments by the documented rules."""

from __future__ import annotations

import math
from functools import cached_property

from benchmarks.fuzz.catalogue import Json
from benchmarks.fuzz.devices import WorkedPlan, work_through
from benchmarks.fuzz.question import Question

ESTIMATED = 1e-2
"""Share by which figures may differ where the mean of an estimate was rounded."""
COSTS = {"energy": "energy_joules", "carbon": "carbon_grams", "money": "money"}
"""Members of an answer by what they count."""


class Planned:
    """An answer of `/plan` whose assignments are rows.

    Parameters
    ----------
    asked
        What the call asked.
    answer
        An answer with one assignment for each planned request, in their order.
    """

    def __init__(self, asked: Question, answer: Json) -> None:
        self.asked, self.answer = asked, answer

    @cached_property
    def rows(self) -> dict[int, Json]:
        """Assignments by the index of their request in the call."""
        return dict(zip(self.asked.planned, self.answer["assignments"], strict=True))

    @cached_property
    def spot_of(self) -> dict[int, int]:
        """Placement of each planned request."""
        return {i: row["placement"] for i, row in self.rows.items()}

    @cached_property
    def held(self) -> dict[int, float]:
        """Predicted runtime of each planned request [s]."""
        return {i: row["runtime_seconds"] for i, row in self.rows.items()}

    @cached_property
    def worked(self) -> WorkedPlan:
        """What the devices do."""
        devices = {i: row["device_index"] for i, row in self.rows.items()}
        return work_through(self.asked, self.spot_of, devices, self.held)

    @property
    def share(self) -> float:
        """What figures may differ by that rest on the mean of an estimate."""
        return ESTIMATED if self.asked.estimated else 0.0

    @cached_property
    def cost_normaliser(self) -> float:
        """C0 as the answer states it."""
        given = self.answer["normalisers"]
        return float(given.get(COSTS[self.asked.minimise], math.nan))

    @cached_property
    def quality(self) -> float:
        """Sum over requests of score times tokens."""
        spots = self.asked.spots
        return math.fsum(
            (self.asked.score(spots[k].llm) or 0.0) * self.asked.tokens[i]
            for i, k in self.spot_of.items()
        )

    @cached_property
    def pool_energy(self) -> list[float]:
        """Joules of each pool with all its parts."""
        asked, run = self.asked, self.worked
        found = [
            run.loading(asked, pool) + run.idle(asked, pool) + run.activation(asked, pool)
            for pool in range(len(asked.pools))
        ]
        for row in self.rows.values():
            found[asked.spots[row["placement"]].pool] += row["energy_joules"]
        return found

    def cost(self, unit: str) -> float | None:
        """What the plan costs in a unit; None where a pool that it pays for states no figures."""
        total = 0.0
        for pool, joules in enumerate(self.pool_energy):
            seconds = self.worked.on(self.asked, pool)
            if joules == 0.0 and seconds == 0.0:
                continue
            if not self.asked.states(pool, unit):
                return None
            per_joule, per_second = self.asked.price(pool, unit)
            total += per_joule * joules + per_second * seconds
        return total
