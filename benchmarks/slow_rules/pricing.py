"""What a schedule costs, and whether it keeps every limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.slow_rules.admission import may_run
from benchmarks.slow_rules.schedule import Slow
from planner.problem import PlacementProblem


def cost_normaliser(problem: PlacementProblem) -> float:
    """C0 as given, or the dearest of all eligible pairs."""
    given = problem.objective.cost_normaliser
    if given is not None:
        return given
    dearest = 0.0
    for i in range(problem.n):
        for k, placement in enumerate(problem.placements):
            if may_run(problem, i, k):
                joules = float(problem.costs.energy_j[i, k])
                seconds = float(problem.costs.device_seconds[i, k])
                spec = problem.pools[placement.pool]
                dearest = max(
                    dearest,
                    {
                        "energy": joules,
                        "carbon": joules / 3.6e6 * (spec.carbon_g_per_kwh or 0.0),
                        "money": joules / 3.6e6 * (spec.price_per_kwh or 0.0)
                        + seconds / 3600 * (spec.price_per_device_hour or 0.0),
                    }[problem.objective.minimise],
                )
    return dearest or 1.0


def price(
    problem: PlacementProblem,
    placement: Sequence[int],
    device: Sequence[int],
    normaliser: float | None = None,
) -> dict[str, Any]:
    """Energy parts, ends, makespan, objective and whether every limit holds."""
    slow = Slow(problem, placement, device)
    requests_j = sum(slow.joules(i) for i in range(slow.n))
    idle = sum(slow.idle(pool) for pool in range(len(problem.pools)))
    parts = (
        requests_j,
        sum(slow.underfill.values()),
        sum(slow.loading.values()),
        idle,
        sum(slow.activation.values()),
    )
    tokens = [a + b for a, b in zip(slow.tin, slow.tout, strict=True)]
    scores = [problem.placements[k].quality or 0.0 for k in placement]
    quality = sum(score * size for score, size in zip(scores, tokens, strict=True))
    zeta, limits = problem.objective.zeta, problem.limits
    cost = slow.cost(problem.objective.minimise)
    objective = zeta * cost / (normaliser or cost_normaliser(problem))
    objective -= (1 - zeta) * quality / problem.quality_normaliser
    keeps = slow.in_time() and slow.counts_hold()
    keeps &= all(may_run(problem, i, k) for i, k in enumerate(placement))
    if problem.requests.device is not None:
        pins = problem.requests.device.tolist()
        keeps &= all(pin in (-1, d) for pin, d in zip(pins, device, strict=True))
    keeps &= all(slow.cost(unit) <= cap * (1 + 1e-9) for unit, cap in limits.caps.items())
    floor = limits.min_mean_quality
    keeps &= floor is None or quality / sum(tokens) >= floor * (1 - 1e-9)
    return {
        "objective": objective,
        "cost": cost,
        "costs": {unit: slow.cost(unit) for unit in ("energy", "carbon", "money")},
        "parts": parts,
        "end": slow.end,
        "makespan_s": max(slow.last.values()),
        "keeps": keeps,
    }
