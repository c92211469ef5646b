"""What an assignment uses of each row, in one pass over the requests for each quantity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.quantities import Counted
from planner.schedule.violations import exceeds
from planner.solvers.assignment_problem import AssignmentProblem, Row


def activities(
    problem: AssignmentProblem, placement: IntArray, requests: IntArray | None = None
) -> FloatArray:
    """Sum of each row's coefficients over an assignment (n,), variables left out, shape (rows,).

    `requests` are the indices of those that count; None for all.
    """
    chosen = placement if requests is None else placement[requests]
    sizes = problem.size if requests is None or problem.size is None else problem.size[requests]
    classes = problem.class_count
    where = chosen
    if classes > 1:
        labels = problem.class_labels if requests is None else problem.class_labels[requests]
        where = labels * problem.k + chosen
    sums: dict[int, FloatArray] = {}
    found = np.empty(len(problem.rows))
    for r, row in enumerate(problem.rows):
        if id(row.values) not in sums:
            weights = values_at(row.values, chosen, requests)
            if sizes is not None:
                weights = weights * sizes
            total = np.bincount(where, weights=weights, minlength=classes * problem.k)
            sums[id(row.values)] = total.astype(float).reshape(classes, problem.k)
        found[r] = (row.factors(classes) * sums[id(row.values)]).sum()
    return found


def excesses(
    problem: AssignmentProblem, placement: IntArray, levels: Mapping[Counted, float]
) -> FloatArray:
    """How far each row is exceeded, variables at some levels; below 0: room, shape (rows,)."""
    beside = [at_variables(row, levels) - row.bound for row in problem.rows]
    return np.asarray(activities(problem, placement) + np.array(beside))


def keeps_rows(problem: AssignmentProblem, placement: IntArray) -> bool:
    """Whether an assignment could keep every row, variables at what suits the row best."""
    used = activities(problem, placement).tolist()
    return not any(
        exceeds(activity + problem.min_of_variables(row), row.bound)
        for row, activity in zip(problem.rows, used, strict=True)
    )


def values_at(values: FloatArray, chosen: IntArray, requests: IntArray | None) -> FloatArray:
    """Value of each request on its placement, of an array broadcastable to (n, k), shape (m,)."""
    n, k = values.shape
    rows: IntArray | int = 0
    if n > 1:
        rows = np.arange(n) if requests is None else requests
    if values.flags.f_contiguous and n > 1 and k > 1:
        found = values.reshape(-1, order="F")[chosen * n + rows]
    else:
        found = values[rows, chosen if k > 1 else 0]
    return np.asarray(np.broadcast_to(found, chosen.shape))


def at_variables(row: Row, levels: Mapping[Counted, float]) -> float:
    """Sum of a row's coefficients over the variables beside the assignment at some levels."""
    return sum(coefficient * levels[counted] for counted, coefficient in row.variables.items())
