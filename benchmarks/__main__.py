"""Speed and memory, as `make bench` shows them: medians, and ratios within the same run."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.planning_speed import CASES, MIN_MEAN_QUALITY, planning_table
from benchmarks.predict_speed import load_table, predict_table
from benchmarks.timing import machine
from benchmarks.workloads import DATA, trace_path

RUNS = 5
TIME_LIMIT_S = 5.0


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
    if trace_path(DATA, "conv").is_file():
        print("\nThe Azure traces on the paper's fleet\n", flush=True)
        # A process of its own, so that its peak memory is its own.
        subprocess.run([sys.executable, "-m", "benchmarks.azure"], check=True)


def _print(title: str, text: str) -> None:
    print(f"\n{title}\n\n{text}", flush=True)


if __name__ == "__main__":
    main()
