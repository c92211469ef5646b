"""Checks refusals: that what is refused is to be, and that relaxations say the truth."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from benchmarks.fuzz.calls import FuzzCase
from benchmarks.fuzz.catalogue import Json
from benchmarks.fuzz.extras import limits_of
from benchmarks.fuzz.faults import TOLERANCE, Faults
from benchmarks.fuzz.invalid import complaints, lacks_figures, mixes_provenance
from benchmarks.fuzz.question import Question

STATUS = {
    "invalid-request": 422,
    "mixed-provenance": 422,
    "unplaceable": 422,
    "infeasible": 422,
    "confidence-unattained": 422,
    "undecided": 503,
    "timed-out": 503,
}
"""Names of problems that a call of the right form may meet, with their statuses."""


def expected_refusal(asked: Question) -> str | None:
    """Return the name of the refusal that a call must get before it is planned, None for none."""
    if complaints(asked):
        return "invalid-request"
    reported = asked.terms.get("on_unplaceable", "refuse") == "report"
    if asked.unplaceable and (not reported or not asked.planned):
        return "unplaceable"
    if lacks_figures(asked):
        return "invalid-request"
    return "mixed-provenance" if mixes_provenance(asked) else None


def check_refusal(asked: Question, status: int, problem: Json) -> list[str]:
    """Return what is wrong with a refusal of `/plan`."""
    faults = Faults()
    name = str(problem.get("type", "")).removeprefix("urn:jouleplan:problem:")
    if not faults.expect(STATUS.get(name) == status, f"status {status} with problem {name}"):
        return faults.found
    faults.expect(problem["status"] == status, f"status {status} says {problem['status']}")
    faults.expect(problem["title"] and problem["detail"], "a problem without words")
    wanted = expected_refusal(asked)
    before_planning = name in ("invalid-request", "mixed-provenance", "unplaceable")
    faults.expect(
        name == wanted if before_planning or (wanted and status != 503) else True,
        f"refused as {name}, expected {wanted}: {problem['detail'][:300]}",
    )
    if name == "unplaceable":
        prefix = "/requests/" if asked.case.form == "rows" else "/columns/"
        indices = [int(error["pointer"].rpartition("/")[2]) for error in problem["errors"]]
        faults.expect(indices == asked.unplaceable[:100], f"unplaceable: {indices}")
        there = all(error["pointer"].startswith(prefix) for error in problem["errors"])
        faults.expect(there, "unplaceable: pointers into another body")
    if name in ("infeasible", "confidence-unattained"):
        _check_limits(asked, problem, faults, proven=name == "infeasible")
    return faults.found


def _check_limits(asked: Question, problem: Json, faults: Faults, *, proven: bool) -> None:
    limits = limits_of(asked)
    if not proven:
        limits["confidence"] = asked.constraints["confidence"]
    conflict = problem["conflict"]
    faults.expect(conflict, "nothing conflicts")
    faults.expect(set(conflict) <= set(limits), f"conflict {conflict} of {sorted(limits)}")
    for kind in ("relaxations", "joint_relaxation"):
        for entry in problem[kind]:
            name, given = entry["constraint"], entry["given"]
            if not faults.expect(name in limits, f"{kind}: {name} is no limit"):
                continue
            faults.close(given, limits[name], f"{kind}/{name}: given")
            sign = looser(name)
            needed, minimum = sign * entry["needed"], sign * entry["needed_lower_bound"]
            size = TOLERANCE * max(abs(needed), abs(minimum), 1e-12) * 1e-3
            faults.expect(
                sign * given - size <= minimum <= needed + size,
                f"{kind}/{name}: given {given}, needed_lower_bound "
                f"{entry['needed_lower_bound']}, needed {entry['needed']}",
            )


def looser(name: str) -> float:
    """Return 1.0 for a limit whose larger values are more generous, else -1.0."""
    low = name in ("min_mean_quality", "confidence") or name.startswith("min_requests/")
    return -1.0 if low or name.endswith("/min") else 1.0


def with_limit(case: FuzzCase, name: str, value: float) -> FuzzCase:
    """Return a case with a limit at another value, by its name in a refusal."""
    fleet, rows, terms = copy.deepcopy((case.fleet, case.rows, case.terms))
    limits: dict[str, Any] = terms.setdefault("constraints", {})
    kind, _, rest = name.partition("/")
    if kind == "requests":
        for row in rows:
            if row.get("deadline_seconds") is not None:
                row["deadline_seconds"] = min(1e8, row["deadline_seconds"] * value)
    elif kind == "pools":
        pool = next(p for p in fleet["pools"] if p["name"] == rest.partition("/")[0])
        pool["available_seconds"] = value
    elif kind == "shares":
        llm, _, side = rest.rpartition("/")
        limits["shares"][llm][side] = value
    elif kind == "min_requests":
        limits["min_requests"][rest] = int(value)
    else:
        limits[name] = value
    return replace(case, fleet=fleet, rows=rows, terms=terms)
