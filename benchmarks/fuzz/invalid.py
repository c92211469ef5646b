"""What is wrong with a call before anything is planned, by the documented rules."""

from __future__ import annotations

from benchmarks.fuzz.question import CAPS, Question


def complaints(asked: Question) -> list[str]:
    """Return why a call is to be refused as invalid; empty where it is a good one."""
    found = []
    for pool in asked.pools:
        switched = max(pool.get("activation_joules", 0.0), pool.get("activation_seconds", 0.0))
        if pool.get("power_policy") == "always_on" and switched > 0.0:
            found.append("an always-on pool is switched on")
    shares = asked.constraints.get("shares", {}).values()
    if any(share.get("min", 0.0) > share.get("max", 1.0) for share in shares):
        found.append("a share's min is above its max")
    if sum(share.get("min", 0.0) for share in shares) > 1.0 + 1e-9:
        found.append("the least shares are more than all")
    names = {"energy": "energy_joules", "carbon": "carbon_grams", "money": "money"}
    if set(asked.normalisers) - {names[asked.minimise], "quality"}:
        found.append("a normaliser of what is not minimised")
    return found


def lacks_figures(asked: Question) -> bool:
    """Whether a pool that the plan may pay for does not state what is counted."""
    units = {asked.minimise} | {unit for unit, cap in CAPS.items() if asked.constraints.get(cap)}
    return any(not asked.states(pool, unit) for pool in asked.paid_for for unit in units)


def mixes_provenance(asked: Question) -> bool:
    """Whether the placements that some request may take were not measured alike."""
    kinds = {
        spot.known.kind
        for k, spot in enumerate(asked.spots)
        if any(asked.eligible[i][k] for i in asked.planned)
    }
    return len(kinds) > 1 and not asked.terms.get("allow_mixed_provenance", False)
