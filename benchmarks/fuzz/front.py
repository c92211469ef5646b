"""Draws fronts and checks their lines: in order, not dominated, proven as they say."""

from __future__ import annotations

import itertools
from random import Random

import httpx

from benchmarks.fuzz.calls import strict
from benchmarks.fuzz.catalogue import Json
from benchmarks.fuzz.faults import TOLERANCE, Faults
from benchmarks.fuzz.question import Question
from benchmarks.fuzz.refusals import STATUS

AXES = {
    "energy": "energy_joules",
    "makespan": "makespan_seconds",
    "mean_quality": "mean_quality",
    "carbon": "carbon_grams",
    "money": "money",
}


def draw_front(rng: Random) -> Json:
    """Return which front to ask for."""
    names = [*AXES, "energy", "makespan", "mean_quality"]
    first = rng.choice(names)
    second = rng.choice([name for name in names if name != first])
    return {"axes": [first, second], "points": rng.choice([2, 3, 5])}


def check_front(asked: Question, response: httpx.Response) -> tuple[str, list[str]]:
    """Return how a call of `/plan/frontier` ended, and what is wrong with that."""
    faults = Faults()
    if response.status_code != 200:
        problem = strict(response.content)
        name = str(problem["type"]).rpartition(":")[2]
        faults.expect(STATUS.get(name) == response.status_code, f"refused as {name}")
        return name, faults.found
    lines = [strict(line) for line in response.content.splitlines()]
    kinds = [line["type"] for line in lines]
    if kinds[-1] == "problem":
        problem = lines[-1]["problem"]
        name = str(problem["type"]).rpartition(":")[2]
        faults.expect(name in STATUS, f"ended by the problem {name}")
        return name, faults.found
    in_order = ["ends", *["point"] * (len(lines) - 2), "summary"]
    if faults.expect(kinds == in_order, f"lines: {kinds}"):
        _check_lines(asked, lines[0], lines[1:-1], lines[-1], faults)
    return "front", faults.found


def _check_lines(
    asked: Question, ends: Json, points: list[Json], summary: Json, faults: Faults
) -> None:
    axes = asked.terms["frontier"]["axes"]
    faults.expect(ends["axes"] == axes, f"axes: {ends['axes']}")
    faults.expect({ends["limited"], ends["minimised"]} == set(axes), "limited and minimised")
    faults.expect([end["axis"] for end in ends["ends"]] == axes, "ends: one for each axis")
    faults.expect(summary["points"] == len(points), f"points: {summary['points']}")
    faults.expect([p["index"] for p in points] == list(range(len(points))), "indices")
    values = [[_value(point, axis) for axis in axes] for point in points]
    signs = [-1.0 if axis == "mean_quality" else 1.0 for axis in axes]
    for before, after in itertools.pairwise(values):
        faults.expect(before[0] < after[0] * (1 + TOLERANCE), f"order: {before}, {after}")
        worse = [(a - b) * sign >= 0.0 for b, a, sign in zip(before, after, signs, strict=True)]
        faults.expect(not all(worse), f"{after} is dominated by {before}")
        faults.expect(any(worse), f"{before} is dominated by {after}")
    for point in points:
        _check_proof(point, ends["minimised"], faults)
    for end in ends["ends"]:
        _check_proof(end, end["axis"], faults)


def _value(line: Json, axis: str) -> float:
    return float(line[AXES[axis]])


def _check_proof(line: Json, axis: str, faults: Faults) -> None:
    value, upper = _value(line, axis), axis == "mean_quality"
    bound = line["upper_bound" if upper else "lower_bound"]
    faults.expect(line["lower_bound" if upper else "upper_bound"] is None, "both bounds")
    if bound is not None:
        room = bound - value if upper else value - bound
        faults.expect(room >= -TOLERANCE * abs(value), f"{axis}: bound {bound} beyond {value}")
        if line["gap"] is not None and value > 0.0:
            faults.at_most(max(0.0, room) / value, line["gap"], f"{axis}: gap", 1e3 * TOLERANCE)
    optimal = line["gap"] is not None and line["gap"] <= 1e-6
    faults.expect((line["status"] == "optimal") == optimal, f"{line['status']} at {line['gap']}")
    if "placements" in line:
        total = sum(entry["energy_joules"] for entry in line["placements"])
        faults.at_most(total, line["energy_joules"], "energy of placements", TOLERANCE)
