"""Single decisions against the plan that knew the hour, on Azure's conversation trace.

    python -m benchmarks.hindsight [--deadlines SECONDS ...] [--seeds N ...] [--out DIR]

The trace arrives as it did; requests that Llama 2 cannot hold are left out. The fleet is the
paper's with its counts raised, always on. Decisions know what has arrived; the plan knows all.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from benchmarks.fleets import paper_fleet
from benchmarks.hindsight.page import DECISIONS, Study, draw, page, summary
from benchmarks.hindsight.policies import Desk, LeastLoaded, least_joules, round_robin
from benchmarks.hindsight.replay import Hour, Replay
from benchmarks.workloads import CONTEXT_TOKENS, DATA, trace_path, without_limits
from costmodel.catalogue import Catalogue
from costmodel.workload import Workload
from service.calls.planner_service import CallLimits, PlannerService
from service.fleet.placements import Candidates
from service.planning import Limits, Placement, PlacementProblem, Plan, Pool, SolverOptions, plan

COUNTS = {"llama-2-7b-chat": 100, "llama-2-13b-chat": 110, "llama-2-70b-chat": 60}
"""Devices that serve each LLM: a deployment has one."""
HORIZON_S = 3600.0
FLOOR = 0.54
PERIOD_S = 120.0
NOISE = 0.05
"""Standard deviation of the logarithm of measured over predicted: a single trial's (2 to 6 %)."""


def deployments(fleet: Candidates) -> Candidates:
    """Return the fleet as deployments of one LLM each, with these counts, always on."""
    pools: list[Pool] = []
    placements: list[Placement] = []
    for placement in fleet.placements:
        pool = replace(
            fleet.pools[placement.pool],
            name=f"{fleet.pools[placement.pool].name}-{placement.llm}",
            count=COUNTS[placement.llm],
            power_policy="always_on",
        )
        placements.append(replace(placement, pool=len(pools)))
        pools.append(pool)
    return Candidates(tuple(pools), tuple(placements))


def read_hour(path: Path, deadline_s: float, seed: int) -> Hour:
    """Read the trace with its times of arrival."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [
            (
                datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp(),
                int(row["ContextTokens"]),
                max(1, int(row["GeneratedTokens"])),
            )
            for row in csv.DictReader(file)
        ]
    fitting = sorted(row for row in rows if row[1] + row[2] <= CONTEXT_TOKENS)
    arrival = np.array([row[0] for row in fitting])
    return Hour(
        arrival_s=arrival - arrival[0],
        input_tokens=np.array([row[1] for row in fitting], dtype=np.int64),
        output_tokens=np.array([row[2] for row in fitting], dtype=np.int64),
        deadline_s=deadline_s,
        noise=np.exp(np.random.default_rng(seed).normal(0.0, NOISE, len(fitting))),
    )


def hindsight(hour: Hour, fleet: Candidates, floor: float) -> tuple[PlacementProblem, Plan]:
    """Plan the hour as one batch."""
    limits = Limits(
        deadline_s=HORIZON_S + hour.deadline_s, min_mean_quality=floor, horizon_s=HORIZON_S
    )
    workload = Workload(hour.input_tokens, hour.output_tokens)
    problem = PlacementProblem.build(
        without_limits(workload), fleet.pools, fleet.placements, limits
    )
    return problem, plan(problem, SolverOptions(time_limit_s=60.0))


def study(hour: Hour, fleet: Candidates, floor: float) -> Study:
    """Plan the hour, and let every policy decide it."""
    problem, found = hindsight(hour, fleet, floor)
    energy_j, runtime_s = problem.costs.energy_j, problem.costs.device_seconds
    replay = Replay(fleet, hour, energy_j, runtime_s, HORIZON_S)
    limits = CallLimits(100_000, 10_000_000, 1_000_000, 120.0)
    desk = Desk(fleet, PlannerService(Catalogue({}), fleet, limits), hour, floor, PERIOD_S)
    loaded = LeastLoaded(fleet)
    outcomes = {
        DECISIONS: replay.run(desk.choose, desk.ended),
        "least joules": replay.run(least_joules(energy_j)),
        "round robin": replay.run(round_robin(fleet)),
        "least loaded": replay.run(loaded.choose, loaded.ended),
    }
    return Study(hour.deadline_s, floor, len(hour), found, outcomes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay the hour and print what each policy took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hindsight")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with azure2023/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the noise")
    parser.add_argument(
        "--deadlines", type=float, nargs="+", default=[300.0], help="from arrival [s]"
    )
    parser.add_argument("--floor", type=float, default=FLOOR, help="on the mean quality")
    parser.add_argument("--out", type=Path, help="folder for hindsight.md and hindsight.png")
    options = parser.parse_args(arguments)
    path = trace_path(options.data, "conv")
    if not path.is_file():
        print("The Azure traces are not there; name their folder by --data.", file=sys.stderr)
        raise SystemExit(2)
    fleet = deployments(paper_fleet())
    studies = []
    for deadline_s in options.deadlines:
        for seed in options.seeds:
            print(f"deadline {deadline_s:g} s, seed {seed} ...", file=sys.stderr)
            studies.append(study(read_hour(path, deadline_s, seed), fleet, options.floor))
            print(summary(studies[-1]), end="\n\n")
    if options.out is not None:
        (options.out / "hindsight.md").write_text(page(studies, COUNTS), encoding="utf-8")
        draw(studies, options.out / "hindsight.png")


if __name__ == "__main__":
    main()
