"""Starts the planning service, posts 1,000 example requests, prints the plan, stops the service."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from commandline.ending import DONE, FAILED, raising_on_interrupt, refuse, run

EQUAL_QUALITY = "query_blind_split"
_USED = ("LLM", "pool", "conc.", "requests", "kJ", "J each")
_BASELINES = ("baseline", "kJ", "makespan s", "quality", "plan saves")


def main() -> int:
    """Run the demonstration, and return its exit status: 1 after any answer but a plan."""
    # Here, so that Ctrl-C finds words for itself while they are imported too.
    import httpx  # noqa: PLC0415

    from commandline.tables import print_table  # noqa: PLC0415
    from examples.local_service import running_service  # noqa: PLC0415
    from examples.make_workload import BODY  # noqa: PLC0415

    body = BODY.read_bytes()
    headers = {"content-type": "application/json"}
    try:
        with raising_on_interrupt(), running_service() as url:
            begin = time.perf_counter()
            answer = httpx.post(f"{url}/plan", content=body, headers=headers, timeout=120.0)
            took_s = time.perf_counter() - begin
    except (RuntimeError, httpx.HTTPError) as error:
        return refuse(str(error), FAILED)
    if answer.is_error:
        return refuse(f"{answer.status_code} {answer.text}", FAILED)
    plan = answer.json()
    print_table("Where the requests run", _USED, used_rows(plan), names=2)
    print_table("Other ways to place them", _BASELINES, baseline_rows(plan))
    sys.stdout.write(f"{summary(plan)}\nanswered in {took_s:.2f} s\n")
    return DONE


def used_rows(plan: Mapping[str, Any]) -> list[list[str]]:
    """Return a row of each placement that the plan uses, the one with the most requests first."""
    used = [placement for placement in plan["placements"] if placement["requests"]]
    return [
        [
            row["llm"],
            row["pool"],
            str(row["concurrency"]),
            str(row["requests"]),
            f"{row['energy_joules'] / 1e3:,.1f}",
            f"{row['energy_joules'] / row['requests']:,.1f}",
        ]
        for row in sorted(used, key=lambda placement: -placement["requests"])
    ]


def baseline_rows(plan: Mapping[str, Any]) -> list[list[str]]:
    """Return a row of each other way to place the same requests, feasible ones first."""
    return [
        [
            row["name"],
            f"{row['energy_joules'] / 1e3:,.1f}",
            f"{row['makespan_seconds']:,.1f}",
            _quality(row["mean_quality"]),
            "infeasible" if row["saving_ratio"] is None else f"{row['saving_ratio']:.1%}",
        ]
        for row in sorted(
            plan["baselines"], key=lambda row: (not row["feasible"], row["energy_joules"])
        )
    ]


def summary(plan: Mapping[str, Any]) -> str:
    """Say what the plan costs, what it saves at equal quality and how sure that is."""
    energy = plan["energy_joules"]
    requests = sum(placement["requests"] for placement in plan["placements"])
    saving = next(
        (row["saving_ratio"] for row in plan["baselines"] if row["name"] == EQUAL_QUALITY), None
    )
    saved = "not comparable" if saving is None else f"{saving:.1%}"
    warnings = "".join(f"\nwarning: {w['message']}" for w in plan["warnings"])
    parts = ", ".join(
        f"{name} {energy[name] / 1e3:,.1f}" for name in ("requests", "underfill", "loading", "idle")
    )
    from examples.make_workload import DEADLINE_SECONDS, MIN_MEAN_QUALITY  # noqa: PLC0415

    return (
        f"{requests:,} requests: {energy['value'] / 1e3:,.1f} kJ{_interval(energy)}: {parts}\n"
        f"deadline {DEADLINE_SECONDS:,.0f} s, makespan {plan['makespan_seconds']:,.1f} s, "
        f"mean quality {_quality(plan['mean_quality'])}, floor {MIN_MEAN_QUALITY:.3f}\n"
        f"saving at equal quality, against the best split blind to the requests: {saved}\n"
        f"status {plan['status']}, gap to the proven lower bound {plan['gap']:.2%}{warnings}"
    )


def _quality(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _interval(energy: Mapping[str, Any]) -> str:
    if energy["low"] is None or energy["high"] is None:
        return ""
    return f" (90 % interval {energy['low'] / 1e3:,.1f} to {energy['high'] / 1e3:,.1f})"


if __name__ == "__main__":
    run(main)
