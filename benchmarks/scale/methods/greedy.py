"""Greedy: the requests in their order, each on its cheapest placement that still has room."""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter

import numpy as np

from benchmarks.scale.nominal import Nominal
from benchmarks.scale.outcome import MethodRun
from costmodel.arrays import IntArray
from planner.quantities import PlanCost


def greedy(nominal: Nominal) -> MethodRun:
    """Place every request; where nothing has room, on its cheapest placement all the same.

    Rows with a least number are kept in view by their most alone, but when no more requests are
    left than the least numbers still need, only the placements that need them are open.
    """
    started = perf_counter()
    placement = _placed(nominal)
    took = {"total": perf_counter() - started}
    return MethodRun(took, nominal.value(placement), placement=placement)


def _placed(nominal: Nominal) -> IntArray:
    n, k = nominal.cost.shape
    costs = np.where(nominal.eligible, nominal.cost, np.inf)
    order = np.argsort(costs, axis=1, kind="stable").tolist()
    choices = nominal.eligible.sum(axis=1).tolist()
    rows_of: dict[int, list[int]] = defaultdict(list)
    left, needed = [], []
    seen_rows = [row for row in nominal.rows if not isinstance(row.limits, PlanCost)]
    for r, row in enumerate(seen_rows):
        maximum = row.makespan * nominal.deadline_s if row.makespan else row.upper
        left.append(maximum)
        needed.append(max(0.0, row.lower))
        for column in np.flatnonzero(row.columns).tolist():
            rows_of[column].append(r)
    values = [np.broadcast_to(row.values, (n, k)) for row in seen_rows]
    members = [None if row.members is None else row.members.tolist() for row in seen_rows]
    counted = [row.values.size == 1 for row in seen_rows]
    owed = sum(needed)
    placement = np.empty(n, dtype=np.int64)
    for i in range(n):
        pressed = owed >= n - i
        chosen = -1
        for column in order[i][: choices[i]]:
            if pressed and not any(needed[r] >= 1.0 for r in rows_of[column]):
                continue
            if all(
                (members_r is not None and not members_r[i]) or values[r][i, column] <= left[r]
                for r in rows_of[column]
                for members_r in (members[r],)
            ):
                chosen = column
                break
        if chosen < 0:
            chosen = order[i][0]
        placement[i] = chosen
        for r in rows_of[chosen]:
            members_r = members[r]
            if members_r is None or members_r[i]:
                left[r] -= values[r][i, chosen]
                if counted[r] and needed[r] >= 1.0:
                    needed[r] -= 1.0
                    owed -= 1.0
    return placement
