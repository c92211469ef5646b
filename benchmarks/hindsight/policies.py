"""Who decides: jouleplan's sidecar, or what gateways do without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np
import orjson

from benchmarks.hindsight.replay import Hour
from costmodel.arrays import FloatArray
from service.calls.fleet.decision_table import decision_rows
from service.calls.fleet.placements import Candidates
from service.calls.planner_service import PlannerService
from service.calls.schemas.decisions import CandidateBody, DecisionBody
from service.decisions.decision_service import DecisionRecord, DecisionService
from service.decisions.policy import FORECAST_PREFIX, policy_of
from service.decisions.traffic import STRETCHES, plan_of, stretch_helps
from service.problems import ProblemError


@dataclass
class Sidecar:
    """`POST /decision` and the plans of the traffic to come, in simulated time.

    Parameters
    ----------
    fleet, planner
        What is planned over, and by whom.
    hour
        What arrives: only what has arrived is told.
    min_mean_quality
        Floor.
    period_s
        Between two plans.
    """

    fleet: Candidates
    planner: PlannerService
    hour: Hour
    min_mean_quality: float
    period_s: float
    now: float = 0.0
    plans: int = 0
    _made: dict[int, DecisionRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.decisions = DecisionService(
            min_mean_quality=self.min_mean_quality,
            clock=lambda: self.now,
            wall_clock=lambda: self.now,
        )
        self.decisions.load(decision_rows(self.fleet))
        self._next_plan_s = self.period_s
        self._candidates = [CandidateBody(llm=llm) for llm in self.fleet.llms]
        self._columns = {
            (one.llm, self.fleet.pools[one.pool].name): index
            for index, one in enumerate(self.fleet.placements)
        }

    def choose(self, index: int, now: float) -> int:
        """Decide a request."""
        while now >= self._next_plan_s:
            self.now = self._next_plan_s
            self._plan()
            self._next_plan_s += self.period_s
        self.now = now
        body = DecisionBody(
            id=str(index),
            input_tokens=int(self.hour.input_tokens[index]),
            output_tokens=int(self.hour.output_tokens[index]),
            candidates=self._candidates,
            deadline_seconds=self.hour.deadline_s,
        )
        made = self.decisions.decide(body)
        row = made.chosen.cost.row
        return self._columns[row.llm, row.pool]

    def ended(self, index: int, column: int, energy_j: float, runtime_s: float) -> None:
        """Tell the sidecar that a request has ended."""
        del energy_j, runtime_s
        pool = self.fleet.pools[self.fleet.placements[column].pool].name
        self.decisions.ended(str(index), pool)

    def _plan(self) -> None:
        asked = self.decisions.traffic.forecast(self.now)
        if not asked:
            return
        for stretch in STRETCHES:
            body = plan_of(asked, self.now, self.min_mean_quality, stretch)
            plan_id = f"{FORECAST_PREFIX}{self.plans}"
            try:
                _, tally = self.planner.plan(orjson.dumps(body), plan_id=plan_id)
            except ProblemError as error:
                if stretch_helps(error.problem.extra.get("conflict", ())):
                    continue
                return
            if tally.published is not None:
                self.decisions.publish(policy_of(tally.published, self.now, 3.0 * self.period_s))
                self.plans += 1
            return


def least_joules(
    energy_j: FloatArray, fleet: Candidates, floor: float = 0.0
) -> Callable[[int, float], int]:
    """Return the policy that takes the least joules, whatever waits there.

    Parameters
    ----------
    energy_j
        Predicted, shape (n, k).
    fleet
        Placements to choose from.
    floor
        Least score of an LLM that it takes.
    """
    good = np.array([(one.quality or 0.0) >= floor for one in fleet.placements])
    best = np.nanargmin(np.where(good, energy_j, np.inf), axis=1).tolist()
    return lambda index, _: int(best[index])


def round_robin(fleet: Candidates) -> Callable[[int, float], int]:
    """Return the policy that takes one placement after the other."""
    turns = cycle(range(len(fleet.placements)))
    return lambda *_: next(turns)


@dataclass
class LeastLoaded:
    """Takes the placement whose pool has the fewest requests for each device.

    Parameters
    ----------
    fleet
        Placements to choose from.
    """

    fleet: Candidates
    _in_flight: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._in_flight = [0] * len(self.fleet.placements)

    def choose(self, index: int, now: float) -> int:
        """Decide a request."""
        del index, now
        pools = [0] * len(self.fleet.pools)
        for column, count in enumerate(self._in_flight):
            pools[self.fleet.placements[column].pool] += count
        best = min(
            range(len(self.fleet.placements)),
            key=lambda column: (
                pools[self.fleet.placements[column].pool]
                / self.fleet.pools[self.fleet.placements[column].pool].count,
                self._in_flight[column],
            ),
        )
        self._in_flight[best] += 1
        return best

    def ended(self, index: int, column: int, energy_j: float, runtime_s: float) -> None:
        """Count a request that has ended."""
        del index, energy_j, runtime_s
        self._in_flight[column] -= 1
