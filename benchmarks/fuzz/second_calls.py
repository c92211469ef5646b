"""Checks an answer by calling again: what it needs, what it proves, that it is the same."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

import httpx

from benchmarks.fuzz.calls import FuzzCase, read_answer
from benchmarks.fuzz.catalogue import Json
from benchmarks.fuzz.outcomes import CaseOutcome
from benchmarks.fuzz.question import Question
from benchmarks.fuzz.refusals import looser, with_limit

Post = Callable[[FuzzCase], httpx.Response]
"""Posts a case to `/plan` and waits for the answer."""
AGAIN = 0.15
"""Share of plans that are asked for again."""
LIMIT_S = 3.0
"""Time limit of what is only asked to check another answer."""
MAX_STATED = {"seconds": 1e8, "joules": 1e15, "grams": 1e12, "money": 1e15}
"""Largest limit that a call may state, by its unit; more may be needed, and is told."""


def check_again(
    rng: Random, post: Post, asked: Question, response: httpx.Response, outcome: CaseOutcome
) -> None:
    """Add the faults that second calls show to an outcome."""
    if outcome.faults or outcome.ended not in ("optimal", "feasible", "infeasible"):
        return
    answer = read_answer(response.content, response.headers["content-type"])
    if outcome.ended == "infeasible":
        _relaxations_are_true(rng, post, asked, answer, outcome)
    elif rng.random() < AGAIN:
        _plan_comes_again(post, asked, answer, outcome)
        _bound_holds(rng, post, asked, answer, outcome)


def _patient(case: FuzzCase) -> FuzzCase:
    terms = copy.deepcopy(case.terms)
    terms["solver"] = {**terms["solver"], "time_limit_seconds": LIMIT_S}
    return replace(case, terms=terms)


def _posted(post: Post, case: FuzzCase, outcome: CaseOutcome) -> httpx.Response:
    """Post a second call, which is to keep its time as the first."""
    begin = time.perf_counter()
    response = post(case)
    seconds = time.perf_counter() - begin
    outcome.calls += 1
    if seconds > case.allowed_s:
        late = f"{seconds:.2f} s where {case.allowed_s:.2f} s are allowed"
        outcome.faults.append(f"a second call, {response.status_code}: {late}")
    return response


def _relaxations_are_true(
    rng: Random, post: Post, asked: Question, problem: Json, outcome: CaseOutcome
) -> None:
    case = _patient(asked.case)
    # What is needed is needed as predicted.
    case.terms.get("constraints", {}).pop("confidence", None)
    for entry in filter(_can_be_stated, problem["relaxations"][:2]):
        name = entry["constraint"]
        mended = _posted(post, with_limit(case, name, entry["needed"]), outcome)
        _expect_plan(f"{name} at needed {entry['needed']}", mended, outcome)
        minimum, given = entry["needed_lower_bound"], entry["given"]
        sign, counted = looser(name), name.startswith("min_requests/")
        tighter = minimum + 1.0 if counted else minimum - sign * 1e-3 * abs(minimum - given)
        if (tighter - given) * sign > 0.0 and (tighter - minimum) * sign < 0.0:
            beyond = _posted(post, with_limit(case, name, tighter), outcome)
            if beyond.status_code == 200:
                outcome.faults.append(
                    f"{name} at {tighter}, tighter than needed_lower_bound {minimum}: has a plan"
                )
    joint = problem["joint_relaxation"]
    if joint and rng.random() < 0.5 and all(map(_can_be_stated, joint)):
        for entry in joint:
            case = with_limit(case, entry["constraint"], entry["needed"])
        _expect_plan("joint_relaxation", _posted(post, case, outcome), outcome)


def _can_be_stated(entry: Json) -> bool:
    unit = entry["constraint"].rpartition("_")[2]
    return bool(entry["needed"] <= MAX_STATED.get(unit, math.inf))


def _expect_plan(what: str, response: httpx.Response, outcome: CaseOutcome) -> None:
    """A verified plan is there; finding it anew may take longer than there is time."""
    if response.status_code not in (200, 503):
        outcome.faults.append(f"{what}: {response.status_code} {response.text[:300]}")


def _plan_comes_again(post: Post, asked: Question, answer: Json, outcome: CaseOutcome) -> None:
    if answer["cut_by_clock"]:
        return
    again = _posted(post, asked.case, outcome)
    repeated = read_answer(again.content, again.headers["content-type"])
    if again.status_code == 200 and repeated["cut_by_clock"]:
        return
    same = ("objective", "lower_bound", "assignments", "baselines", "energy_joules")
    if again.status_code != 200 or any(repeated[name] != answer[name] for name in same):
        outcome.faults.append("the same call gave another plan, and neither was cut by the clock")


def _bound_holds(
    rng: Random, post: Post, asked: Question, answer: Json, outcome: CaseOutcome
) -> None:
    """Another seed and more time find no plan below the bound, nor a bound above the plan."""
    case = _patient(asked.case)
    case.terms["solver"].update(seed=rng.randrange(1000), relative_gap=0.0)
    other = _posted(post, case, outcome)
    if other.status_code != 200:
        if other.status_code != 503:
            outcome.faults.append(f"with another seed: {other.status_code} {other.text[:300]}")
        return
    other_answer = read_answer(other.content, other.headers["content-type"])
    for one, two in ((answer, other_answer), (other_answer, answer)):
        size = 1e-6 * max(abs(one["objective"]), abs(two["objective"]))
        if "confidence" not in asked.constraints and one["lower_bound"] > two["objective"] + size:
            outcome.faults.append(
                f"lower_bound {one['lower_bound']} is above a plan's {two['objective']}"
            )
