"""Checks the baselines of a plan: what they save, and that none that is feasible beats the plan."""

from __future__ import annotations

from benchmarks.fuzz.catalogue import Json
from benchmarks.fuzz.faults import TOLERANCE, Faults
from benchmarks.fuzz.planned import COSTS, Planned
from benchmarks.fuzz.question import CAPS, Question


def check_baselines(planned: Planned, faults: Faults) -> None:
    """Note what is wrong with the baselines of a plan."""
    asked, answer = planned.asked, planned.answer
    names = [baseline["name"] for baseline in answer["baselines"]]
    faults.expect(len(set(names)) == len(names), f"baselines: {names}")
    cost_name = COSTS[asked.minimise]
    plan_cost = answer[cost_name]["value"] if asked.minimise == "energy" else answer[cost_name]
    for baseline in answer["baselines"]:
        name = f"baselines/{baseline['name']}"
        if baseline["energy_joules"] is None:
            figures = [v for key, v in baseline.items() if key not in ("name", "feasible")]
            nothing = set(figures) == {None} and not baseline["feasible"]
            faults.expect(nothing, f"{name}: figures of what cannot be placed")
            continue
        _savings_are_arithmetic(
            baseline, answer["energy_joules"]["value"], plan_cost, cost_name, faults, name
        )
        if baseline["feasible"]:
            _limits_are_kept(asked, baseline, faults, name)
            _plan_is_no_dearer(planned, baseline, faults)


def _savings_are_arithmetic(
    baseline: Json, energy: float, cost: float | None, cost_name: str, faults: Faults, name: str
) -> None:
    for member, plan, other in (
        ("saving_ratio", energy, baseline["energy_joules"]),
        ("cost_saving_ratio", cost, baseline[cost_name]),
    ):
        if not baseline["feasible"]:
            faults.expect(baseline[member] is None, f"{name}: {member} of what is infeasible")
        elif plan is not None and other:
            faults.close(baseline[member], 1.0 - plan / other, f"{name}: {member}", TOLERANCE)


def _limits_are_kept(asked: Question, baseline: Json, faults: Faults, name: str) -> None:
    limits = asked.constraints
    if limits.get("deadline_seconds"):
        faults.at_most(baseline["makespan_seconds"], limits["deadline_seconds"], f"{name}: late")
    for unit, cap in CAPS.items():
        if limits.get(cap):
            faults.at_most(baseline[COSTS[unit]], limits[cap], f"{name}: {cap}", TOLERANCE)
    if limits.get("min_mean_quality"):
        floor = -limits["min_mean_quality"]
        faults.at_most(-baseline["mean_quality"], floor, f"{name}: min_mean_quality")


def _plan_is_no_dearer(planned: Planned, baseline: Json, faults: Faults) -> None:
    asked, answer = planned.asked, planned.answer
    tokens = sum(asked.tokens[i] for i in asked.planned)
    zeta, q0 = asked.zeta, answer["normalisers"]["quality"]
    if zeta < 1.0 and (baseline["mean_quality"] is None or asked.estimated):
        return
    worth = (1.0 - zeta) * (baseline["mean_quality"] or 0.0) * tokens / q0
    cost = zeta * baseline[COSTS[asked.minimise]] / planned.cost_normaliser
    size = TOLERANCE * (abs(cost) + abs(worth) + abs(planned.quality) / q0 * (1.0 - zeta))
    faults.expect(
        answer["objective"] <= cost - worth + size,
        f"baselines/{baseline['name']}: {cost - worth} is below the plan's {answer['objective']}",
    )
