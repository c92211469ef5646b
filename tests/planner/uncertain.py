"""Problems whose lengths and cost models are uncertain, and a slow replay of their plans."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from costmodel.intervals import ConformalInterval
from costmodel.output_lengths import OutputLengths
from costmodel.workload import Workload
from planner.inputs import Limits
from planner.problem import PlacementProblem
from planner.result import Plan
from tests.planner.instances import three_llms, workload

NORMAL = NormalDist()


def uncertain(
    n: int,
    limits: Limits,
    *,
    quantile: float | None = 1.8,
    spread: float = 2.5,
    seed: int = 0,
    own_deadlines: bool = False,
    **terms: object,
) -> PlacementProblem:
    """`three_llms` with medians and 90th percentiles `spread` times as large, and intervals."""
    known = workload(n, seed)
    median = known.output_tokens.astype(float)
    lengths = OutputLengths.from_quantiles({0.5: median, 0.9: spread * median})
    load = Workload.expected(known.input_tokens, lengths)
    if own_deadlines and limits.deadline_s is not None:
        terms["deadline_s"] = np.where(np.arange(n) % 5 == 0, 0.6 * limits.deadline_s, np.inf)
    built = three_llms(load, limits=limits, **terms)  # type: ignore[arg-type]
    interval = None if quantile is None else ConformalInterval(quantile, 20)
    placements = [
        replace(p, cost_model=replace(p.cost_model, device_seconds_interval=interval))
        for p in built.placements
    ]
    return PlacementProblem.build(built.requests, built.pools, placements, limits)


def slow_share_kept(problem: PlacementProblem, plan: Plan, scenarios: int, seed: int) -> float:
    """Share of scenarios in which every deadline is kept, in plain Python, request by request."""
    rng = random.Random(seed)
    return sum(_keeps(problem, plan, rng) for _ in range(scenarios)) / scenarios


def _keeps(problem: PlacementProblem, plan: Plan, rng: random.Random) -> bool:
    tin = problem.requests.workload.input_tokens.tolist()
    tokens = [_length(problem, i, rng) for i in range(problem.n)]
    errors: dict[str, tuple[float, float]] = {}
    for p in problem.placements:
        errors.setdefault(p.llm, (rng.gauss(0, 1), rng.gauss(0, 1)))
    held = [0.0] * problem.n
    for k, p in enumerate(problem.placements):
        on = [i for i in range(problem.n) if plan.placement[i] == k]
        spent = {
            i: float(p.cost_model.device_seconds(tin[i], tokens[i], float(p.concurrency))[0])
            for i in on
        }
        interval = p.cost_model.device_seconds_interval
        step = 0.0
        if on:
            step = p.concurrency * sum(spent.values()) / sum(tokens[i] for i in on)
        mean_s = np.mean([problem.costs.device_seconds[i, k] for i in on] or [1.0])
        for i in on:
            alone = p.concurrency == 1
            runtime = problem.costs.device_seconds[i, k] if alone else mean_s * p.concurrency
            sigma = math.hypot(0.04, min(0.25, 0.08 / runtime))
            width = 0.0 if interval is None else interval.quantile * sigma / 1.6448536
            pair, campaign = errors[p.llm]
            factor = math.exp(width * pair + 0.05 / 1.6448536 * campaign)
            held[i] = (spent[i] if alone else tokens[i] * step) * factor
    for pool, spec in enumerate(problem.pools):
        for device in range(spec.count):
            if not _device_keeps(problem, plan, pool, device, held):
                return False
    return True


def _device_keeps(
    problem: PlacementProblem, plan: Plan, pool: int, device: int, held: list[float]
) -> bool:
    here = [
        i
        for i in range(problem.n)
        if problem.placements[plan.placement[i]].pool == pool and plan.device_index[i] == device
    ]
    here.sort(key=lambda i: (plan.start_s[i], -plan.runtime_s[i]))
    clock, loaded = 0.0, None
    order = list(dict.fromkeys(int(plan.placement[i]) for i in here))
    for k in order:
        spec = problem.placements[k]
        if spec.llm not in problem.pools[pool].resident and loaded != spec.llm:
            clock, loaded = clock + float(spec.cost_model.load_s or 0.0), spec.llm
        slots = [clock] * spec.concurrency
        for i in [i for i in here if plan.placement[i] == k]:
            end = heapq.heappop(slots) + held[i]
            heapq.heappush(slots, end)
            clock = max(clock, end)
            if end > min(problem.deadline_s[i], problem.pools[pool].end_s):
                return False
    return True


def _length(problem: PlacementProblem, i: int, rng: random.Random) -> float:
    lengths = problem.requests.workload.lengths
    if lengths is None:
        return float(problem.requests.workload.output_tokens[i])
    score = min(max(rng.gauss(0, 1), NORMAL.inv_cdf(0.001)), NORMAL.inv_cdf(0.999))
    return math.exp(float(np.interp(score, lengths.scores, lengths.log_tokens[i])))
