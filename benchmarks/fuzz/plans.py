"""Checks an answer of `/plan` against the call: from its own figures and the documented rules."""

from __future__ import annotations

from benchmarks.fuzz import schedules, sums
from benchmarks.fuzz.baselines import check_baselines
from benchmarks.fuzz.catalogue import Json
from benchmarks.fuzz.extras import check_alternatives, check_prices, check_robustness
from benchmarks.fuzz.faults import Faults
from benchmarks.fuzz.planned import Planned
from benchmarks.fuzz.question import Question

MEMBERS = {
    "plan_id", "status", "objective", "lower_bound", "absolute_gap", "gap", "cut_by_clock",
    "energy_joules", "carbon_grams", "money", "makespan_seconds", "mean_quality", "placements",
    "shadow_prices", "robustness", "unplaceable", "baselines", "normalisers", "warnings",
    "timings_seconds",
}  # fmt: skip
CHECKS = (
    schedules.placements_are_the_candidates,
    schedules.requests_are_where_they_may_be,
    schedules.devices_keep_their_rules,
    schedules.times_are_kept,
    schedules.counts_are_kept,
    sums.energy_adds_up,
    sums.costs_follow_from_energy,
    sums.quality_is_weighted,
    sums.objective_is_as_documented,
    sums.proof_is_arithmetic,
    check_baselines,
)


def check_plan(asked: Question, answer: Json) -> list[str]:
    """Return what is wrong with an answer whose assignments are rows; empty where nothing is."""
    faults = Faults()
    missing = MEMBERS - set(answer)
    if not faults.expect(not missing, f"members are missing: {missing}"):
        return faults.found
    if not _everyone_is_assigned(asked, answer, faults):
        return faults.found
    planned = Planned(asked, answer)
    for check in CHECKS:
        check(planned, faults)
    for look in (check_prices, check_alternatives, check_robustness):
        look(asked, answer, faults)
    return faults.found


def _everyone_is_assigned(asked: Question, answer: Json, faults: Faults) -> bool:
    unplaceable = answer["unplaceable"]
    listed = [entry["index"] for entry in unplaceable]
    fine = faults.expect(
        listed == asked.unplaceable,
        f"unplaceable: expected {asked.unplaceable}, got {listed}",
    )
    names = [row.get("id", str(i)) for i, row in enumerate(asked.rows)]
    fine &= faults.expect(
        [entry["id"] for entry in unplaceable] == [names[i] for i in listed],
        "unplaceable: ids are not those of the call",
    )
    got = [row["id"] for row in answer["assignments"]]
    return fine & faults.expect(
        got == [names[i] for i in asked.planned],
        "assignments: not each request once, in order",
    )
