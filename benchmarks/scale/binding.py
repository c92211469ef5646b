"""Whether every limit of an instance binds: what the optimum gains without it.

Two columns, both in parts of the cost with all limits: by the bounds of two plans, and what is
proven, from the bound with the limit to the plan without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.markdown import percent, table
from benchmarks.scale.comparison import GAPS
from benchmarks.scale.instance import Form, Instance
from benchmarks.scale.instances import build
from benchmarks.scale.outcome import unit
from planner.planning import plan
from planner.result import Plan, SolverOptions

MIN_MOVE = 0.01
TIME_LIMIT_S = 60.0


@dataclass(frozen=True)
class Move:
    """What leaving a limit out gains, as parts of the bound with all limits."""

    instance: str
    limit: str
    by_bound: float
    proven: float

    @property
    def binds(self) -> bool:
        """Whether the bound moves by 1 % at least."""
        return self.by_bound >= MIN_MOVE


def moves(form: Form, requests: int, placements: int) -> Iterable[Move]:
    """Plan an instance with every limit, then without each of them in turn."""
    instance = build(form, requests, placements)
    lower, _ = _costs(instance)
    for limit in instance.limit_names():
        bound, attained = _costs(instance.without(limit))
        yield Move(instance.name, limit, 1.0 - bound / lower, 1.0 - attained / lower)


def binding_table(found: Iterable[Move]) -> str:
    """Write the moves."""
    rows = [
        [
            move.instance,
            move.limit,
            percent(move.by_bound, 2),
            percent(move.proven, 2),
            "yes" if move.binds else "no",
        ]
        for move in found
    ]
    return table(["instance", "without", "bound falls %", "proven %", "binds"], rows)


def _costs(instance: Instance) -> tuple[float, float]:
    """Return a lower bound on the cost and a cost that is attained."""
    problem = instance.problem()
    found: Plan = plan(problem, SolverOptions(TIME_LIMIT_S, GAPS[instance.form]))
    return found.lower_bound * unit(problem), found.objective * unit(problem)
