"""The page that shows results: what was run, the bars, and a table for each instance."""

from __future__ import annotations

from typing import Any

from benchmarks.scale.bars import AGAINST_CBC
from benchmarks.scale.comparison import GAPS
from benchmarks.scale.report import bars_table, tables

PLOT = "scale.png"


def page(found: dict[str, Any]) -> str:
    """Write the page of `found`: `where`, `results`, and where bars were run `bars`.

    Both parts say where they ran: they may be from different runs.
    """
    parts = ["# Planning at scale", _HEAD]
    if found.get("bars"):
        bars = [tuple(bar) for bar in found["bars"]]
        parts += ["## Bars", f"{_code(found['bars_where'])}\n\n{bars_table(bars)}"]
    if found.get("binding"):
        parts += ["## Every limit binds", _BINDING, found["binding"]]
    if found.get("results"):
        parts += ["## Beside other methods", _TABLES, f"![seconds against requests]({PLOT})"]
        parts += [_code(found["where"]), tables(found["results"])]
    return "\n\n".join(parts) + "\n"


def _code(text: str) -> str:
    return f"```\n{text}\n```"


_HEAD = f"""\
Written by `.venv/bin/python -m benchmarks.scale --out docs/studies`, which compares planning
with other methods in one run and on the same instances, and by the same with `--bars`, which runs
what the bars need alone. Times are medians on a machine that others may have used at the same time:
look at the load average beside them, and compare within one run.

The instances are drawn, not recorded: tokens are a smoothed bootstrap of the distributions of the
shipped example, fleets are the shipped cost models with counts of ours, and a seed makes them
again. Three and eight placements are A100 without a KV cache, thirty-two vLLM on H100 and B200,
sixty-four both. Deadlines are 1.05 times the least feasible.

- `shares`: every LLM serves a share of the requests, for the least joules.
- `deadline`: all requests by one deadline, for the least joules.
- `masks`: the same, and requests admit twelve different sets of LLMs or pools.
- `mixed`: a deadline, five deadlines of requests, shares, an energy cap and pools that stay on, for
  the least carbon: least joules would never reach a cap on joules.

Asked for is a gap of {GAPS["shares"]:g}, for `mixed` {GAPS["mixed"]:g}."""

_BINDING = """\
`.venv/bin/python -m benchmarks.scale --check-binding`: each instance is planned with all limits
and without one of them. By how much the bound falls, and how much of that is proven: from the bound
with the limit to the plan without it."""

_TABLES = f"""\
`http` is end to end: a real server, columns as JSON, from the first byte sent to the last byte of
the answer; its memory is that of the service's processes together. `plan` is the same call in
process, by parts. The others start from the predicted costs and know pools as sums of
device-seconds only; their placements are then dispatched to devices and judged by the evaluator
that judges plans, so that a method may have found a cheaper placement that no schedule keeps.

*Time to our objective* is how many times as long a method took until it had the plan's objective
within 0.1 %, against the plan's solving; "not reached" means that it had not when it stopped. CBC
gets the gap of the plan, two threads and 300 s, PuLP's building counted; PuLP calls a result
"Optimal" also where CBC was stopped, so its word is not taken. The targets are {
    ", ".join(f"{times:g}x at {size:,}" for size, times in AGAINST_CBC)
} requests."""
