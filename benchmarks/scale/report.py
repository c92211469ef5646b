"""Results as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from benchmarks.markdown import small, table

HEADER = [
    "method", "parse s", "predict s", "solve s", "write s", "total s", "CPU s", "peak MB",
    "objective", "bound", "gap", "broken limits", "time to our objective",
]  # fmt: skip
SLOW_DISAGREES = "the slow rules disagree"


def tables(results: Iterable[dict[str, Any]]) -> str:
    """Write one table for each instance."""
    parts = []
    for _, group in groupby(results, key=instance_key):
        rows = list(group)
        text = table(HEADER, [line(row) for row in rows])
        parts.append(f"### {title(rows[0])}\n\n{text}")
    return "\n\n".join(parts)


def instance_key(row: dict[str, Any]) -> tuple[str, int, int]:
    """Return what tells instances apart."""
    return row["form"], row["requests"], row["placements"]


def title(row: dict[str, Any]) -> str:
    """Name an instance in words."""
    due = row["deadline_s"]
    until = "" if due is None else f", deadline {due:,.0f} s"
    what = f"{row['requests']:,} requests x {row['placements']} placements"
    return f"{row['form'].capitalize()}: {what}, {row['devices']:,} devices{until}"


def line(row: dict[str, Any]) -> list[str]:
    """Write one method's result."""
    if not row["runs"]:
        return [row["method"], *["-"] * 10, row["word"], "-"]
    seconds = row["seconds"]
    parts = [seconds.get(part) for part in ("parse", "predict", "solve", "write")]
    if row["method"].startswith("http"):
        parts = [None, seconds.get("server predict"), seconds.get("server solve"), None]
    peak = row["peak_mb"]
    return [
        row["method"],
        *(_seconds(part) for part in parts),
        _seconds(seconds["total"]),
        _seconds(row.get("cpu_s")),
        "-" if peak is None else f"{peak:,.0f}",
        _cost(row["objective"], row["unit"]),
        _cost(row["bound"], row["unit"]),
        "-" if row["gap"] is None else small(row["gap"]),
        broken(row),
        row.get("against_plan", "-"),
    ]


def broken(row: dict[str, Any]) -> str:
    """Say which limits a schedule breaks, or why there is none."""
    if row["objective"] is None:
        return str(row["word"])
    names = [str(words).split(" ")[0] for words in row.get("broken", [])]
    parts = [", ".join(names) or "none"]
    if row.get("slow_rules") is False:
        parts.append(SLOW_DISAGREES)
    if "stopped" in row["word"] or "clock" in row["word"]:
        parts.append(row["word"])
    return "; ".join(parts)


def bars_table(bars: Sequence[tuple[str, str, str, bool]]) -> str:
    """Write each bar with its target, what was seen, and whether it is met."""
    rows = [[name, target, seen, "met" if met else "missed"] for name, target, seen, met in bars]
    return table(["bar", "target", "seen", ""], rows)


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value < 1.0 else f"{value:.2f}"


def _cost(value: float | None, unit: str) -> str:
    """Write joules as megajoules and grams as kilograms."""
    if value is None:
        return "-"
    return f"{value / 1e6:,.4f} MJ" if unit == "J" else f"{value / 1e3:,.4f} kg"
