"""Simple policies: the baselines of every answer, and first candidates for the plan itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from service.planning.bounds.assignment_problem import AssignmentProblem, Row
from service.planning.bounds.linear import solve_linear
from service.planning.clock import Deadline
from service.planning.problem import PlacementProblem
from service.planning.schedule.evaluation import exceeds, loosest

QUERY_BLIND = "query_blind_split"
SPLIT_S = 2.0
DEALS = 5
TARGETS = 5
FEW_REQUESTS = 5_000


def least_joule_columns(problem: PlacementProblem) -> IntArray:
    """One placement for each (LLM, pool): the concurrency that costs its requests least joules."""
    best: dict[tuple[str, int], tuple[float, int]] = {}
    for k, placement in enumerate(problem.placements):
        eligible = problem.eligible[:, k]
        if not eligible.any():
            continue
        mean = float(problem.costs.energy_j[eligible, k].mean())
        key = (placement.llm, placement.pool)
        if key not in best or mean < best[key][0]:
            best[key] = (mean, k)
    return np.array(sorted(k for _, k in best.values()), dtype=np.int64)


def simple_policies(problem: PlacementProblem, seed: int) -> Iterator[tuple[str, IntArray | None]]:
    """Yield each policy's name and its placements, shape (n,); None where it cannot place all.

    Single LLMs and both greedy policies look at each request alone; round robin and random look
    at none. All use each pool's least-joule concurrency.
    """
    columns = least_joule_columns(problem)
    eligible = problem.eligible[:, columns]
    energy = np.where(eligible, problem.costs.energy_j[:, columns], np.inf)
    seconds = np.where(eligible, latencies_s(problem)[:, columns], np.inf)
    for llm in problem.llms:
        of_llm = np.array([problem.placements[k].llm == llm for k in columns])
        able = of_llm.any() and eligible[:, of_llm].any(axis=1).all()
        chosen = columns[np.where(of_llm, energy, np.inf).argmin(axis=1)] if able else None
        yield f"single:{llm}", chosen
    yield "round_robin", columns[_turns(eligible, np.arange(problem.n))]
    draws = np.random.default_rng(seed).integers(0, 2**31, problem.n)
    yield "random", columns[_turns(eligible, draws)]
    yield "greedy_least_energy", columns[energy.argmin(axis=1)]
    yield "greedy_fastest", columns[seconds.argmin(axis=1)]


def _turns(eligible: BoolArray, turn: IntArray) -> IntArray:
    """Column of each request: the (turn mod eligible)-th of its eligible ones."""
    rank = np.cumsum(eligible, axis=1) - 1
    wanted = turn % eligible.sum(axis=1)
    return np.asarray(np.argmax(eligible & (rank == wanted[:, None]), axis=1))


def latencies_s(problem: PlacementProblem) -> FloatArray:
    """Seconds of each request on each placement, were all eligible requests its mix, (n, k)."""
    output = problem.requests.workload.output_tokens.astype(float)
    latency = problem.costs.device_seconds.copy()
    for k, placement in enumerate(problem.placements):
        eligible = problem.eligible[:, k]
        if placement.concurrency > 1 and eligible.any():
            step = latency[eligible, k].sum() / output[eligible].sum()
            latency[:, k] = output * step * placement.concurrency
    return latency


def query_blind_splits(
    problem: PlacementProblem, relaxation: AssignmentProblem, mean_quality: float, seed: int
) -> list[IntArray]:
    """Best splits of at least a mean quality that do not look at a request's length.

    Every request of the same eligibility is treated alike: fractions of such a group go to each
    placement, chosen for least cost by a linear programme under the plan's own rows, then dealt
    by chance. Where chance deals less than the quality asked for, more is aimed at.

    Returns
    -------
    list of IntArray
        Deals that reach the quality, shape (n,) each; empty where there is none.
    """
    found: list[IntArray] = []
    target = mean_quality
    for attempt in range(TARGETS):
        fractions = _best_fractions(problem, relaxation, target)
        if fractions is None:
            break
        deals = DEALS if problem.n <= FEW_REQUESTS else 1
        drawn = [
            _deal_by_chance(problem, *fractions, seed + attempt * DEALS + d) for d in range(deals)
        ]
        reached = [_mean_quality(problem, placement) for placement in drawn]
        found += [p for p, q in zip(drawn, reached, strict=True) if not exceeds(mean_quality, q)]
        if found:
            break
        target += max(1e-6, 1.05 * (mean_quality - max(reached)))
    return found


def _mean_quality(problem: PlacementProblem, placement: IntArray) -> float:
    return float(problem.quality_values[placement] @ problem.tokens / problem.tokens.sum())


def _best_fractions(
    problem: PlacementProblem, relaxation: AssignmentProblem, mean_quality: float
) -> tuple[IntArray, FloatArray] | None:
    """Return the group of each request, (n,), and the requests of each group on each placement."""
    marks = np.packbits(problem.eligible, axis=1)
    labels = np.unique(marks, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    columns = np.zeros(problem.k, dtype=bool)
    columns[least_joule_columns(problem)] = True
    tokens = problem.tokens[:, None]
    least = loosest(mean_quality, -1.0)
    floor = Row("equal_quality", tokens, least - problem.quality_values, 0.0)
    least_cost = AssignmentProblem(
        problem.pair_cost(problem.objective.minimise) / problem.cost_normaliser,
        problem.eligible & columns[None, :],
        (*(row for row in relaxation.rows if row.members is None), floor),
        relaxation.variables,
    )
    if not least_cost.allowed.any(axis=1).all():
        return None
    groups = least_cost.aggregate(labels, int(labels.max()) + 1)
    solution = solve_linear(groups, Deadline(SPLIT_S))
    return None if solution is None else (labels, solution.counts)


def _deal_by_chance(
    problem: PlacementProblem, labels: IntArray, counts: FloatArray, seed: int
) -> IntArray:
    """Random order, then every placement takes its share evenly along it, by token mass.

    Walking a random order and giving each request to the placement that is furthest behind its
    share of the tokens keeps the realised mean quality at the split's.
    """
    rng = np.random.default_rng(seed)
    placement = np.empty(problem.n, dtype=np.int64)
    for group in range(len(counts)):
        members = rng.permutation(np.flatnonzero(labels == group))
        used = np.flatnonzero(counts[group] > 1e-9)
        shares = counts[group, used] / counts[group, used].sum()
        given = np.zeros(len(used))
        due = float(problem.tokens[members].mean())
        for i in members.tolist():
            position = int(np.argmax(shares * due - given))
            given[position] += float(problem.tokens[i])
            due += float(problem.tokens[i])
            placement[i] = used[position]
    return placement
