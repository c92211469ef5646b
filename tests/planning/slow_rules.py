"""The rules of a schedule written out slowly, request by request: the oracle of these tests."""

from __future__ import annotations

import itertools
import math

from service.planning import PlacementProblem


def price(problem: PlacementProblem, placement, device):
    """Energy parts, ends, makespan, objective and whether every limit holds, in plain Python."""
    n = problem.n
    tin = problem.requests.workload.input_tokens.tolist()
    tout = problem.requests.workload.output_tokens.tolist()
    pools, placements = problem.pools, problem.placements
    seconds = [float(problem.costs.device_seconds[i, placement[i]]) for i in range(n)]
    slot = []
    for i in range(n):
        batch = placements[placement[i]].concurrency
        mix = [j for j in range(n) if placement[j] == placement[i]]
        step = batch * sum(seconds[j] for j in mix) / sum(tout[j] for j in mix)
        slot.append(seconds[i] if batch == 1 else tout[i] * step)
    own = [
        min(float(problem.requests.deadline_s[i]), problem.limits.deadline_s or math.inf)
        for i in range(n)
    ]
    requests_j = sum(float(problem.costs.energy_j[i, placement[i]]) for i in range(n))
    underfill = loading = 0.0
    end = [0.0] * n
    busy: dict[tuple[int, int], float] = {}
    last: dict[tuple[int, int], float] = {}
    for pool in range(len(pools)):
        for d in range(pools[pool].count):
            here = [i for i in range(n) if placements[placement[i]].pool == pool and device[i] == d]
            blocks = [[i for i in here if placement[i] == k] for k in range(len(placements))]
            blocks = [b for b in blocks if b]
            blocks.sort(
                key=lambda b: (
                    min(own[i] for i in b),
                    problem.llms.index(placements[placement[b[0]]].llm),
                    placement[b[0]],
                )
            )
            clock, loaded = 0.0, None
            for block in blocks:
                where = placements[placement[block[0]]]
                if where.llm not in pools[pool].resident and loaded != where.llm:
                    clock += where.cost_model.load_s
                    loading += where.cost_model.load_energy_j
                    busy[pool, d] = busy.get((pool, d), 0.0) + where.cost_model.load_s
                    loaded = where.llm
                block.sort(key=lambda i: (own[i], -slot[i], i))
                slots = [0.0] * where.concurrency
                for i in block:
                    free = min(range(len(slots)), key=slots.__getitem__)
                    slots[free] += slot[i]
                    end[i] = clock + slots[free]
                length = max(slots)
                achieved = max(1.0, sum(slot[i] for i in block) / length)
                if achieved < where.concurrency:
                    for i in block:
                        at = where.cost_model.energy_j([tin[i]], [tout[i]], achieved)[0]
                        underfill += float(at) - float(problem.costs.energy_j[i, placement[i]])
                clock += length
                busy[pool, d] = busy.get((pool, d), 0.0) + length
            last[pool, d] = clock
    makespan = max(last.values())
    horizon = problem.limits.horizon_s if problem.limits.horizon_s is not None else makespan
    idle = 0.0
    for pool, spec in enumerate(pools):
        if spec.power_policy == "always_on" and spec.idle_watts:
            for d in range(spec.count):
                on = max(horizon, last[pool, d])
                idle += spec.idle_watts * (on - busy.get((pool, d), 0.0))
    energy = requests_j + underfill + loading + idle
    tokens = [a + b for a, b in zip(tin, tout, strict=True)]
    quality = sum((placements[placement[i]].quality or 0.0) * tokens[i] for i in range(n))
    zeta = problem.objective.zeta
    objective = zeta * energy / problem.energy_normaliser_j
    objective -= (1 - zeta) * quality / problem.quality_normaliser
    keeps = all(end[i] <= own[i] * (1 + 1e-9) for i in range(n))
    for i in range(n):
        available = pools[placements[placement[i]].pool].available_s
        keeps &= available is None or end[i] <= available * (1 + 1e-9)
        keeps &= bool(problem.eligible[i, placement[i]])
    limits = problem.limits
    keeps &= limits.max_energy_j is None or energy <= limits.max_energy_j * (1 + 1e-9)
    floor = limits.min_mean_quality
    keeps &= floor is None or quality / sum(tokens) >= floor * (1 - 1e-9)
    for llm in {*limits.shares, *limits.min_requests}:
        count = sum(placements[k].llm == llm for k in placement)
        share = limits.shares.get(llm)
        if share is not None:
            keeps &= math.floor(share.min * n) <= count <= math.ceil(share.max * n)
        keeps &= count >= limits.min_requests.get(llm, 0)
    return {
        "objective": objective,
        "energy_j": energy,
        "parts": (requests_j, underfill, loading, idle),
        "end": end,
        "makespan_s": makespan,
        "keeps": keeps,
    }


def best(problem: PlacementProblem):
    """Objective of the best deal of all, None where none keeps every limit."""
    options = [
        [
            (k, d)
            for k in range(problem.k)
            for d in range(problem.pools[problem.placements[k].pool].count)
        ]
        for _ in range(problem.n)
    ]
    found = None
    for deal in itertools.product(*options):
        priced = price(problem, [k for k, _ in deal], [d for _, d in deal])
        if priced["keeps"] and (found is None or priced["objective"] < found):
            found = priced["objective"]
    return found
