"""Replay a schedule's fixed placements, devices and order in every scenario.

What a device has to do is as planned: its blocks, its loads, the order of the requests in each
block. What it takes differs: a request starts when a slot is free, and holds it

- at concurrency 1 for the device-seconds of its drawn length, times the pair's error;
- above, for its drawn tokens times the mean step of what the placement was given in that scenario,
  ``concurrency * sum(device-seconds) / sum(tokens)``, times the pair's error: the rule by which the
  schedule was made, with drawn lengths in the place of expected ones.

Blocks of many requests are drawn in bulk, by the mean and variance of the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from costmodel.bases import TokenTerms
from planner.problem import PlacementProblem
from planner.robustness.bulk import bulk_ends, longest_s
from planner.robustness.scenarios import Scenarios
from planner.robustness.slots import latest_ends, line_ends
from planner.schedule.schedule import Block, Schedule

MAX_SINGLE_REQUESTS = 1_000
"""Requests of a block up to which each is drawn at concurrency 1; sums of more are near normal."""
MAX_SINGLE_DRAWS = 10_000_000
"""Draws of a block up to which each request is drawn above concurrency 1."""
TAIL_DRAWS = 3_000_000
"""Draws for the last requests of a longer one."""


def worst_ratios(schedule: Schedule, scenarios: Scenarios) -> FloatArray:
    """Return the largest end over its limit among all requests, shape (scenarios,).

    A scenario keeps every deadline, the plan's, the requests' own and the pools' availability, if
    its ratio is at most 1; 0 where nothing has a limit.
    """
    problem = scenarios.problem
    worst = np.zeros(scenarios.count)
    step_s = cache(partial(_step_s, schedule, scenarios))
    for blocks in _devices(problem, schedule):
        clock = np.full(scenarios.count, blocks[0].start_s - blocks[0].load_s)
        for block in blocks:
            clock = clock + block.load_s
            limits, ends = _block_ends(block, scenarios, step_s)
            for limit, end in zip(limits, ends, strict=True):
                np.maximum(worst, (clock + end) / limit, out=worst)
            clock = clock + ends.max(axis=0)
    return worst


def _step_s(schedule: Schedule, scenarios: Scenarios, k: int) -> FloatArray:
    """Seconds of a decode step of a placement in every scenario, before the pair's error."""
    problem, members = scenarios.problem, np.flatnonzero(schedule.placement == k)
    concurrency = problem.placements[k].concurrency
    if members.size * scenarios.count > MAX_SINGLE_DRAWS:
        seconds = problem.costs.device_seconds[members, k].sum()
        tokens = problem.requests.workload.output_tokens[members].sum()
        return np.full(scenarios.count, concurrency * float(seconds) / float(tokens))
    drawn = scenarios.tokens(members)
    spent = device_seconds(problem, k, members, drawn)
    return np.asarray(concurrency * spent.sum(axis=0) / drawn.sum(axis=0))


def device_seconds(
    problem: PlacementProblem, k: int, members: IntArray, tokens: FloatArray
) -> FloatArray:
    """Device-seconds of requests on placement k at drawn output tokens, both (members, s)."""
    inputs = problem.requests.workload.input_tokens[members].astype(np.float64)[:, None]
    placement = problem.placements[k]
    terms = TokenTerms(inputs, tokens)
    return placement.cost_model.device_seconds_of(terms, float(placement.concurrency))


def _block_ends(
    block: Block, scenarios: Scenarios, step_of: Callable[[int], FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Limits (m,) of points of a block, and their ends from its start (m, scenarios)."""
    problem, k, members = scenarios.problem, block.placement, block.members
    concurrency = problem.placements[k].concurrency
    expected_s = problem.costs.device_seconds[members, k] * concurrency
    if concurrency == 1:
        if members.size > MAX_SINGLE_REQUESTS:
            return bulk_ends(scenarios, k, block.device, members)
        held = device_seconds(problem, k, members, scenarios.tokens(members))
        held *= scenarios.factors(k, expected_s)
        return problem.latest_s(members, np.full(members.size, k)), line_ends(held, 1)
    step_s = step_of(k) * scenarios.factors(k, expected_s.mean())[0]
    is_long = members.size * scenarios.count > MAX_SINGLE_DRAWS
    tail = TAIL_DRAWS // scenarios.count
    last = members[-tail:] if is_long else members
    limits = problem.latest_s(last, np.full(last.size, k))
    if not is_long:
        return limits, line_ends(scenarios.tokens(last), concurrency) * step_s
    ends = latest_ends(scenarios.tokens(last), concurrency) * step_s
    first = members[:-tail]
    first_limits, started = bulk_ends(scenarios, k, block.device, first)
    first_ends = started + longest_s(problem, k, first) * scenarios.factors(k, expected_s.mean())
    return np.concatenate([first_limits, limits]), np.concatenate([first_ends, ends + started[-1]])


def _devices(problem: PlacementProblem, schedule: Schedule) -> Iterator[list[Block]]:
    """The blocks of each device, in the order in which it runs them."""
    found: dict[tuple[int, int], list[Block]] = {}
    for block in schedule.blocks:
        pool = problem.placements[block.placement].pool
        found.setdefault((pool, block.device), []).append(block)
    for blocks in found.values():
        yield sorted(blocks, key=lambda block: block.start_s)
