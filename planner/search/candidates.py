"""Simple policies: the baselines of every answer, and first candidates for the plan itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.bounds.aggregates import pattern_labels
from planner.problem import PlacementProblem
from planner.quantities import MeanQuality
from planner.schedule.slots import narrow
from planner.schedule.violations import exceeds, loosest
from planner.solvers.assignment_problem import AssignmentProblem, Row
from planner.solvers.linear import solve_linear
from planner.time_budget import TimeBudget

QUERY_BLIND = "query_blind_split"
SPLIT_S = 2.0
SPLIT_DRAWS = 5
SPLIT_QUALITIES = 5
MAX_REDRAWN_REQUESTS = 5_000


def least_joule_columns(problem: PlacementProblem) -> IntArray:
    """One placement for each (LLM, pool): the concurrency that costs its requests least joules."""
    best: dict[tuple[str, int], tuple[float, int]] = {}
    for k, placement in enumerate(problem.placements):
        eligible = problem.eligible[:, k]
        if not eligible.any():
            continue
        mean = float(problem.costs.energy_j[:, k].mean(where=eligible))
        key = (placement.llm, placement.pool)
        if key not in best or mean < best[key][0]:
            best[key] = (mean, k)
    return np.array(sorted(k for _, k in best.values()), dtype=np.int64)


def simple_policies(problem: PlacementProblem, seed: int) -> Iterator[tuple[str, IntArray | None]]:
    """Yield each policy's name and its placements, shape (n,); None where it cannot place all.

    Single LLMs and both greedy policies look at each request alone; round robin and random look
    at none. All use each pool's least-joule concurrency, but for requests that may not run at it.
    """
    columns = least_joule_columns(problem)
    at_least = problem.eligible[:, columns].any(axis=1)
    if at_least.all():
        yield from _policies(problem, columns, seed)
        return
    part, other = problem.take(np.flatnonzero(at_least)), problem.take(np.flatnonzero(~at_least))
    everywhere = _policies(other, np.arange(problem.k), seed)
    for (name, chosen), (_, elsewhere) in zip(
        _policies(part, columns, seed), everywhere, strict=True
    ):
        placement = np.zeros(problem.n, dtype=np.int64)
        if chosen is None or elsewhere is None:
            yield name, None
            continue
        placement[at_least], placement[~at_least] = chosen, elsewhere
        yield name, placement


def _policies(
    problem: PlacementProblem, columns: IntArray, seed: int
) -> Iterator[tuple[str, IntArray | None]]:
    energy = problem.costs.energy_j
    yield "greedy_least_energy", _least(problem, energy, columns)
    yield "round_robin", _turns(problem, columns, np.arange(problem.n))
    yield "greedy_fastest", _least(problem, latencies_s(problem, columns), columns)
    draws = np.random.default_rng(seed).integers(0, 2**31, problem.n)
    yield "random", _turns(problem, columns, draws)
    for llm in problem.llms:
        of_llm = columns[[problem.placements[k].llm == llm for k in columns]]
        able = len(of_llm) and problem.eligible[:, of_llm].any(axis=1).all()
        yield f"single:{llm}", _least(problem, energy, of_llm) if able else None


def _least(problem: PlacementProblem, values: FloatArray, columns: IntArray) -> IntArray:
    """Eligible column of the least value of each request, shape (n,)."""
    best = np.full(problem.n, np.inf)
    chosen = np.full(problem.n, columns[0], dtype=np.int64)
    for k in columns.tolist():
        better = problem.eligible[:, k] & (values[:, k] < best)
        np.copyto(best, values[:, k], where=better)
        chosen[better] = k
    return chosen


def _turns(problem: PlacementProblem, columns: IntArray, turn: IntArray) -> IntArray:
    """Column of each request: the (turn mod eligible)-th of its eligible ones, shape (n,)."""
    count = problem.eligible[:, columns].sum(axis=1)
    left = turn % count
    chosen = np.empty(problem.n, dtype=np.int64)
    for k in columns.tolist():
        able = problem.eligible[:, k]
        chosen[able & (left == 0)] = k
        left = left - able
    return chosen


def latencies_s(problem: PlacementProblem, columns: IntArray) -> FloatArray:
    """Seconds of each request, were all eligible requests its mix, on some placements, (n, k)."""
    output = problem.requests.workload.output_tokens.astype(float)
    generated = problem.requests.workload.generated_tokens.astype(float)
    latency = np.empty((problem.n, problem.k), order="F")
    for k in columns.tolist():
        eligible, seconds = problem.eligible[:, k], problem.costs.device_seconds[:, k]
        latency[:, k] = seconds
        concurrency = problem.placements[k].concurrency
        if concurrency > 1 and eligible.any():
            step = seconds.sum(where=eligible) / generated.sum(where=eligible)
            latency[:, k] = output * step * concurrency
    return latency


def query_blind_splits(
    problem: PlacementProblem, relaxation: AssignmentProblem, mean_quality: float, seed: int
) -> list[IntArray]:
    """Best splits of at least a mean quality that do not look at a request's length, (n,) each.

    Every request of the same eligibility is treated alike: fractions of such a group go to each
    placement, chosen for least cost by a linear programme under the plan's own rows, then drawn.
    Where a draw has less than the quality asked for, more is asked next.
    """
    found: list[IntArray] = []
    asked_quality = mean_quality
    for attempt in range(SPLIT_QUALITIES):
        fractions = _best_fractions(problem, relaxation, asked_quality)
        if fractions is None:
            break
        draws = SPLIT_DRAWS if problem.n <= MAX_REDRAWN_REQUESTS else 1
        drawn = [
            _drawn_split(problem, *fractions, seed + attempt * SPLIT_DRAWS + d)
            for d in range(draws)
        ]
        reached = [_mean_quality(problem, placement) for placement in drawn]
        found += [p for p, q in zip(drawn, reached, strict=True) if not exceeds(mean_quality, q)]
        if found:
            break
        asked_quality += max(1e-6, 1.05 * (mean_quality - max(reached)))
    return found


def _mean_quality(problem: PlacementProblem, placement: IntArray) -> float:
    return float(problem.quality_values[placement] @ problem.tokens / problem.tokens.sum())


def _best_fractions(
    problem: PlacementProblem, relaxation: AssignmentProblem, mean_quality: float
) -> tuple[IntArray, FloatArray] | None:
    """Return the group of each request, (n,), and the requests of each group on each placement."""
    labels, count = pattern_labels(problem.eligible)
    columns = np.zeros(problem.k, dtype=bool)
    columns[least_joule_columns(problem)] = True
    tokens = problem.tokens[:, None]
    minimum = loosest(mean_quality, -1.0)
    floor = Row(MeanQuality(), tokens, minimum - problem.quality_values, 0.0)
    least_cost = AssignmentProblem(
        problem.pair_cost(problem.objective.minimise),
        problem.eligible & columns[None, :],
        (*(row for row in relaxation.rows if row.classes is None), floor),
        tuple(replace(v, cost=v.cost * problem.cost_normaliser) for v in relaxation.variables),
    )
    if not least_cost.allowed.any(axis=1).all():
        return None
    groups = least_cost.aggregate(labels, count)
    solution = solve_linear(groups, TimeBudget(SPLIT_S))
    return None if solution is None else (labels, solution.counts)


def _drawn_split(
    problem: PlacementProblem, labels: IntArray, counts: FloatArray, seed: int
) -> IntArray:
    """Put each group in random order and cut it where every placement has its share of the tokens.

    Cutting by tokens rather than requests keeps the realised mean quality at the split's.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(problem.n)
    order = order[np.argsort(narrow(labels[order]), kind="stable")]
    placement = np.empty(problem.n, dtype=np.int64)
    edges = np.cumsum(np.bincount(labels, minlength=len(counts)))[:-1]
    for group, members in enumerate(np.split(order, edges)):
        used = np.flatnonzero(counts[group] > 1e-9)
        tokens = problem.tokens[members]
        middle = (np.cumsum(tokens) - 0.5 * tokens) / tokens.sum()
        cuts = np.cumsum(counts[group, used]) / counts[group, used].sum()
        placement[members] = used[np.searchsorted(cuts[:-1], middle)]
    return placement
