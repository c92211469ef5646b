"""Which cost models may be planned over together: those that were measured alike."""

from __future__ import annotations

from collections.abc import Iterable

from costmodel.cost_model import CostModel
from planner.result import PlanWarning
from service.problems import FieldError, Problem, ProblemError

Conditions = tuple[str, str, str | None]
CONDITIONS = ("energy scope", "KV cache", "engine")


def check_provenance(cost_models: Iterable[CostModel], *, allow_mixed: bool) -> list[PlanWarning]:
    """Refuse with 422 cost models that were not measured alike, or warn of them by name.

    Joules of different energy scopes, KV-cache settings or engines differ for reasons other
    than the device: by 370x between two published sets for a like request. `cost_models` are
    those of the placements that some request may take. The warning is returned where
    `allow_mixed`.
    """
    groups: dict[Conditions, list[CostModel]] = {}
    for cost_model in cost_models:
        groups.setdefault(_conditions(cost_model), []).append(cost_model)
    if len(groups) <= 1:
        return []
    differing = [name for i, name in enumerate(CONDITIONS) if len({key[i] for key in groups}) > 1]
    described = "; ".join(_describe(key, members) for key, members in groups.items())
    message = f"The cost models differ in {', '.join(differing)}: {described}."
    if allow_mixed:
        return [PlanWarning("mixed_provenance", message)]
    raise ProblemError(
        Problem(
            "mixed-provenance",
            message,
            [
                FieldError(
                    "/allow_mixed_provenance",
                    "Expected true to plan over cost models that were not measured alike, "
                    "or a fleet of one provenance.",
                )
            ],
        )
    )


def _conditions(cost_model: CostModel) -> Conditions:
    provenance = cost_model.provenance
    return provenance.energy_scope, provenance.kv_cache, provenance.engine


def _describe(key: Conditions, members: list[CostModel]) -> str:
    names = ", ".join(sorted({f"{member.llm} on {member.device}" for member in members}))
    scope, kv_cache, engine = key
    return f"{names} (energy scope {scope}, KV cache {kv_cache}, engine {engine or 'unknown'})"
