"""A plan for people: where the requests run, what that costs, what it saves, what to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from costmodel.nearest import counted
from service.problems import AlikeErrors, FieldError

Json = Mapping[str, Any]
EQUAL_QUALITY = "query_blind_split"
WIDTH_OF_FILES = 160
"""Columns where the output is no terminal, so that nothing is cut."""


def print_plan(plan: Json, fleet: str) -> None:
    """Print the answer of `/plan` on standard output, and the name of the fleet that it is over."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=WIDTH_OF_FILES)
    console.print(usage_table(plan))
    console.print(baseline_table(plan))
    console.print(f"fleet     {fleet}", soft_wrap=True)
    for line in totals(plan):
        console.print(line, soft_wrap=True)


def usage_table(plan: Json) -> Table:
    """Tabulate the placements that the plan uses, the one with the most requests first."""
    table = _table("Where the requests run", "LLM", "pool", "device")
    for heading in ("concurrency", "requests", "kJ", "J each", "busy s", "utilisation"):
        table.add_column(heading, justify="right")
    used = [placement for placement in plan["placements"] if placement["requests"]]
    for row in sorted(used, key=lambda placement: -placement["requests"]):
        table.add_row(
            row["llm"],
            row["pool"],
            row["device"],
            str(row["concurrency"]),
            f"{row['requests']:,}",
            f"{row['energy_joules'] / 1e3:,.3f}",
            f"{row['energy_joules'] / row['requests']:,.2f}",
            f"{row['busy_seconds']:,.2f}",
            "" if row["utilisation"] is None else f"{row['utilisation']:.1%}",
        )
    return table


def baseline_table(plan: Json) -> Table:
    """Tabulate the other ways to place the same requests, feasible ones first."""
    table = _table("Other ways to place them", "baseline")
    for heading in ("kJ", "makespan s", "quality", "plan saves"):
        table.add_column(heading, justify="right")
    rows = [row for row in plan["baselines"] if row["energy_joules"] is not None]
    for row in sorted(rows, key=lambda row: (not row["feasible"], row["energy_joules"])):
        saving = row["saving_ratio"]
        table.add_row(
            row["name"],
            f"{row['energy_joules'] / 1e3:,.3f}",
            f"{row['makespan_seconds']:,.2f}",
            _quality(row["mean_quality"]),
            "breaks a limit" if saving is None else f"{saving:.1%}",
        )
    return table


def totals(plan: Json) -> Iterator[str]:
    """Yield the lines below the tables."""
    energy = plan["energy_joules"]
    requests = sum(placement["requests"] for placement in plan["placements"])
    parts = ", ".join(
        f"{name} {energy[name] / 1e3:,.3f}" for name in ("requests", "underfill", "loading", "idle")
    )
    what = f"{energy['value'] / 1e3:,.3f} kJ{_interval(energy)}"
    yield f"energy    {what} for {counted(requests, 'request')}"
    yield f"          of these {parts}"
    yield f"makespan  {plan['makespan_seconds']:,.2f} s"
    yield f"quality   {_quality(plan['mean_quality'])} (token-weighted mean)"
    yield f"status    {plan['status']}, {_gap(plan)}"
    yield f"saving    {_saving(plan)}"
    if plan["unplaceable"]:
        yield f"left out  {counted(len(plan['unplaceable']), 'request')}: no placement takes them"
        errors = AlikeErrors(
            FieldError(str(one["id"]), one["reason"]) for one in plan["unplaceable"]
        )
        for error in errors.errors():
            yield f"          {error.pointer}: {error.detail}"
    for warning in plan["warnings"]:
        yield f"warning   {warning['code']}: {warning['message']}"


def _table(title: str, *headings: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def _gap(plan: Json) -> str:
    gap = "no gap" if plan["gap"] is None else f"gap {plan['gap']:.4%}"
    cut = ", cut by the clock" if plan["cut_by_clock"] else ""
    return (
        f"{gap} (objective {plan['objective']:.6g}, no plan below {plan['lower_bound']:.6g}){cut}"
    )


def _saving(plan: Json) -> str:
    for row in plan["baselines"]:
        if row["name"] == EQUAL_QUALITY and row["saving_ratio"] is not None:
            return f"{row['saving_ratio']:.1%} at equal mean quality ({EQUAL_QUALITY})"
    return f"not known at equal mean quality: {EQUAL_QUALITY} breaks a limit here"


def _interval(energy: Json) -> str:
    if energy["low"] is None or energy["high"] is None:
        return ""
    return f" (90 % interval {energy['low'] / 1e3:,.3f} to {energy['high'] / 1e3:,.3f})"


def _quality(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
