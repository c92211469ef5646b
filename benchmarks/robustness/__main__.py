"""Confidence against what is kept, on held-out lengths and held-out errors.

    python -m benchmarks.robustness [--batches N] [--replays N] [--seed N] [--data DIR]

Each batch is planned once for each confidence, and replayed: bootstrap batches with the same
prompts' bins, whose answers are drawn from the held-out half of the trace, and whose runtimes are
off as the cost models were off at held-out grid points.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.markdown import percent, table
from benchmarks.robustness.study import CONFIDENCES, Result, judge, make_cases
from benchmarks.timing import machine
from benchmarks.workloads import DATA, trace_path

HEADER = (
    "confidence %", "kept %", "stated %", "padding", "MJ", "price %", "realised / predicted J",
    "hindsight padding", "its kept %", "its MJ", "joules over hindsight", "refused",
)  # fmt: skip


def row(result: Result) -> list[str]:
    """Return one row of the table."""
    best_j = result.hindsight_j
    return [
        percent(result.confidence, 0),
        percent(result.kept),
        percent(result.estimated),
        f"{result.padding:.3f}",
        f"{result.energy_j / 1e6:.3f}",
        percent(result.extra_ratio),
        f"{result.realised_j / result.energy_j:.3f}",
        "-" if result.hindsight_padding is None else f"{result.hindsight_padding:.3f}",
        percent(result.hindsight_kept),
        "-" if best_j is None else f"{best_j / 1e6:.3f}",
        "-" if best_j is None else f"{result.energy_j / best_j:.3f}",
        str(result.refused),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.robustness")
    parser.add_argument("--batches", type=int, default=10, help="batches planned")
    parser.add_argument("--replays", type=int, default=100, help="bootstrap batches for each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the traces")
    options = parser.parse_args(arguments)
    if not trace_path(options.data, "conv").is_file():
        print("The Azure traces are not there; name their folder by --data.", file=sys.stderr)
        raise SystemExit(2)
    print(machine(), end="\n\n", flush=True)
    cases = make_cases(options.data, options.batches, options.replays, options.seed)
    rows = []
    for confidence in CONFIDENCES:
        rows.append(row(judge(cases, confidence)))
        print(f"confidence {confidence:g}: done", file=sys.stderr, flush=True)
    print(table(HEADER, rows))


if __name__ == "__main__":
    main()
