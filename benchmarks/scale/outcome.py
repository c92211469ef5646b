"""What a method came to on an instance, and how it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from benchmarks.scale.instance import Instance
from benchmarks.slow_rules.pricing import price
from costmodel.arrays import IntArray
from planner.problem import PlacementProblem
from planner.schedule.dispatch import dispatch
from planner.schedule.evaluation import evaluate
from planner.schedule.schedule import lay_out

SLOW_RULES_UP_TO = 1_000
"""Requests up to which the slow second implementation of the rules judges as well."""


@dataclass(frozen=True)
class MethodRun:
    """One run of a method.

    Attributes
    ----------
    seconds
        Named parts; `total` is what is compared.
    objective
        What the method says it found, in the instance's cost: joules, or grams of carbon.
    bound
        What it proved, in the same; None where it proves nothing.
    word
        Why there is no objective, or what else must be said.
    reached_s
        Seconds until an objective within 0.1 % of the given target; None where it was not reached.
    """

    seconds: dict[str, float]
    objective: float | None = None
    bound: float | None = None
    gap: float | None = None
    word: str = ""
    reached_s: float | None = None
    placement: IntArray | None = None
    device: IntArray | None = None
    peak_mb: float | None = None


@dataclass(frozen=True)
class Judgement:
    """What a schedule costs and breaks by the independent evaluator.

    Attributes
    ----------
    cost
        Cost of the plan as the instance counts it.
    broken
        Limits that are broken: name, given and found.
    slow_rules
        Whether the slow second implementation agrees that all limits are kept; None where the
        batch is too large for it.
    """

    cost: float
    broken: tuple[str, ...] = field(default_factory=tuple)
    slow_rules: bool | None = None


def judge(
    instance: Instance, problem: PlacementProblem, placement: IntArray, device: IntArray | None
) -> Judgement:
    """Lay a placement out on devices, dispatched first where it is not, and judge it."""
    schedule = (
        dispatch(problem, placement) if device is None else lay_out(problem, placement, device)
    )
    found = evaluate(problem, schedule)
    broken = tuple(f"{v.constraint} {v.found:.6g} ({v.given:.6g})" for v in found.violations)
    agrees = None
    if problem.n <= SLOW_RULES_UP_TO:
        slow = price(problem, schedule.placement.tolist(), schedule.device.tolist())
        same = np.isclose(slow["cost"], found.objective * unit(problem), rtol=1e-6)
        agrees = bool(slow["keeps"]) == found.feasible and bool(same)
    return Judgement(found.objective * unit(problem), broken, agrees)


def unit(problem: PlacementProblem) -> float:
    """Return the cost of one unit of the objective: its normaliser."""
    return float(problem.cost_normaliser)
