"""Random fleets: every option of a pool, values at their edges among them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from benchmarks.fuzz.catalogue import CardFigures, Catalogue, Json

SCORES = (0.0, 0.3, 0.5, 0.5, 0.7, 1.0)
MAX_COUNT = 100_000
"""Devices that a pool may have at most."""


def draw_fleet(rng: Random, catalogue: Catalogue) -> Json:
    """Return a fleet of one to four pools, most often of one provenance."""
    kind = rng.choice(sorted({known.kind for known in catalogue.values()}))
    mixed = rng.random() < 0.1
    chosen = [known for known in catalogue.values() if mixed or known.kind == kind]
    priced = {name: rng.random() < 0.6 for name in ("carbon", "kwh", "hour")}
    pools = [_pool(rng, f"p{i}", chosen, priced) for i in range(rng.choice([1, 1, 2, 2, 3, 4]))]
    named = sorted({llm for pool in pools for llm in pool["llms"]})
    fleet: Json = {"pools": pools}
    if rng.random() < 0.9:
        fleet["quality"] = {llm: _score(rng) for llm in named if rng.random() < 0.97}
    if rng.random() < 0.1:
        fleet["max_context_tokens"] = {rng.choice(named): rng.choice([1, 500, 2000, 10**7])}
    return fleet


def _score(rng: Random) -> float | None:
    if rng.random() < 0.03:
        return None
    return rng.choice(SCORES) if rng.random() < 0.3 else round(rng.uniform(0.3, 0.9), 3)


def _pool(rng: Random, name: str, chosen: Sequence[CardFigures], priced: dict[str, bool]) -> Json:
    device = rng.choice(sorted({known.device for known in chosen}))
    there = [known for known in chosen if known.device == device]
    run = rng.sample(there, min(len(there), rng.choice([1, 1, 2, 3])))
    pool: Json = {
        "name": name,
        "device": device,
        "llms": [known.llm for known in run],
        "concurrency": _concurrencies(rng, min(known.max_concurrency for known in run)),
    }
    if rng.random() < 0.9:
        pool["count"] = rng.choice([1, 1, 2, 3, 6] * 6 + [1000, MAX_COUNT])
    resident = [k.llm for k in run if rng.random() < (0.3 if k.loads else 0.98)]
    if resident or rng.random() < 0.3:
        pool["resident"] = resident
    pool.update(_power(rng))
    pool.update(_figures(rng, priced))
    return pool


def _concurrencies(rng: Random, largest: float) -> list[int]:
    offered = [b for b in (1, 2, 8, 16, 32, 64, 128, 256) if b <= largest]
    return rng.sample(offered, min(len(offered), rng.choice([1, 1, 2, 3])))


def _power(rng: Random) -> Json:
    found: Json = {}
    if rng.random() < 0.7:
        found["idle_watts"] = rng.choice([None, 0.0, 57.0, 120.5, 400.0, 1e6])
    if rng.random() < 0.35:
        found["power_policy"] = "always_on"
    elif rng.random() < 0.35:
        found["power_policy"] = "power_down"
    switched = found.get("power_policy") != "always_on" or rng.random() < 0.02
    if switched and rng.random() < 0.3:
        found["activation_joules"] = rng.choice([0.0, 1e-9, 50.0, 5e3, 1e6])
    if switched and rng.random() < 0.3:
        found["activation_seconds"] = rng.choice([0.0, 1e-6, 1.0, 60.0, 1e4])
    return found


def _figures(rng: Random, priced: dict[str, bool]) -> Json:
    choices: dict[str, tuple[str, Sequence[Any]]] = {
        "carbon": ("carbon_g_per_kwh", [0.0, 25.0, 320.0, 700.0, 1e6]),
        "kwh": ("price_per_kwh", [0.0, 0.08, 0.25, 1e9]),
        "hour": ("price_per_device_hour", [0.0, 0.5, 2.2, 98.0, 1e9]),
    }
    return {
        name: rng.choice(values)
        for kind, (name, values) in choices.items()
        if rng.random() < (0.99 if priced[kind] else 0.03)
    }
