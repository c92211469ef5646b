"""Checks where and when a plan runs its requests."""

from __future__ import annotations

from collections import Counter, defaultdict

from benchmarks.fuzz.faults import LIMIT_TOLERANCE, Faults
from benchmarks.fuzz.planned import Planned


def placements_are_the_candidates(planned: Planned, faults: Faults) -> None:
    """Expect every candidate in order, with the sums over what it serves."""
    asked, listed = planned.asked, planned.answer["placements"]
    wanted = [
        (k, s.llm, asked.pools[s.pool]["name"], s.known.device, s.concurrency)
        for k, s in enumerate(asked.spots)
    ]
    keys = ("index", "llm", "pool", "device", "concurrency")
    got = [tuple(entry[key] for key in keys) for entry in listed]
    faults.expect(got == wanted, f"placements: expected {wanted}, got {got}")
    counted = Counter(planned.spot_of.values())
    energy: defaultdict[int, float] = defaultdict(float)
    for i, row in planned.rows.items():
        energy[planned.spot_of[i]] += row["energy_joules"]
    span = planned.answer["makespan_seconds"]
    for k, entry in enumerate(listed):
        name = f"placements/{k}"
        faults.expect(entry["requests"] == counted[k], f"{name}/requests")
        faults.close(entry["energy_joules"], energy[k], f"{name}/energy_joules")
        faults.close(entry["busy_seconds"], planned.worked.busy[k], f"{name}/busy_seconds")
        whole = asked.count(asked.spots[k].pool) * span
        used = entry["busy_seconds"] / whole if whole > 0.0 else 0.0
        faults.close(entry["utilisation"], used, f"{name}/utilisation")
        faults.expect(entry["utilisation"] <= 1.0 + LIMIT_TOLERANCE, f"{name}/utilisation above 1")


def requests_are_where_they_may_be(planned: Planned, faults: Faults) -> None:
    """Expect each request on a placement and a device that it may have."""
    asked = planned.asked
    for i, row in planned.rows.items():
        k, pin = row["placement"], asked.rows[i].get("pinned") or {}
        faults.expect(asked.eligible[i][k], f"request {i} may not run on placement {k}")
        inside = 0 <= row["device_index"] < asked.count(asked.spots[k].pool)
        faults.expect(inside, f"request {i}: no device {row['device_index']}")
        pinned = pin.get("device_index")
        faults.expect(pinned in (None, row["device_index"]), f"request {i} is not on its device")
        if "llm" in row:
            spot = asked.spots[k]
            placement = row["llm"], row["pool"], row["concurrency"]
            is_spot = placement == (spot.llm, asked.pools[spot.pool]["name"], spot.concurrency)
            faults.expect(is_spot, f"request {i}: {placement} is not placement {k}")


def devices_keep_their_rules(planned: Planned, faults: Faults) -> None:
    """Expect starts, makespan and slots as the rules of devices have them."""
    runtimes_are_those_of_the_mix(planned, faults)
    for i, row in planned.rows.items():
        wanted = planned.worked.start[i]
        faults.close(row["start_seconds"], wanted, f"request {i}: start_seconds")
    makespan = planned.answer["makespan_seconds"]
    faults.close(makespan, planned.worked.makespan, "makespan_seconds")
    held: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for i, row in planned.rows.items():
        held[planned.asked.spots[row["placement"]].pool, row["device_index"]].append(i)
    for where, members in held.items():
        slots_are_not_exceeded(planned, faults, where, members)


def slots_are_not_exceeded(
    planned: Planned, faults: Faults, where: tuple[int, int], members: list[int]
) -> None:
    """Sweep over a device: one placement at a time, no more requests than its concurrency."""
    events = []
    for i in members:
        start = planned.rows[i]["start_seconds"]
        # Rounding may put an end after the start that waited for it.
        end = (start + planned.held[i]) * (1.0 - LIMIT_TOLERANCE)
        if end > start:
            events += [(start, 1, i), (end, 0, i)]
    running: set[int] = set()
    for _, starts, i in sorted(events):
        if not starts:
            running.discard(i)
            continue
        running.add(i)
        there = {planned.spot_of[j] for j in running}
        slots = planned.asked.spots[planned.spot_of[i]].concurrency
        fine = len(there) == 1 and len(running) <= slots
        if not faults.expect(fine, f"device {where} runs {len(running)} of {there}"):
            return


def runtimes_are_those_of_the_mix(planned: Planned, faults: Faults) -> None:
    """Expect device-seconds at concurrency 1, else tokens times the mean step of the mix."""
    asked, seconds = planned.asked, planned.asked.predicted["device_seconds"]
    members: defaultdict[int, list[int]] = defaultdict(list)
    for i, k in planned.spot_of.items():
        members[k].append(i)
    for k, there in members.items():
        slots = asked.spots[k].concurrency
        step = slots * sum(seconds[i][k] for i in there) / sum(asked.output[i] for i in there)
        for i in there:
            wanted = seconds[i][k] if slots == 1 else asked.output[i] * step
            share = wanted * (3.0 * planned.share + asked.estimated / asked.output[i])
            faults.close(planned.held[i], wanted, f"request {i}: runtime_seconds", share)


def times_are_kept(planned: Planned, faults: Faults) -> None:
    """Expect every deadline and the availability of every pool kept."""
    limit = planned.asked.constraints.get("deadline_seconds")
    if limit is not None:
        faults.at_most(planned.answer["makespan_seconds"], limit, "deadline_seconds")
    for i, row in planned.rows.items():
        end = row["start_seconds"] + row["runtime_seconds"]
        faults.at_most(end, planned.asked.own_due(i), f"request {i}: deadline_seconds")
        faults.at_most(end, planned.answer["makespan_seconds"], f"request {i}: makespan")
        available = planned.asked.pools[planned.asked.spots[row["placement"]].pool].get(
            "available_seconds"
        )
        if available is not None:
            faults.at_most(end, available, f"request {i}: available_seconds")


def counts_are_kept(planned: Planned, faults: Faults) -> None:
    """Expect as many requests on each LLM as shares and least numbers allow."""
    served = Counter(planned.asked.spots[k].llm for k in planned.spot_of.values())
    limits = planned.asked.constraints
    for llm in {*limits.get("shares", {}), *limits.get("min_requests", {})}:
        lower, upper = planned.asked.counts(llm)
        faults.expect(
            lower <= served[llm] <= upper,
            f"shares/{llm}: expected {lower} to {upper}, got {served[llm]}",
        )
