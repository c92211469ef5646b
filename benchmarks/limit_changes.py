"""What mends an infeasible batch: how close `needed` and what is proven lie, for every limit.

    python -m benchmarks.limit_changes [--sizes 2000 20000] [--kinds NAME ...] [--time-limit S]

Each batch is planned on a shipped fleet under limits that no plan keeps. One row for each limit
that alone would mend it: what was given, what a verified plan needs, what is proven, and how far
the two are apart. The largest request is the one that takes most of its pool's device-seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.fleets import default_fleet, paper_fleet
from benchmarks.markdown import table
from benchmarks.timing import machine, timed
from benchmarks.workloads import chat_workload
from costmodel.workload import Workload
from planner.errors import InfeasibleError, LimitChange, UndecidedError
from planner.inputs import Limits, Requests, Share
from planner.planning import plan
from planner.problem import PlacementProblem
from planner.result import SolverOptions
from service.calls.fleet.placements import Candidates

SIZES = (2_000, 20_000)
TIME_LIMIT_S = 20.0
OWN_DEADLINES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Deadlines of the requests, as shares of the latest."""


@dataclass(frozen=True)
class Scene:
    """A fleet and what is tight for a request of the shipped example on it.

    Attributes
    ----------
    second_s
        Seconds in which the fleet serves one request, about.
    request_j
        Joules of one request under the floor on quality, about.
    good_pool
        A pool whose LLM the floor on quality needs.
    """

    name: str
    fleet: Candidates
    floor: float
    second_s: float
    request_j: float
    good_llm: str
    cheap_llm: str
    good_pool: str


@dataclass(frozen=True)
class MendingLimit:
    """One limit that would mend a batch; see `LimitChange`."""

    case: str
    fleet: str
    requests: int
    relaxation: LimitChange
    largest: float
    seconds: float

    @property
    def width(self) -> float:
        """Distance of `needed` and what is proven, as a share of `needed`."""
        found = self.relaxation
        return abs(found.needed - found.needed_lower_bound) / abs(found.needed or 1.0)


def scenes() -> tuple[Scene, ...]:
    """Return the shipped fleets: one request at a time with loads, and many at once."""
    return (
        Scene(
            "paper",
            paper_fleet(),
            0.6,
            52.0,
            66_000.0,
            "llama-2-70b-chat",
            "llama-2-7b-chat",
            "4xa100",
        ),
        Scene(
            "default",
            default_fleet(),
            0.7,
            0.004,
            45.0,
            "qwen3-235b-a22b-instruct-2507",
            "llama-3.1-8b-instruct",
            "b200-qwen3-235b",
        ),
    )


Conflict = Callable[[Scene, int], PlacementProblem]


def deadline(scene: Scene, n: int) -> PlacementProblem:
    """Too little time for the floor on quality."""
    end = 0.5 * n * scene.second_s
    return _problem(scene, n, Limits(deadline_s=end, min_mean_quality=scene.floor))


def own_deadlines(scene: Scene, n: int) -> PlacementProblem:
    """Five deadlines of the requests' own, all too early."""
    ends = 0.5 * n * scene.second_s * np.array(OWN_DEADLINES)
    own = np.random.default_rng(0).choice(ends, n)
    return _problem(scene, n, Limits(min_mean_quality=scene.floor), own)


def availability(scene: Scene, n: int) -> PlacementProblem:
    """A least share of an LLM, whose only pool is not there for long enough."""
    limits = Limits(shares={scene.good_llm: Share(0.3, 1.0)})
    problem = _problem(scene, n, limits)
    pools = tuple(
        replace(pool, available_s=0.2 * n * scene.second_s)
        if pool.name == scene.good_pool
        else pool
        for pool in problem.pools
    )
    return replace(problem, pools=pools)


def energy(scene: Scene, n: int) -> PlacementProblem:
    """Too few joules for the floor on quality."""
    cap = 0.6 * n * scene.request_j
    return _problem(scene, n, Limits(max_energy_j=cap, min_mean_quality=scene.floor))


def min_share(scene: Scene, n: int) -> PlacementProblem:
    """A least share of the best LLM that its devices cannot serve in time."""
    end = n * scene.second_s
    shares = {scene.good_llm: Share(0.9, 1.0)}
    return _problem(scene, n, Limits(deadline_s=end, shares=shares))


def min_requests(scene: Scene, n: int) -> PlacementProblem:
    """A least number of requests for the best LLM under a cap on energy."""
    minimum = {scene.good_llm: int(0.9 * n)}
    return _problem(scene, n, Limits(max_energy_j=0.6 * n * scene.request_j, min_requests=minimum))


def max_share(scene: Scene, n: int) -> PlacementProblem:
    """The cheapest LLM may serve few, and yet there is a cap on energy."""
    shares = {scene.cheap_llm: Share(0.0, 0.1)}
    return _problem(scene, n, Limits(max_energy_j=0.2 * n * scene.request_j, shares=shares))


CASES: Mapping[str, Conflict] = {
    "deadline": deadline,
    "own-deadlines": own_deadlines,
    "availability": availability,
    "energy": energy,
    "min-share": min_share,
    "min-requests": min_requests,
    "max-share": max_share,
}


def mending_limits(case: str, scene: Scene, n: int, time_limit_s: float) -> Iterator[MendingLimit]:
    """Plan one batch and yield what would mend it; nothing where it has a plan after all."""
    problem = CASES[case](scene, n)
    seconds, found = timed(lambda: _refusal(problem, SolverOptions(time_limit_s)))
    largest = largest_share(problem)
    for relaxation in found:
        yield MendingLimit(case, scene.name, n, relaxation, largest, seconds)


def largest_share(problem: PlacementProblem) -> float:
    """Return the most that one request takes of the device-seconds of the pool that suits it best.

    The pool's device-seconds are its part, by devices, of what the whole batch takes at least.
    """
    seconds = np.where(problem.eligible, problem.costs.device_seconds, np.inf)
    counts = np.array([pool.count for pool in problem.pools])
    of_pool = counts * seconds.min(axis=1).sum() / counts.sum()
    return float((seconds / of_pool[problem.pool_of]).min(axis=1).max())


def _refusal(problem: PlacementProblem, options: SolverOptions) -> tuple[LimitChange, ...]:
    try:
        plan(problem, options)
    except InfeasibleError as refused:
        return (*refused.relaxations, *refused.joint_relaxation)
    except UndecidedError:
        pass
    return ()


def _problem(
    scene: Scene, n: int, limits: Limits, own: np.ndarray | None = None
) -> PlacementProblem:
    drawn = chat_workload(n, seed=1)
    # Llama 2 holds 4,096 tokens.
    workload = Workload(
        np.minimum(drawn.input_tokens, 2_048), np.minimum(drawn.output_tokens, 2_048)
    )
    deadlines = np.full(n, np.inf) if own is None else own
    requests = Requests(workload, deadlines, np.full(n, -np.inf))
    return PlacementProblem.build(requests, scene.fleet.pools, scene.fleet.placements, limits)


def _row(found: MendingLimit) -> list[str]:
    relaxation = found.relaxation
    return [
        found.fleet,
        f"{found.requests:,}",
        found.case,
        relaxation.constraint,
        f"{relaxation.given:.6g}",
        f"{relaxation.needed:.8g}",
        f"{relaxation.needed_lower_bound:.8g}",
        f"{100.0 * found.width:.4f}",
        f"{100.0 * found.largest:.3f}",
        f"{found.seconds:.1f}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one row for each limit that would mend a batch."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="python -m benchmarks.limit_changes", description=__doc__
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--kinds", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--fleets", nargs="+", choices=("paper", "default"))
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT_S)
    given = parser.parse_args(arguments)
    print(machine(), "\n", flush=True)
    rows = []
    for scene in scenes():
        if given.fleets and scene.name not in given.fleets:
            continue
        for n in given.sizes:
            for case in given.kinds:
                found = [_row(b) for b in mending_limits(case, scene, n, given.time_limit)]
                rows += found or [[scene.name, f"{n:,}", case, *"-" * 7]]
                print(
                    *(" ".join(row) for row in rows[-max(1, len(found)) :]),
                    sep="\n",
                    file=sys.stderr,
                    flush=True,
                )
    header = ["fleet", "requests", "case", "limit", "given", "needed", "needed_lower_bound"]
    print(table([*header, "apart %", "largest request %", "s"], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
