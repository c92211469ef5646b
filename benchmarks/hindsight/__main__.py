"""Single decisions against the plan that knew the hour, on Azure's conversation trace.

    python -m benchmarks.hindsight [--deadlines SECONDS ...] [--shared-deadlines SECONDS ...]
        [--seeds N ...] [--out DIR]

The trace arrives as it did. One study is of the paper's fleet with its counts raised, always on,
one request at a time on a device; requests that Llama 2 cannot hold are left out. The other is of
devices that requests share, and of several copies of the trace. Decisions know what has arrived;
the plan knows all.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.fleets import default_fleet, paper_fleet
from benchmarks.hindsight.fleets import deployments, shared_deployments
from benchmarks.hindsight.page import ABOVE, ARRIVING, DECISIONS, Study, draw, page, summary
from benchmarks.hindsight.policies import LeastLoaded, Sidecar, least_joules, round_robin
from benchmarks.hindsight.replay import Hour, Replay
from benchmarks.hindsight.setting import COPIES, FLOOR, HORIZON_S, NOISE, PERIOD_S, SHARED_FLOOR
from benchmarks.hindsight.shared_replay import SharedReplay
from benchmarks.workloads import CONTEXT_TOKENS, DATA, trace_path, without_limits
from costmodel.arrays import FloatArray
from costmodel.catalogue import Catalogue
from costmodel.moments import read_moment
from costmodel.workload import Workload
from costmodel.zones import UNIVERSAL
from planner.inputs import Limits
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import Plan, SolverOptions
from service.calls.fleet.placements import Candidates
from service.calls.planner_service import CallLimits, PlannerService


def read_hour(path: Path, deadline_s: float, seed: int) -> Hour:
    """Read the trace with its times of arrival."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [
            (
                read_moment(row["TIMESTAMP"], UNIVERSAL).at_s,
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
        noise=_noise(len(fitting), seed),
    )


def copied(hour: Hour, copies: int, seed: int) -> Hour:
    """Return an hour of several times the traffic: copies of it, turned evenly around the clock.

    Each copy begins with another part of the hour, so the mean rate of arrival is the multiple,
    and the requests are the same ones. Each has noise of its own.
    """
    turned = [(hour.arrival_s + copy * HORIZON_S / copies) % HORIZON_S for copy in range(copies)]
    arrival_s = np.concatenate(turned)
    order = np.argsort(arrival_s, kind="stable")
    return Hour(
        arrival_s=arrival_s[order],
        input_tokens=np.tile(hour.input_tokens, copies)[order],
        output_tokens=np.tile(hour.output_tokens, copies)[order],
        deadline_s=hour.deadline_s,
        noise=_noise(len(arrival_s), seed),
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


def study(hour: Hour, fleet: Candidates, floor: float, *, shared: bool = False) -> Study:
    """Plan the hour, and let every policy decide it.

    Parameters
    ----------
    hour
        What arrives.
    fleet
        Where it runs.
    floor
        Floor on the mean quality.
    shared
        Whether requests share a device.
    """
    problem, found = hindsight(hour, fleet, floor)
    energy_j, runtime_s = problem.costs.energy_j, problem.costs.device_seconds
    replay: Replay | SharedReplay = Replay(fleet, hour, energy_j, runtime_s, HORIZON_S)
    if shared:
        replay = SharedReplay(fleet, hour, HORIZON_S)
    limits = CallLimits(100_000, 10_000_000, 1_000_000, 120.0)
    sidecar = Sidecar(fleet, PlannerService(Catalogue({}), fleet, limits), hour, floor, PERIOD_S)
    loaded = LeastLoaded(fleet)
    outcomes = {
        ARRIVING: replay.run(lambda index, _: int(found.placement[index])),
        DECISIONS: replay.run(sidecar.choose, sidecar.ended),
        "least joules": replay.run(least_joules(energy_j, fleet)),
        ABOVE: replay.run(least_joules(energy_j, fleet, floor)),
        "round robin": replay.run(round_robin(fleet)),
        "least loaded": replay.run(loaded.choose, loaded.ended),
    }
    return Study(hour.deadline_s, floor, len(hour), found, outcomes, shared)


def _noise(count: int, seed: int) -> FloatArray:
    return np.exp(np.random.default_rng(seed).normal(0.0, NOISE, count))


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay the hour and print what each policy took."""
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.hindsight")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with azure2023/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the noise")
    parser.add_argument(
        "--deadlines", type=float, nargs="*", default=[300.0], help="from arrival [s]"
    )
    parser.add_argument(
        "--shared-deadlines", type=float, nargs="*", default=[60.0], help="where devices are shared"
    )
    parser.add_argument("--out", type=Path, help="folder for hindsight.md and its plots")
    options = parser.parse_args(arguments)
    path = trace_path(options.data, "conv")
    if not path.is_file():
        print("The Azure traces are not there; name their folder by --data.", file=sys.stderr)
        raise SystemExit(2)
    fleet, shared = deployments(paper_fleet()), shared_deployments(default_fleet())
    alone, together = [], []
    for seed in options.seeds:
        for deadline_s in options.deadlines:
            alone.append(_print_study(study(read_hour(path, deadline_s, seed), fleet, FLOOR)))
        for deadline_s in options.shared_deadlines:
            hour = copied(read_hour(path, deadline_s, seed), COPIES, seed)
            together.append(_print_study(study(hour, shared, SHARED_FLOOR, shared=True)))
    if options.out is not None:
        text = page(alone, together, options.seeds)
        (options.out / "hindsight.md").write_text(text, encoding="utf-8")
        for studies, name in ((alone, "hindsight.png"), (together, "hindsight-shared.png")):
            if studies:
                draw(studies, options.out / name)


def _print_study(found: Study) -> Study:
    print(f"deadline {found.deadline_s:g} s", summary(found), sep="\n\n", end="\n\n", flush=True)
    return found


if __name__ == "__main__":
    main()
