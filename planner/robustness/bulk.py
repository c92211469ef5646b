"""Ends of blocks of many requests, whose sums are near normal: drawn stretch by stretch."""

from __future__ import annotations

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from planner.problem import PlacementProblem
from planner.robustness.scenarios import Scenarios

STRETCH_REQUESTS = 256
"""Requests in a row that are drawn as one sum."""
MAX_DISTINCT_LIMITS = 64
"""Up to this many distinct limits in a block, a stretch never has two."""


def bulk_ends(
    scenarios: Scenarios, k: int, device: int, members: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return limits of stretches of a line of requests, and when the work of each is done.

    `members` are in the order in which they start on a device. The first array has the earliest
    limit in each stretch, shape (stretches,), the second, (stretches, scenarios), the seconds from
    the start of the line until all work so far is done; above concurrency 1 that is when the next
    request starts at the latest.
    """
    problem = scenarios.problem
    limits = problem.latest_s(members, np.full(members.size, k))
    starts = _starts(limits)
    mean, variance = _work(problem, k, members)
    means, variances = np.add.reduceat(mean, starts), np.add.reduceat(variance, starts)
    draws = np.stack([scenarios.normal(k, device, i) for i in range(starts.size)])
    work = np.maximum(0.0, means[:, None] + np.sqrt(variances)[:, None] * draws)
    factor = scenarios.factors(k, float(mean.mean()) * problem.placements[k].concurrency)[0]
    return np.minimum.reduceat(limits, starts), np.cumsum(work, axis=0) * factor


def _starts(limits: FloatArray) -> IntArray:
    regular = np.arange(0, limits.size, STRETCH_REQUESTS)
    if np.unique(limits).size > MAX_DISTINCT_LIMITS:
        return regular
    changes = np.flatnonzero(np.diff(limits) != 0) + 1
    return np.union1d(regular, changes)


def _work(problem: PlacementProblem, k: int, members: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the device-seconds of each request over its lengths, (m,) each."""
    mean = problem.costs.device_seconds[members, k]
    lengths = problem.requests.workload.lengths
    if lengths is None:
        return mean, np.zeros(members.size)
    taken = lengths.take(members)
    inputs = problem.requests.workload.input_tokens[members]
    square = np.zeros(members.size)
    placement = problem.placements[k]
    for score, weight in zip(*taken.nodes, strict=True):
        tokens = taken.at_scores(np.full((members.size, 1), score))[:, 0]
        seconds = placement.cost_model.device_seconds(inputs, tokens, placement.concurrency)
        square += weight * seconds**2
    return mean, np.maximum(0.0, square - mean**2)


def longest_s(problem: PlacementProblem, k: int, members: IntArray) -> FloatArray:
    """Longest that a request of each stretch may hold its slot: the 99.9th percentile, (m', 1)."""
    workload = problem.requests.workload
    tokens = workload.output_tokens[members].astype(np.float64)
    step = float(problem.costs.device_seconds[members, k].sum() / tokens.sum())
    if workload.lengths is not None:
        tokens = np.exp(workload.lengths.log_tokens[members, -1])
    starts = _starts(problem.latest_s(members, np.full(members.size, k)))
    longest = np.maximum.reduceat(tokens, starts)
    return longest[:, None] * (step * problem.placements[k].concurrency)
