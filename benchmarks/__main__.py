"""Speed and memory, as `make bench` shows them: medians, and ratios within the same run."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.planning_speed import CASES, MIN_MEAN_QUALITY, planning_table
from benchmarks.predict_speed import load_table, predict_table
from benchmarks.scale.comparison import Options, compare
from benchmarks.scale.instance import Form
from benchmarks.scale.report import tables
from benchmarks.timing import machine
from benchmarks.workloads import DATA, trace_path

RUNS = 5
TIME_LIMIT_S = 5.0
OTHERS_S = 20.0


def main() -> None:
    """Run every benchmark, one after the other."""
    print(machine())
    _print(f"Loading, medians of {RUNS}", load_table(RUNS))
    _print(f"Predicting, medians of {RUNS}", predict_table(1_000_000, 8, RUNS))
    title = (
        f"Planning on the default fleet, mean quality at least {MIN_MEAN_QUALITY}, medians of "
        f"{RUNS}, the worst gap; time limit {TIME_LIMIT_S:g} s; naive CP-SAT once"
    )
    _print(title, planning_table(CASES, RUNS, TIME_LIMIT_S))
    _print(
        "Planning at scale, in short; `python -m benchmarks.scale --help` has the rest", _scale()
    )
    if trace_path(DATA, "conv").is_file():
        print("\nThe Azure traces on the paper's fleet\n", flush=True)
        # A process of its own, so that its peak memory is its own.
        subprocess.run([sys.executable, "-m", "benchmarks.azure"], check=True)


def _scale() -> str:
    """Compare the methods on two small instances."""
    options = Options(RUNS, cbc_s=OTHERS_S, cpsat_s=OTHERS_S)
    forms: tuple[Form, ...] = ("shares", "deadline")
    return tables([row for form in forms for row in compare(form, 1_000, 3, options)])


def _print(title: str, text: str) -> None:
    print(f"\n{title}\n\n{text}", flush=True)


if __name__ == "__main__":
    main()
