"""A plan for people: where the requests run, what that costs, what it saves, what to know."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from commandline.tables import print_table
from costmodel.nearest import counted
from service.problems import AlikeErrors, FieldError

Json = Mapping[str, Any]
EQUAL_QUALITY = "query_blind_split"
_USED = (
    *("LLM", "pool", "device", "concurrency"),
    *("requests", "kJ", "J each", "busy s", "utilisation"),
)
_BASELINES = ("baseline", "kJ", "makespan s", "quality", "plan saves")


def print_plan(plan: Json, fleet: str) -> None:
    """Print the answer of `/plan` on standard output, and the name of the fleet that it is over."""
    print_table("Where the requests run", _USED, used_rows(plan), names=3)
    print_table("Other ways to place them", _BASELINES, baseline_rows(plan))
    for line in (f"fleet     {fleet}", *totals(plan)):
        sys.stdout.write(f"{line}\n")


def used_rows(plan: Json) -> list[list[str]]:
    """Return a row of each placement that the plan uses, the one with the most requests first."""
    used = [placement for placement in plan["placements"] if placement["requests"]]
    return [
        [
            row["llm"],
            row["pool"],
            row["device"],
            str(row["concurrency"]),
            f"{row['requests']:,}",
            f"{row['energy_joules'] / 1e3:,.3f}",
            f"{row['energy_joules'] / row['requests']:,.2f}",
            f"{row['busy_seconds']:,.2f}",
            "" if row["utilisation"] is None else f"{row['utilisation']:.1%}",
        ]
        for row in sorted(used, key=lambda placement: -placement["requests"])
    ]


def baseline_rows(plan: Json) -> list[list[str]]:
    """Return a row of each other way to place the same requests, feasible ones first."""
    rows = [row for row in plan["baselines"] if row["energy_joules"] is not None]
    return [
        [
            row["name"],
            f"{row['energy_joules'] / 1e3:,.3f}",
            f"{row['makespan_seconds']:,.2f}",
            _quality(row["mean_quality"]),
            "infeasible" if row["saving_ratio"] is None else f"{row['saving_ratio']:.1%}",
        ]
        for row in sorted(rows, key=lambda row: (not row["feasible"], row["energy_joules"]))
    ]


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


def _gap(plan: Json) -> str:
    gap = "no gap" if plan["gap"] is None else f"gap {plan['gap']:.4%}"
    cut = ", cut by the clock" if plan["cut_by_clock"] else ""
    return (
        f"{gap} (objective {plan['objective']:.6g}, no plan below {plan['lower_bound']:.6g}){cut}"
    )


def _saving(plan: Json) -> str:
    of_name = {row["name"]: row["saving_ratio"] for row in plan["baselines"]}
    if (saving := of_name.get(EQUAL_QUALITY)) is not None:
        return f"{saving:.1%} at equal mean quality ({EQUAL_QUALITY})"
    why = f"{EQUAL_QUALITY} is infeasible here"
    if plan["mean_quality"] is None:
        why = "an LLM of the plan has no score"
    elif EQUAL_QUALITY not in of_name:
        why = f"{EQUAL_QUALITY} was not found"
    return f"not known at equal mean quality: {why}"


def _interval(energy: Json) -> str:
    if energy["low"] is None or energy["high"] is None:
        return ""
    return f" (90 % interval {energy['low'] / 1e3:,.3f} to {energy['high'] / 1e3:,.3f})"


def _quality(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
