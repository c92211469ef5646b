"""Random calls over HTTP, each answer checked: no 500, no broken arithmetic, none over its time.

    python -m benchmarks.fuzz [--calls N] [--seed N] [--url URL]

A case that is drawn by a seed is drawn again by the same one: `--calls 1 --seed N`. The exit status
is 1 where an answer was wrong or late.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

from benchmarks.fuzz.outcomes import CaseOutcome, describe
from benchmarks.fuzz.run import Fuzzer
from benchmarks.timing import machine
from examples.local_service import running_service


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the calls and print what came of them."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.fuzz")
    parser.add_argument("--calls", type=int, default=2000, help="cases that are drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    parser.add_argument("--url", help="of a running service; one is started where left out")
    parser.add_argument("--callers", type=int, default=1, help="cases at once")
    options = parser.parse_args(arguments)
    settings = {
        "JOULEPLAN_WORKERS": str(options.callers),
        "JOULEPLAN_LOG_LEVEL": "ERROR",
    }
    seeds = range(options.seed, options.seed + options.calls)
    with running_service(settings) if options.url is None else nullcontext(options.url) as url:
        outcomes = fuzz(url, seeds, options.callers)
    print(machine(), end="\n\n")
    print(describe(outcomes))
    return int(any(outcome.faults or outcome.late for outcome in outcomes))


def fuzz(url: str, seeds: Iterable[int], callers: int = 1) -> list[CaseOutcome]:
    """Make the calls of some seeds, and say at once where one is wrong or late."""

    def one(fuzzer: Fuzzer, seed: int) -> CaseOutcome:
        outcome = fuzzer.case(seed)
        for fault in outcome.faults:
            print(f"seed {seed}, {outcome.kind}, {outcome.ended}: {fault}", file=sys.stderr)
        if outcome.late:
            late = f"{outcome.seconds:.2f} s where {outcome.allowed_s:.2f} s are allowed"
            print(f"seed {seed}, {outcome.kind}, {outcome.ended}: {late}", file=sys.stderr)
        return outcome

    with Fuzzer(url) as fuzzer, ThreadPoolExecutor(callers) as pool:
        return list(pool.map(partial(one, fuzzer), seeds))


if __name__ == "__main__":
    raise SystemExit(main())
