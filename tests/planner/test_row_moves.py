"""What rows come to after each move is what it is when everything is added up anew."""

import tracemalloc

import numpy as np
import pytest

from costmodel.arrays import FloatArray, IntArray
from planner.quantities import MeanQuality, PoolSeconds, SecondsBefore
from planner.search.greedy_repair import greedy_repair
from planner.search.row_moves import RowMoves
from planner.solvers.assignment_problem import AssignmentProblem, Row


def many_rows(n: int, k: int, seed: int, room: float) -> AssignmentProblem:
    """A row for each placement, one for each by a group of requests, and one over all."""
    rng = np.random.default_rng(seed)
    work = rng.lognormal(0.0, 1.0, n)[:, None] * rng.uniform(0.8, 1.2, (n, k))
    cost = work * rng.uniform(1.0, 3.0, k)
    fits = room * float(work.mean(axis=1).sum()) / k + float(work.max())
    own = np.eye(k)
    rows = [Row(PoolSeconds(j), work, own[j], fits) for j in range(k)]
    rows += [
        Row(SecondsBefore(j, 1.0), work, own[j], 0.7 * fits, np.array([True, False]))
        for j in range(k)
    ]
    rows.append(Row(MeanQuality(), work[:, :1], rng.uniform(-1.0, 1.0, k), 0.1 * fits))
    allowed = rng.random((n, k)) < 0.8
    allowed[:, 0] = True
    return AssignmentProblem(cost, allowed, tuple(rows), row_class=rng.integers(0, 2, n))


def penalty(excess: FloatArray, rows: IntArray) -> FloatArray:
    return np.maximum(excess, 0.0) ** 2 * (1.0 + rows.reshape(-1, *(1,) * (excess.ndim - 1)))


@pytest.mark.parametrize("seed", range(5))
def test_penalties_after_moves_are_those_of_the_rows_added_up_anew(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = many_rows(12, 5, seed, 1.2)
    n, k = problem.cost.shape
    rows = [problem.coefficients(row) for row in problem.rows]
    room = np.array([row.bound for row in problem.rows])
    units = rng.uniform(0.5, 2.0, len(rows))
    start = rng.integers(0, k, n)
    moves = RowMoves(rows, k, start.copy(), room, units, penalty)
    dense = np.stack([row.over(k) for row in rows]) / units[:, None, None]

    def anew(placement: IntArray) -> FloatArray:
        return np.asarray(dense[:, np.arange(n), placement].sum(axis=1) - room / units)

    for _ in range(10):
        here = moves.placement.copy()
        assert moves.excess == pytest.approx(anew(here))
        assert moves.now == pytest.approx(float(penalty(anew(here), np.arange(len(rows))).sum()))
        after = moves.after()
        for i, j in zip(
            rng.integers(0, n, 6).tolist(), rng.integers(0, k, 6).tolist(), strict=True
        ):
            there = here.copy()
            there[i] = j
            expected = float(penalty(anew(there), np.arange(len(rows))).sum())
            assert after[i, j] == pytest.approx(expected, rel=1e-9, abs=1e-9)
            steps = moves.steps(np.array([i]), np.array([j]))[:, 0]
            assert steps == pytest.approx(anew(there) - anew(here), abs=1e-12)
        moves.take(int(rng.integers(n)), int(rng.integers(k)))


def test_repair_over_many_pools_keeps_every_row_and_no_array_of_them_all() -> None:
    problem = many_rows(400, 120, 3, 3.0)
    start = np.where(problem.allowed, problem.cost, np.inf).argmin(axis=1)
    tracemalloc.start()
    found = greedy_repair(problem, start, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    requests = np.arange(problem.n)
    for row in problem.rows:
        used = problem.coefficients(row).over(problem.k)[requests, found].sum()
        assert used <= row.bound + 1e-9 * abs(row.bound)
    assert problem.allowed[requests, found].all()
    assert peak < 0.25 * 8 * len(problem.rows) * problem.n * problem.k
