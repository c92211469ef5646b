"""Where gaps are loose: joules beside their chord, and one batch at several offered concurrencies.

`python -m benchmarks.loose_gaps` starts the service and prints both tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import httpx

from benchmarks.markdown import percent, table
from examples.local_service import running_service
from examples.make_workload import sample

LLM = "llama-3.1-8b-instruct"
OUTPUT_TOKENS = 300
ACHIEVED = (1, 4, 16, 32, 64, 128, 256)
"""Concurrencies of the first table; the plan is made for the last."""
OFFERED = ((8,), (8, 32), (8, 32, 256), (8, 32, 96, 256, 600))
REQUESTS, SEED = 400, 0
TIME_LIMIT_S = 60.0
"""Seconds, more than any of these plans takes, so that each machine finds the same."""


def main() -> None:
    """Ask and print."""
    argparse.ArgumentParser(
        allow_abbrev=False, prog="python -m benchmarks.loose_gaps", description=__doc__
    ).parse_args()
    with running_service() as url:
        print(f"{chord_table(url)}\n\n{offer_table(url)}")


def chord_table(url: str) -> str:
    """Tabulate joules of an answer by achieved concurrency beside the chord that bounds them."""
    body = {
        "columns": {"input_tokens": [0], "output_tokens": [OUTPUT_TOKENS]},
        "fleet": _fleet("1xb200", 1, ACHIEVED),
    }
    priced = _ask(f"{url}/predict", body)["energy_joules"][0]
    chord = chord_of(priced, ACHIEVED)
    loose = [1.0 - low / high for low, high in zip(chord, priced, strict=True)]
    rows = zip(ACHIEVED, priced, chord, loose, strict=True)
    return table(
        ["achieved concurrency", "priced [J]", "chord, in the bound [J]", "loose by %"],
        [[str(c), f"{e:.1f}", f"{low:.1f}", percent(part, 0)] for c, e, low, part in rows],
    )


def chord_of(priced: Sequence[float], achieved: Sequence[int]) -> list[float]:
    """Return the chord over 1 / concurrency from the first to the last of some joules.

    Examples
    --------
    >>> chord_of([10.0, 9.0, 4.0], [1, 2, 4])
    [10.0, 6.0, 4.0]
    """
    last = 1.0 / achieved[-1]
    slope = (priced[0] - priced[-1]) / (1.0 - last)
    return [priced[-1] + (1.0 / c - last) * slope for c in achieved]


def offer_table(url: str) -> str:
    """Tabulate what a plan of one batch costs, and its gap, by the concurrencies offered."""
    pairs = sample(REQUESTS, SEED)
    columns = {
        "input_tokens": [tin for tin, _ in pairs],
        "output_tokens": [tout for _, tout in pairs],
    }
    rows = []
    for offered in OFFERED:
        plan = _ask(
            f"{url}/plan",
            {
                "columns": columns,
                "fleet": _fleet("1xh100", 2, offered),
                "solver": {"time_limit_seconds": TIME_LIMIT_S},
            },
        )
        energy_kj = plan["energy_joules"]["value"] / 1e3
        rows.append([", ".join(map(str, offered)), f"{energy_kj:.1f}", percent(plan["gap"])])
    return table(["concurrencies offered", "plan [kJ]", "gap %"], rows)


def _fleet(device: str, count: int, concurrency: Sequence[int]) -> dict[str, Any]:
    pool = {
        "name": "pool",
        "device": device,
        "count": count,
        "llms": [LLM],
        "resident": [LLM],
        "concurrency": list(concurrency),
    }
    return {"pools": [pool], "quality": {}, "max_context_tokens": {LLM: 131072}}


def _ask(url: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(url, json=body, timeout=2 * TIME_LIMIT_S)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


if __name__ == "__main__":
    main()
