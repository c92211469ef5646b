"""Starts the planning service, posts 1,000 example requests, prints the plan, stops the service."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import httpx
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from examples.local_service import running_service
from examples.make_workload import BODY, DEADLINE_SECONDS, MIN_MEAN_QUALITY

EQUAL_QUALITY = "query_blind_split"


def main() -> None:
    """Run the demonstration; any answer but a plan ends it with exit status 1."""
    console = Console(soft_wrap=True)
    body = BODY.read_bytes()
    with running_service() as url:
        begin = time.perf_counter()
        answer = httpx.post(
            f"{url}/plan", content=body, headers={"content-type": "application/json"}, timeout=120.0
        )
        took_s = time.perf_counter() - begin
    if answer.is_error:
        console.print(f"[red]{answer.status_code}[/red] {answer.text}")
        sys.exit(1)
    plan = answer.json()
    console.print(placement_table(plan), baseline_table(plan), sep="\n")
    console.print(summary(plan), f"answered in {took_s:.2f} s", sep="\n")


def placement_table(plan: Mapping[str, Any]) -> Table:
    """Tabulate the placements that the plan uses, the one with the most requests first."""
    table = _table("Where the requests run")
    for heading in ("LLM", "pool"):
        table.add_column(heading, no_wrap=True)
    for heading in ("conc.", "requests", "kJ", "J each"):
        table.add_column(heading, justify="right")
    used = [placement for placement in plan["placements"] if placement["requests"]]
    for row in sorted(used, key=lambda placement: -placement["requests"]):
        table.add_row(
            row["llm"],
            row["pool"],
            str(row["concurrency"]),
            str(row["requests"]),
            f"{row['energy_joules'] / 1e3:,.1f}",
            f"{row['energy_joules'] / row['requests']:,.1f}",
        )
    return table


def baseline_table(plan: Mapping[str, Any]) -> Table:
    """Tabulate the other ways to place the same requests, feasible ones first."""
    table = _table("Other ways to place them")
    table.add_column("baseline", no_wrap=True)
    for heading in ("kJ", "makespan s", "quality", "plan saves"):
        table.add_column(heading, justify="right")
    for row in sorted(
        plan["baselines"], key=lambda row: (not row["feasible"], row["energy_joules"])
    ):
        saving = row["saving_ratio"]
        table.add_row(
            row["name"],
            f"{row['energy_joules'] / 1e3:,.1f}",
            f"{row['makespan_seconds']:,.1f}",
            _quality(row["mean_quality"]),
            f"{saving:.1%}" if saving is not None else "infeasible",
        )
    return table


def summary(plan: Mapping[str, Any]) -> str:
    """Say what the plan costs, what it saves at equal quality and how sure that is."""
    energy = plan["energy_joules"]
    requests = sum(placement["requests"] for placement in plan["placements"])
    saving = next(
        (row["saving_ratio"] for row in plan["baselines"] if row["name"] == EQUAL_QUALITY), None
    )
    saved = "not comparable" if saving is None else f"{saving:.1%}"
    warnings = "".join(f"\nwarning: {w['message']}" for w in plan["warnings"])
    parts = ", ".join(
        f"{name} {energy[name] / 1e3:,.1f}" for name in ("requests", "underfill", "loading", "idle")
    )
    return (
        f"{requests:,} requests: {energy['value'] / 1e3:,.1f} kJ{_interval(energy)}: {parts}\n"
        f"deadline {DEADLINE_SECONDS:,.0f} s, makespan {plan['makespan_seconds']:,.1f} s, "
        f"mean quality {_quality(plan['mean_quality'])}, floor {MIN_MEAN_QUALITY:.3f}\n"
        f"saving at equal quality, against the best split blind to the requests: {saved}\n"
        f"status {plan['status']}, gap to the proven lower bound {plan['gap']:.2%}{warnings}"
    )


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )


def _quality(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _interval(energy: Mapping[str, Any]) -> str:
    if energy["low"] is None or energy["high"] is None:
        return ""
    return f" (90 % interval {energy['low'] / 1e3:,.1f} to {energy['high'] / 1e3:,.1f})"


if __name__ == "__main__":
    main()
