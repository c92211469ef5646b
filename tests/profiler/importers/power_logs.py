"""Logs of power that tests write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from costmodel.zones import UNIVERSAL
from profiler.importers.power_log import PowerLog, read_power_log

BEGIN = 1_772_366_400
"""Noon of the first of March 2026 in Greenwich."""


def read_log(folder: Path, header: str, rows: Sequence[str]) -> PowerLog:
    """Read a log of a row each second, `{at}` its moment."""
    path = folder / "power.csv"
    lines = [
        row.replace("{at}", str(BEGIN + second)).replace("{joules}", str(1000 + 300 * second))
        for second, row in enumerate(rows)
    ]
    path.write_text("\n".join([header, *lines]) + "\n")
    return read_power_log(path, UNIVERSAL)


def joules_of(folder: Path, header: str, row: str) -> float:
    """Joules of ten seconds of a log whose rows are alike."""
    return read_log(folder, header, [row] * 20).joules(BEGIN + 5, 10)
