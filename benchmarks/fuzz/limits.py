"""Random objectives, limits and options, on the scale of what the requests cost."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from benchmarks.fuzz.catalogue import Json

FACTORS = (1e-300, 1e-6, 0.3, 0.8, 0.95, 1.05, 1.2, 1.5, 2.0, 2.0, 4.0, 4.0, 10.0, 10.0, 1000.0)
"""Limits that are drawn, as factors of the least that an endless fleet would take."""


@dataclass(frozen=True)
class Scale:
    """About what the requests take at least: from `/predict`, loads and idling left out.

    Attributes
    ----------
    energy_j
        Sum of each request's least joules.
    seconds
        That of its least device-seconds over the devices, or its longest least runtime.
    """

    energy_j: float
    seconds: float


def scale_of(predicted: Json, fleet: Json) -> Scale:
    """Return the scale of what was predicted."""
    devices = sum(pool.get("count", 1) for pool in fleet["pools"])

    def least(name: str) -> list[float]:
        rows = ([x for x in row if x is not None] for row in predicted[name])
        return [min(row) for row in rows if row] or [1.0]

    seconds = max(sum(least("device_seconds")) / devices, *least("runtime_seconds"), 1e-3)
    return Scale(sum(least("energy_joules")), seconds)


def draw_terms(rng: Random, fleet: Json, rows: list[Json], scale: Scale) -> Json:
    """Return a body's members beside its requests and fleet; give deadlines to some requests."""
    if rng.random() < 0.25:
        _own_deadlines(rng, rows, scale)
    for pool in fleet["pools"]:
        if rng.random() < 0.15:
            pool["available_seconds"] = _near(rng, 1.5 * scale.seconds)
    terms: Json = {}
    if rng.random() < 0.7:
        terms["objective"] = _objective(rng, fleet, scale)
    if rng.random() < 0.8:
        terms["constraints"] = _constraints(rng, fleet, rows, scale)
    terms["solver"] = {"time_limit_seconds": rng.choice([0.01, 0.2, 0.5, 0.5, 1.0])}
    if rng.random() < 0.3:
        terms["solver"]["relative_gap"] = rng.choice([0.0, 1e-6, 0.05, 1.0])
    if rng.random() < 0.3:
        terms["solver"]["seed"] = rng.choice([1, 2**31 - 1])
    if rng.random() < 0.8:
        terms["on_unplaceable"] = rng.choice(["report"] * 7 + ["refuse"])
    if rng.random() < 0.3:
        terms["explain"] = True
    if rng.random() < 0.7:
        terms["allow_mixed_provenance"] = True
    return terms


def _near(rng: Random, value: float, factors: tuple[float, ...] = FACTORS) -> float:
    return max(1e-300, min(1e8, value * rng.choice(factors)))


def _own_deadlines(rng: Random, rows: list[Json], scale: Scale) -> None:
    kinds = [_near(rng, 2.0 * scale.seconds) for _ in range(rng.choice([1, 2, 20]))]
    for row in rows:
        if rng.random() < 0.7:
            row["deadline_seconds"] = rng.choice(kinds)


def _counted(rng: Random, fleet: Json) -> list[str]:
    """Return the units in which every pool states what it takes, now and then all of them."""
    pools = fleet["pools"]
    carbon = all("carbon_g_per_kwh" in pool for pool in pools)
    money = all({"price_per_kwh", "price_per_device_hour"} & set(pool) for pool in pools)
    anyway = rng.random() < 0.03
    return ["energy", *["carbon"] * (carbon or anyway), *["money"] * (money or anyway)]


def _objective(rng: Random, fleet: Json, scale: Scale) -> Json:
    found: Json = {"minimise": rng.choice(["energy", *_counted(rng, fleet)])}
    if rng.random() < 0.6:
        found["zeta"] = rng.choice([0.0, 1e-9, 0.1, 0.5, 0.9, 1.0])
    if rng.random() < 0.2:
        name = {"energy": "energy_joules", "carbon": "carbon_grams", "money": "money"}
        cost = name[rng.choice([found["minimise"]] * 20 + ["money"])]
        found["normalisers"] = {cost: rng.choice([1e-6, 1.0, scale.energy_j, 1e15])}
        if rng.random() < 0.5:
            found["normalisers"]["quality"] = rng.choice([1e-6, 1.0, 1e5, 1e15])
    return found


def _constraints(rng: Random, fleet: Json, rows: list[Json], scale: Scale) -> Json:
    found: Json = {}
    llms = sorted({llm for pool in fleet["pools"] for llm in pool["llms"]})
    scores = [score for score in fleet.get("quality", {}).values() if score is not None]
    if rng.random() < 0.45:
        found["deadline_seconds"] = _near(rng, 2.0 * scale.seconds)
    if rng.random() < 0.2:
        found["max_energy_joules"] = _near(rng, scale.energy_j)
    counted = _counted(rng, fleet)
    if "carbon" in counted and rng.random() < 0.2:
        found["max_carbon_grams"] = _near(rng, scale.energy_j * 320.0 / 3.6e6)
    if "money" in counted and rng.random() < 0.2:
        found["max_money"] = _near(rng, scale.energy_j * 0.2 / 3.6e6 + scale.seconds * 1e-3)
    if rng.random() < 0.3 and scores:
        low, high = min(scores), max(scores)
        found["min_mean_quality"] = low + rng.choice([0.0, 0.3, 0.7, 1.0, 1.1]) * (high - low)
        found["min_mean_quality"] = min(1.0, found["min_mean_quality"])
    if rng.random() < 0.25:
        found["shares"] = _shares(rng, llms)
    if rng.random() < 0.15:
        count = rng.choice([0, 1, 1, len(rows) // 2, len(rows), len(rows) + 1])
        found["min_requests"] = {rng.choice(llms): count}
    if rng.random() < 0.3:
        found["horizon_seconds"] = rng.choice([1e-6, 100.0, scale.seconds, 2e4, 1e8])
    if rng.random() < 0.08:
        found["confidence"] = rng.choice([0.5, 0.8, 0.95, 0.995])
    return found


def _shares(rng: Random, llms: list[str]) -> Json:
    found: Json = {}
    for llm in rng.sample(llms, rng.randint(1, len(llms))):
        lower = rng.choice([0.0, 0.0, 0.1, 0.29, 0.5, 1.0])
        upper = rng.choice([0.0, 0.29, 0.5, 0.75, 1.0, 1.0])
        bounds = {"min": lower, "max": upper if upper >= lower or rng.random() < 0.05 else 1.0}
        found[llm] = {key: bounds[key] for key in rng.sample(["min", "max"], rng.randint(1, 2))}
    return found
