"""Checks what a plan says that it costs, what its objective is, and what is proven of it."""

from __future__ import annotations

from benchmarks.fuzz.faults import TOLERANCE, Faults
from benchmarks.fuzz.planned import Planned
from benchmarks.fuzz.question import CAPS


def energy_adds_up(planned: Planned, faults: Faults) -> None:
    """Expect the parts of the energy to be those of the schedule, and to add up."""
    asked, energy = planned.asked, planned.answer["energy_joules"]
    pools = range(len(asked.pools))
    parts = ("requests", "underfill", "loading", "idle", "activation")
    faults.close(energy["value"], sum(energy[part] for part in parts), "energy_joules")
    wanted = {
        "requests": sum(asked.predicted["energy_joules"][i][k] for i, k in planned.spot_of.items()),
        "loading": sum(planned.worked.loading(asked, pool) for pool in pools),
        "idle": sum(planned.worked.idle(asked, pool) for pool in pools),
        "activation": sum(planned.worked.activation(asked, pool) for pool in pools),
    }
    # Idling is what is left of long times.
    small = {"idle": TOLERANCE * energy["value"]}
    for part, joules in wanted.items():
        faults.close(energy[part], joules, f"energy_joules/{part}", small.get(part, 0.0))
    served = sum(row["energy_joules"] for row in planned.rows.values())
    faults.close(energy["requests"] + energy["underfill"], served, "requests + underfill")
    faults.expect(
        energy["underfill"] >= -TOLERANCE * energy["requests"],
        f"underfill is {energy['underfill']}",
    )
    low, high = energy["low"], energy["high"]
    faults.expect((low is None) == (high is None), "one end of the interval is null")
    if low is not None and high is not None:
        faults.at_most(low, energy["value"], "energy_joules/low")
        faults.at_most(energy["value"], high, "energy_joules/high")
        faults.expect(low >= 0.0, f"energy_joules/low is {low}")


def costs_follow_from_energy(planned: Planned, faults: Faults) -> None:
    """Expect carbon and money by the prices of the pools, and every cap kept."""
    for unit, name in (("carbon", "carbon_grams"), ("money", "money")):
        faults.close(planned.answer[name], planned.cost(unit), name)
    for unit, cap in CAPS.items():
        limit = planned.asked.constraints.get(cap)
        if limit is not None:
            value = planned.cost(unit)
            if faults.expect(value is not None, f"{cap}: no figures to keep it by"):
                faults.at_most(value or 0.0, limit, cap, 10.0 * TOLERANCE)


def quality_is_weighted(planned: Planned, faults: Faults) -> None:
    """Expect the mean score to be weighted by tokens, and its floor kept."""
    asked, mean_quality = planned.asked, planned.answer["mean_quality"]
    known = all(asked.score(asked.spots[k].llm) is not None for k in planned.spot_of.values())
    tokens = sum(asked.tokens[i] for i in planned.spot_of)
    mean = planned.quality / tokens if known else None
    faults.close(mean_quality, mean, "mean_quality", planned.share)
    floor = asked.constraints.get("min_mean_quality")
    if floor is not None and faults.expect(mean_quality is not None, "mean_quality is null"):
        faults.at_most(-mean_quality, -floor, "min_mean_quality")


def objective_is_as_documented(planned: Planned, faults: Faults) -> None:
    """Expect the normalisers and the objective to be those of the documentation."""
    asked, zeta = planned.asked, planned.asked.zeta
    given = [value for name, value in asked.normalisers.items() if name != "quality"]
    pairs = [(i, k) for i in asked.planned for k, fits in enumerate(asked.eligible[i]) if fits]
    largest = max(asked.pair_cost(i, k, asked.minimise) for i, k in pairs)
    wanted = given[0] if given else largest or 1.0
    faults.close(planned.cost_normaliser, wanted, "normalisers: C0")
    best = max((asked.score(asked.spots[k].llm) or 0.0) * asked.tokens[i] for i, k in pairs)
    wanted = asked.normalisers.get("quality") or best or 1.0
    quality_normaliser = planned.answer["normalisers"]["quality"]
    faults.close(quality_normaliser, wanted, "normalisers: Q0", planned.share * wanted)
    cost = planned.cost(asked.minimise) or 0.0
    terms = (
        zeta * cost / planned.cost_normaliser,
        (1.0 - zeta) * planned.quality / quality_normaliser,
    )
    size = TOLERANCE * (abs(terms[0]) + abs(terms[1]))
    slack = planned.share * abs(terms[1])
    faults.close(planned.answer["objective"], terms[0] - terms[1], "objective", size + slack)


def proof_is_arithmetic(planned: Planned, faults: Faults) -> None:
    """Expect bound, gaps and status to follow from each other."""
    answer, asked = planned.answer, planned.asked
    objective, bound, gap = answer["objective"], answer["lower_bound"], answer["gap"]
    faults.expect(bound <= objective, f"lower_bound {bound} is above {objective}")
    size = TOLERANCE * (abs(objective) + abs(bound)) * 1e-6
    faults.close(answer["absolute_gap"], objective - bound, "absolute_gap", size)
    optimal = gap is not None and gap <= 1e-6
    faults.expect(
        (answer["status"] == "optimal") == optimal, f"status {answer['status']} at gap {gap}"
    )
    cost = planned.cost(asked.minimise) or 0.0
    unit = asked.zeta * cost / planned.cost_normaliser
    unit += (1.0 - asked.zeta) * planned.quality / answer["normalisers"]["quality"]
    if gap is None:
        faults.expect(answer["absolute_gap"] > 0.0, "gap is null where the bound is met")
        return
    minimum = answer["absolute_gap"] / unit if unit > 0.0 else 0.0
    slack = (TOLERANCE + planned.share) * minimum
    faults.at_most(
        minimum, gap, "absolute_gap over all cost and quality", TOLERANCE + planned.share
    )
    if nothing_is_unavoidable(planned):
        faults.close(gap, minimum, "gap", slack)


def nothing_is_unavoidable(planned: Planned) -> bool:
    """Whether no plan has to load, switch on, idle or pay for being on."""
    pools = planned.asked.pools
    return not any(
        pool.get("power_policy") == "always_on"
        or pool.get("activation_joules")
        or pool.get("activation_seconds")
        or pool.get("price_per_device_hour")
        or set(pool["llms"]) - set(pool.get("resident", ()))
        for pool in pools
    )
