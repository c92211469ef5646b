"""Draws batch files over the service's own fleet, and checks answers and shards."""

from __future__ import annotations

import json
import time
from random import Random
from typing import Any

import httpx

from benchmarks.fuzz.calls import strict
from benchmarks.fuzz.catalogue import Json
from benchmarks.fuzz.faults import TOLERANCE, Faults
from benchmarks.fuzz.outcomes import CaseOutcome
from benchmarks.fuzz.refusals import STATUS

LIMIT_S = 0.5
JSONL = "application/jsonl"


def draw_batch(rng: Random, seed: int, client: httpx.Client) -> CaseOutcome:
    """Draw a batch file, post it and check what comes."""
    placements = client.get("/placements").json()["placements"]
    llms = sorted({placement["llm"] for placement in placements})
    lines = [_line(rng, index, llms) for index in range(rng.choice([1, 2, 10, 80]))]
    query: dict[str, Any] = {"time_limit_seconds": LIMIT_S}
    if rng.random() < 0.7:
        query["llms"] = rng.choice(["any", ",".join(rng.sample(llms, 2))])
    if rng.random() < 0.5:
        query["min_mean_quality"] = rng.choice([0.0, 0.5, 0.7, 0.84])
    if rng.random() < 0.5:
        query["deadline_seconds"] = rng.choice([0.001, 5.0, 60.0, 3600.0])
    if rng.random() < 0.4:
        query["on_unplaceable"] = "report"
    text = "".join(json.dumps(line) + "\n" for line in lines)
    begin = time.perf_counter()
    response = client.post("/plan", params=query, content=text, headers={"content-type": JSONL})
    seconds = time.perf_counter() - begin
    faults = Faults()
    answer = strict(response.content)
    if response.status_code == 200:
        ended = answer["status"]
        _check_shards(client, lines, answer, faults)
        _check_sums(query, answer, faults)
    else:
        ended = str(answer["type"]).rpartition(":")[2]
        faults.expect(STATUS.get(ended) == response.status_code, f"refused as {ended}")
        bad_names = any(line["body"]["model"] not in llms for line in lines)
        fine = ended != "invalid-request" or (bad_names and "llms" not in query)
        faults.expect(fine, f"a good batch file was refused: {answer['detail'][:300]}")
    return CaseOutcome(seed, "batch", ended, seconds, 1.1 * LIMIT_S + 0.5, faults.found)


def _line(rng: Random, index: int, llms: list[str]) -> Json:
    body: Json = {
        "model": rng.choice(llms),
        "max_tokens": max(1, round(100 * rng.lognormvariate(0.0, 1.0))),
        "messages": [{"role": "user", "content": "word " * rng.randint(1, 300)}],
    }
    return {
        "custom_id": f"c{index}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body,
    }


def _check_shards(client: httpx.Client, lines: list[Json], answer: Json, faults: Faults) -> None:
    ids = [line["custom_id"] for line in lines]
    unplaceable = [entry["id"] for entry in answer["unplaceable"]]
    columns = answer["columns"]
    faults.expect(columns["id"] == [i for i in ids if i not in unplaceable], "not each line once")
    placement_of = dict(zip(columns["id"], columns["placement"], strict=True))
    seen: list[str] = []
    for shard in answer["shards"]:
        response = client.get(shard["url"])
        faults.expect(
            response.status_code == 200, f"shard {shard['index']}: {response.status_code}"
        )
        there = [json.loads(line) for line in response.content.splitlines()]
        faults.expect(len(there) == shard["lines"], f"shard {shard['index']}: lines")
        names = [line["custom_id"] for line in there]
        seen += names
        if shard["placement"] is not None:
            right = all(placement_of[name] == shard["placement"] for name in names)
            faults.expect(right, f"shard {shard['index']} holds lines of another placement")
    faults.expect(sorted(seen) == sorted(ids), "shards do not hold each line once")


def _check_sums(query: Json, answer: Json, faults: Faults) -> None:
    energy = answer["energy_joules"]
    parts = ("requests", "underfill", "loading", "idle", "activation")
    faults.close(energy["value"], sum(energy[part] for part in parts), "energy_joules")
    served = sum(answer["columns"]["energy_joules"])
    faults.close(energy["requests"] + energy["underfill"], served, "requests + underfill")
    placed = sum(entry["energy_joules"] for entry in answer["placements"])
    faults.close(placed, served, "placements", TOLERANCE * served)
    if "deadline_seconds" in query:
        faults.at_most(answer["makespan_seconds"], query["deadline_seconds"], "deadline_seconds")
    if "min_mean_quality" in query:
        faults.at_most(-answer["mean_quality"], -query["min_mean_quality"], "min_mean_quality")
    faults.expect(answer["lower_bound"] <= answer["objective"], "lower_bound above objective")
