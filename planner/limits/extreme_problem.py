"""The relaxation with one limit's own quantity as its objective.

Its optimum is the tightest value of the limit at which a plan may exist, the other limits kept. In
the terms of the relaxation that quantity is linear: joules, mean quality, a count, or a variable
that pools' device-seconds grow with.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.formulation import Formulation
from planner.bounds.surrogate import Surrogate
from planner.inputs import Objective
from planner.limits.limit import Limit
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

FACTOR = Factor()
"""Variable of a deadline's factor or of a pool's available seconds."""
GENEROUS_FACTOR = 1e9
"""Factor of a limit of time beside which loads and switching on are nothing."""


def extreme_problem(
    problem: PlacementProblem, limit: Limit, loose: float | None, surrogate: Surrogate | None = None
) -> AssignmentProblem:
    """Return what to minimise for a limit: its quantity, times the limit's direction.

    Only plans that keep the limit at `loose` matter, as a known plan's value; None for all. The
    default surrogate gives a bound that is valid for every one of them.
    """
    changed = limit.with_value(problem, loose)
    if limit.unit is not None:
        # The cap stays on as a row at `loose` otherwise, which says nothing new.
        changed = limit.with_value(problem, None)
        cost = Objective(zeta=1.0, cost_normaliser=1.0, minimise=limit.unit)
        return Formulation(replace(changed, objective=cost), surrogate).build()
    formulation = Formulation(changed, surrogate)
    plain = _without_costs(formulation.build())
    if limit.kind == "quality":
        share = -changed.tokens / changed.tokens.sum()
        return _costing(plain, share, changed.quality_values)
    if limit.kind == "deadline":
        return _makespan(plain, formulation, loose)
    if limit.kind in ("own_deadlines", "available"):
        return _growing(plain, problem, limit, loose, surrogate)
    one = limit.direction if limit.counts else limit.direction / changed.n
    of_llm = np.array([one * (p.llm == limit.llm) for p in changed.placements])
    return _costing(plain, np.ones(changed.n), of_llm)


def _without_costs(relaxation: AssignmentProblem) -> AssignmentProblem:
    """Leave the rows and variables, and nothing to pay.

    Longest-job terms go with the costs of their variables.
    """
    return replace(
        relaxation,
        cost=np.zeros_like(relaxation.cost),
        variables=tuple(replace(v, cost=0.0) for v in relaxation.variables),
        longest_jobs=(),
        constant=0.0,
    )


def _costing(
    plain: AssignmentProblem, per_request: FloatArray, per_placement: FloatArray
) -> AssignmentProblem:
    return replace(plain, cost=per_request[:, None] * per_placement[None, :])


def _makespan(
    plain: AssignmentProblem, formulation: Formulation, loose: float | None
) -> AssignmentProblem:
    """Minimise the makespan, which covers the work of every pool."""
    lower, upper = formulation.side.makespan_range_s
    makespan = Variable(Makespan(), lower, max(lower, upper if loose is None else loose), 1.0)
    kept = tuple(v for v in plain.variables if v.counts != Makespan())
    rows = tuple(row for row in plain.rows if not isinstance(row.limits, MakespanSeconds))
    rows = (*rows, *formulation.makespan_rows())
    return replace(plain, rows=rows, variables=(*kept, makespan))


def _growing(
    plain: AssignmentProblem,
    problem: PlacementProblem,
    limit: Limit,
    loose: float | None,
    surrogate: Surrogate | None,
) -> AssignmentProblem:
    """Minimise a factor of the rows that the limit alone makes: they have no other bound.

    What loads and switching on leave of a device grows faster than the limit does. So the rows are
    those of the most generous value of interest, times the factor's share of it: no smaller factor
    has more room.
    """
    generous = GENEROUS_FACTOR if loose is None else loose / limit.given
    changed = limit.with_value(problem, generous * limit.given)
    alone = Formulation(_alone(changed, limit), surrogate).build()
    known = {v.counts for v in plain.variables}
    rows = [
        replace(row, bound=0.0, variables={**row.variables, FACTOR: -row.bound / generous})
        for row in alone.rows
        if _is_of(row.limits, limit)
        and set(row.variables) <= known
        and (row.bound > 0.0 or loose is not None)
    ]
    maximum = _largest_factor(rows, plain) if loose is None else generous
    row_class, of_plain, of_alone = _common_classes(plain, alone)
    return replace(
        plain,
        rows=(
            *(_with_classes(r, of_plain) for r in plain.rows),
            *(_with_classes(r, of_alone) for r in rows),
        ),
        variables=(*plain.variables, Variable(FACTOR, 0.0, maximum, limit.given)),
        row_class=row_class,
    )


def _common_classes(
    one: AssignmentProblem, other: AssignmentProblem
) -> tuple[IntArray, IntArray, IntArray]:
    """Return groups that are alike in both problems, and the group of each in either."""
    pairs, row_class = np.unique(
        one.class_labels * other.class_count + other.class_labels, return_inverse=True
    )
    return row_class.reshape(-1), pairs // other.class_count, pairs % other.class_count


def _with_classes(row: Row, old: IntArray) -> Row:
    return row if row.classes is None else replace(row, classes=row.classes[old])


def _alone(problem: PlacementProblem, limit: Limit) -> PlacementProblem:
    """Return the problem with no other time limit than the limit's, at its given value."""
    pools = tuple(
        pool if index == limit.pool else replace(pool, available_s=None)
        for index, pool in enumerate(problem.pools)
    )
    alone = replace(problem, pools=pools, limits=replace(problem.limits, deadline_s=None))
    if limit.kind == "own_deadlines":
        return alone
    endless = np.full(problem.n, np.inf)
    return replace(alone, requests=replace(problem.requests, deadline_s=endless))


def _is_of(limits: Limited, limit: Limit) -> bool:
    if limit.pool is not None:
        return limits == PoolSeconds(limit.pool)
    return isinstance(limits, PoolSeconds | SecondsBefore)


def _largest_factor(rows: list[Row], plain: AssignmentProblem) -> float:
    """A factor at which the rows hold whatever the assignment."""
    maximum = 1.0
    upper = {v.counts: v.upper for v in plain.variables}
    for row in rows:
        largest = np.abs(row.values).max(axis=0, initial=0.0) * np.abs(row.columns)
        used = plain.n * float(largest.max(initial=0.0))
        used += sum(c * upper[v] for v, c in row.variables.items() if v != FACTOR)
        maximum = max(maximum, used / -row.variables[FACTOR])
    return maximum
