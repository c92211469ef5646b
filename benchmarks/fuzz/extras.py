"""Checks what a plan says beside the plan: prices of limits, alternatives, its confidence."""

from __future__ import annotations

from benchmarks.fuzz.catalogue import Json
from benchmarks.fuzz.faults import TOLERANCE, Faults
from benchmarks.fuzz.question import CAPS, Question

UNITS = {"energy": "joule", "carbon": "gram", "money": "money"}
STOPPERS = {"cost", "late", "loading", "underfill", "gap"}


def limits_of(asked: Question) -> dict[str, float]:
    """Return every limit that a call sets, by its name, with its value."""
    given = asked.constraints
    found: dict[str, float] = {}
    for name in ("deadline_seconds", *CAPS.values(), "min_mean_quality"):
        if given.get(name) is not None:
            found[name] = given[name]
    if any(asked.rows[i].get("deadline_seconds") is not None for i in asked.planned):
        found["requests/deadline_seconds"] = 1.0
    for pool in asked.pools:
        if pool.get("available_seconds") is not None:
            found[f"pools/{pool['name']}/available_seconds"] = pool["available_seconds"]
    for llm, share in given.get("shares", {}).items():
        if share.get("min", 0.0) > 0.0:
            found[f"shares/{llm}/min"] = share["min"]
        if share.get("max", 1.0) < 1.0:
            found[f"shares/{llm}/max"] = share["max"]
    for llm, count in given.get("min_requests", {}).items():
        if count > 0:
            found[f"min_requests/{llm}"] = count
    return found


def check_prices(asked: Question, answer: Json, faults: Faults) -> None:
    """Note what is wrong with `shadow_prices`."""
    prices = answer["shadow_prices"]
    names = [price["constraint"] for price in prices]
    faults.expect(len(set(names)) == len(names), f"shadow_prices: {names}")
    limits = limits_of(asked)
    extra = {name for name in names if not name.endswith("/device_seconds")} - set(limits)
    faults.expect(not extra, f"shadow_prices of no limit: {extra}")
    if prices:
        missing = set(limits) - set(names)
        faults.expect(not missing, f"shadow_prices leave out {missing}")
    name = "energy_joules"
    for price in prices:
        faults.expect(price["objective"] >= 0.0, f"shadow_prices/{price['constraint']} below 0")
        joules = price["energy_joules"]
        in_joules = asked.minimise == "energy" and asked.zeta > 0.0
        faults.expect((joules is not None) == in_joules, f"shadow_prices: joules {joules}")
        if joules is not None and in_joules:
            wanted = price["objective"] * answer["normalisers"][name] / asked.zeta
            faults.close(joules, wanted, f"shadow_prices/{price['constraint']}/{name}")


def check_alternatives(asked: Question, answer: Json, faults: Faults) -> None:
    """Note what is wrong with what explains each assignment."""
    rows = dict(zip(asked.planned, answer["assignments"], strict=True))
    wanted = asked.terms.get("explain", False)
    listed = _listed(answer)
    codes = {warning["code"] for warning in answer["warnings"]}
    if "alternatives_unknown" in codes:
        faults.expect(wanted and listed is None, "alternatives that are said to be unknown")
        return
    if not faults.expect((listed is not None) == wanted, f"alternatives: {wanted} asked for"):
        return
    prices = {price["constraint"] for price in answer["shadow_prices"]}
    energy = asked.predicted["energy_joules"]
    for (i, row), others in zip(rows.items(), listed or [], strict=False):
        own = row["placement"]
        places = [other["placement"] for other in others]
        fine = len(places) == len(set(places)) <= 3 and own not in places
        faults.expect(fine, f"request {i}: alternatives {places} to {own}")
        for other in others:
            k = other["placement"]
            if energy[i][k] is not None:
                extra = energy[i][k] - energy[i][own]
                size = TOLERANCE * (abs(energy[i][k]) + abs(energy[i][own]))
                faults.close(other["extra_joules"], extra, f"request {i}: extra_joules", size)
            known = {s for s in other["stopped_by"] if s in STOPPERS or s in prices or " " in s}
            named = len(known) == len(other["stopped_by"]) > 0
            faults.expect(named, f"request {i}: stopped_by {other['stopped_by']}")


def _listed(answer: Json) -> list[list[Json]] | None:
    """Return the alternatives of each request, in whatever form they came."""
    if "alternatives" in answer:
        listed = answer["alternatives"]
        keys = ("placement", "extra_joules", "extra_objective")
        return [
            [
                {**dict(zip(keys, values, strict=True)), "stopped_by": listed["reasons"][reason]}
                for *values, reason in zip(*row, strict=True)
            ]
            for row in zip(*(listed[key] for key in (*keys, "stopped_by")), strict=True)
        ]
    rows = answer["assignments"]
    if rows and "alternatives" in rows[0]:
        return [row["alternatives"] for row in rows]
    return None


def check_robustness(asked: Question, answer: Json, faults: Faults) -> None:
    """Note what is wrong with how sure a plan says that it is."""
    confidence, robustness = asked.constraints.get("confidence"), answer["robustness"]
    if not faults.expect((robustness is None) == (confidence is None), f"robustness: {robustness}"):
        return
    if robustness is None:
        return
    faults.expect(robustness["confidence"] == confidence, "robustness: another confidence")
    kept = robustness["estimated_confidence"]
    faults.expect(kept >= confidence, f"robustness: {kept} is below {confidence}")
    faults.expect(robustness["padding"] >= 1.0, f"robustness: padding {robustness['padding']}")
    without, energy = robustness["energy_joules_without"], answer["energy_joules"]["value"]
    if without > 0.0:
        ratio = energy / without - 1.0
        faults.close(robustness["extra_energy_ratio"], ratio, "extra_energy_ratio", TOLERANCE)
    if robustness["scenarios"]:
        error = (kept * (1.0 - kept) / robustness["scenarios"]) ** 0.5
        faults.close(robustness["standard_error"], error, "robustness: standard_error")
