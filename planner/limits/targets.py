"""The relaxation with one limit's own quantity as its objective.

What is sought is the tightest value of a limit at which a plan exists, the other limits kept. In
the terms of the relaxation that quantity is linear: joules, mean quality, a count, or a variable
that pools' device-seconds grow with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.formulation import Formulation
from planner.bounds.pricing import Pricing
from planner.inputs import Objective
from planner.limits.knobs import Knob
from planner.problem import PlacementProblem
from planner.quantities import (
    Factor,
    Limited,
    Makespan,
    MakespanSeconds,
    PoolSeconds,
    SecondsBefore,
)
from planner.solvers.assignment_problem import AssignmentProblem, Row, Variable

AIM = Factor()
"""Variable of a deadline's factor or of a pool's available seconds."""
GENEROUS = 1e9
"""Factor of a limit of time beside which loads and switching on are nothing."""


@dataclass(frozen=True)
class Target:
    """An assignment problem whose optimum is the tightest value of a limit.

    Attributes
    ----------
    relaxation
        To be minimised.
    sign
        1.0 where its objective is the limit's quantity, -1.0 where that with the sign turned.
    """

    relaxation: AssignmentProblem
    sign: float


def target(
    problem: PlacementProblem, knob: Knob, loose: float | None, pricing: Pricing | None = None
) -> Target:
    """Return what to minimise for a limit.

    Parameters
    ----------
    problem
        The problem with the limit as given.
    loose
        A value that is generous enough to be kept by every plan worth looking for, as a known
        plan's; None where none is known.
    pricing
        How the relaxation is to see the problem; the default gives a bound that is valid for
        every plan that keeps the limit at `loose`.
    """
    turned = knob.turn(problem, loose)
    if knob.unit is not None:
        # The cap stays on as a row at `loose` otherwise, which says nothing new.
        turned = knob.turn(problem, None)
        cost = Objective(zeta=1.0, cost_normaliser=1.0, minimise=knob.unit)
        return Target(Formulation(replace(turned, objective=cost), pricing).build(), 1.0)
    formulation = Formulation(turned, pricing)
    plain = _without_costs(formulation.build())
    if knob.kind == "quality":
        return _costing(plain, -turned.tokens / turned.tokens.sum(), turned.quality_values, -1.0)
    if knob.kind == "deadline":
        return Target(_makespan(plain, formulation, loose), 1.0)
    if knob.kind in ("own_deadlines", "available"):
        return Target(_growing(plain, problem, knob, loose, pricing), 1.0)
    sign = 1.0 if knob.kind == "most" else -1.0
    one = sign if knob.counts else sign / turned.n
    of_llm = np.array([one * (p.llm == knob.llm) for p in turned.placements])
    return _costing(plain, np.ones(turned.n), of_llm, sign)


def _without_costs(relaxation: AssignmentProblem) -> AssignmentProblem:
    """Leave the rows and variables, and nothing to pay.

    Rows of a peak's variable go unless a cap on energy holds it down.
    """
    return replace(
        relaxation,
        cost=np.zeros_like(relaxation.cost),
        variables=tuple(replace(v, cost=0.0) for v in relaxation.variables),
        peaks=(),
        constant=0.0,
    )


def _costing(
    plain: AssignmentProblem, per_request: FloatArray, per_placement: FloatArray, sign: float
) -> Target:
    return Target(replace(plain, cost=per_request[:, None] * per_placement[None, :]), sign)


def _makespan(
    plain: AssignmentProblem, formulation: Formulation, loose: float | None
) -> AssignmentProblem:
    """Minimise the makespan, which covers the work of every pool."""
    least, most = formulation.side.makespan_range_s
    makespan = Variable(Makespan(), least, max(least, most if loose is None else loose), 1.0)
    kept = tuple(v for v in plain.variables if v.counts != Makespan())
    rows = tuple(row for row in plain.rows if not isinstance(row.limits, MakespanSeconds))
    rows = (*rows, *formulation.makespan_rows())
    return replace(plain, rows=rows, variables=(*kept, makespan))


def _growing(
    plain: AssignmentProblem,
    problem: PlacementProblem,
    knob: Knob,
    loose: float | None,
    pricing: Pricing | None,
) -> AssignmentProblem:
    """Minimise a factor of the rows that the limit alone makes: they have no other bound.

    What loads and switching on leave of a device grows faster than the limit does. So the rows are
    those of the most generous value of interest, times the factor's share of it: no smaller factor
    has more room.
    """
    generous = GENEROUS if loose is None else loose / knob.given
    turned = knob.turn(problem, generous * knob.given)
    alone = Formulation(_alone(turned, knob), pricing).build()
    known = {v.counts for v in plain.variables}
    rows = [
        replace(row, bound=0.0, variables={**row.variables, AIM: -row.bound / generous})
        for row in alone.rows
        if _is_of(row.limits, knob)
        and set(row.variables) <= known
        and (row.bound > 0.0 or loose is not None)
    ]
    most = _most(rows, plain) if loose is None else generous
    group, of_plain, of_alone = _common_groups(plain, alone)
    return replace(
        plain,
        rows=(
            *(_regrouped(r, of_plain) for r in plain.rows),
            *(_regrouped(r, of_alone) for r in rows),
        ),
        variables=(*plain.variables, Variable(AIM, 0.0, most, knob.given)),
        group=group,
    )


def _common_groups(
    one: AssignmentProblem, other: AssignmentProblem
) -> tuple[IntArray, IntArray, IntArray]:
    """Return groups that are alike in both problems, and the group of each in either."""
    pairs, group = np.unique(one.labels * other.group_count + other.labels, return_inverse=True)
    return group.reshape(-1), pairs // other.group_count, pairs % other.group_count


def _regrouped(row: Row, old: IntArray) -> Row:
    return row if row.groups is None else replace(row, groups=row.groups[old])


def _alone(problem: PlacementProblem, knob: Knob) -> PlacementProblem:
    """Return the problem with no other time limit than the knob's, at its given value."""
    pools = tuple(
        pool if index == knob.pool else replace(pool, available_s=None)
        for index, pool in enumerate(problem.pools)
    )
    alone = replace(problem, pools=pools, limits=replace(problem.limits, deadline_s=None))
    if knob.kind == "own_deadlines":
        return alone
    endless = np.full(problem.n, np.inf)
    return replace(alone, requests=replace(problem.requests, deadline_s=endless))


def _is_of(limits: Limited, knob: Knob) -> bool:
    if knob.pool is not None:
        return limits == PoolSeconds(knob.pool)
    return isinstance(limits, PoolSeconds | SecondsBefore)


def _most(rows: list[Row], plain: AssignmentProblem) -> float:
    """A factor at which the rows hold whatever the assignment."""
    most = 1.0
    upper = {v.counts: v.upper for v in plain.variables}
    for row in rows:
        largest = np.abs(row.values).max(axis=0, initial=0.0) * np.abs(row.columns)
        used = plain.n * float(largest.max(initial=0.0))
        used += sum(c * upper[v] for v, c in row.variables.items() if v != AIM)
        most = max(most, used / -row.variables[AIM])
    return most
