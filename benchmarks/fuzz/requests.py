"""Random requests: tokens alike, spread or at their edges, names, scores, pins, estimates."""

from __future__ import annotations

from random import Random

from benchmarks.fuzz.catalogue import Json

SIZES = (1, 1, 2, 3, 5, 8, 8, 13, 30, 60, 150, 300)


def draw_requests(rng: Random, fleet: Json) -> list[Json]:
    """Return 1 to 300 requests as rows, without deadlines."""
    count = rng.choice(SIZES)
    law = rng.choice(["alike", "alike", "spread", "spread", "spread", "long", "edges"])
    rows = [_tokens(rng, law) for _ in range(count)]
    if law == "alike":
        rows = [dict(rows[0]) for _ in rows]
    named = rng.random() < 0.6
    for index, row in enumerate(rows):
        if named:
            row["id"] = f"r{index}"
    for add in (_llms, _pools, _qualities, _pins, _quantiles):
        if rng.random() < 0.12:
            add(rng, fleet, rows)
    return rows


def _tokens(rng: Random, law: str) -> Json:
    if law == "edges":
        return {
            "input_tokens": rng.choice([0, 1, 2047, 100_000]),
            "output_tokens": rng.choice([1, 1, 2, 1024, 30_000]),
        }
    median = 900.0 if law == "long" else 150.0
    output = min(2000, max(1, round(median * rng.lognormvariate(0.0, 0.9))))
    return {"input_tokens": round(300 * rng.lognormvariate(0.0, 1.0)), "output_tokens": output}


def _llms(rng: Random, fleet: Json, rows: list[Json]) -> None:
    named = sorted({llm for pool in fleet["pools"] for llm in pool["llms"]})
    for row in rows:
        if rng.random() < 0.6:
            row["llms"] = rng.choice([None, rng.sample(named, rng.randint(1, len(named)))])


def _pools(rng: Random, fleet: Json, rows: list[Json]) -> None:
    named = [pool["name"] for pool in fleet["pools"]]
    for row in rows:
        if rng.random() < 0.5:
            row["pools"] = rng.sample(named, rng.randint(1, len(named)))


def _qualities(rng: Random, fleet: Json, rows: list[Json]) -> None:
    scores = [score for score in fleet.get("quality", {}).values() if score is not None]
    for row in rows:
        if rng.random() < 0.5:
            row["min_quality"] = rng.choice([0.0, *scores, *scores, min(scores, default=0.4)])


def _pins(rng: Random, fleet: Json, rows: list[Json]) -> None:
    for row in rows:
        if rng.random() < 0.3:
            pool = rng.choice(fleet["pools"])
            offered = {
                "llm": rng.choice(pool["llms"]),
                "pool": pool["name"],
                "concurrency": rng.choice(pool["concurrency"]),
                "device_index": rng.randrange(pool.get("count", 1)),
            }
            kept = rng.sample(list(offered), rng.randint(1, 4))
            row["pinned"] = {key: offered[key] for key in kept}


def _quantiles(rng: Random, _: Json, rows: list[Json]) -> None:
    for row in rows:
        if rng.random() < 0.7:
            middle = float(row["output_tokens"])
            spread = rng.choice([1.0, 1.5, 4.0])
            row["output_tokens"] = {"p50": middle, "p90": middle * spread}
            if rng.random() < 0.3:
                row["output_tokens"]["p10"] = max(1.0, middle / spread)
