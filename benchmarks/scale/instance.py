"""One planning instance, as a `PlacementProblem` and as the body of `POST /plan`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Literal, get_args

import numpy as np
import orjson

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.catalogue import Catalogue
from costmodel.workload import Workload
from planner.inputs import Requests
from planner.problem import PlacementProblem
from service.calls.fleet.placements import Candidates, build_candidates
from service.calls.plan_terms import limits_of, objective_of
from service.calls.schemas.calls import Constraints, ObjectiveSpec
from service.calls.schemas.fleet import FleetSpec
from service.environment import embedded_models_dir

Form = Literal["shares", "deadline", "mixed", "masks"]
FORMS: tuple[Form, ...] = get_args(Form)
TIERS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Own deadlines of requests in `mixed`, as parts of the batch's."""


@dataclass(frozen=True)
class Instance:
    """One planning instance.

    Attributes
    ----------
    tier, mask
        Which own deadline and which eligibility a request has, -1 and 0 for none, each (n,).
    tier_deadline_s
        The own deadlines [s].
    masks
        For each value of `mask` the column that restricts it ("llms" or "pools") and its names.
    min_deadline_s
        Least feasible deadline [s]; None where the form has none.
    """

    form: Form
    workload: Workload
    fleet: dict[str, Any]
    constraints: dict[str, Any]
    objective: dict[str, Any]
    tier: IntArray
    mask: IntArray
    tier_deadline_s: tuple[float, ...] = ()
    masks: tuple[tuple[str, tuple[str, ...]], ...] = ()
    min_deadline_s: float | None = None

    @property
    def name(self) -> str:
        """Form, requests and placements."""
        return f"{self.form}-{len(self.workload)}x{len(self.candidates.placements)}"

    @cached_property
    def candidates(self) -> Candidates:
        """Pools and placements, as the service builds them from the body's fleet."""
        spec = FleetSpec.model_validate(self.fleet)
        return build_candidates(spec, _catalogue())

    @property
    def deadline_s(self) -> FloatArray:
        """Own deadline of each request, inf where it has none, shape (n,)."""
        return np.append(self.tier_deadline_s, np.inf)[self.tier]

    @property
    def allowed(self) -> BoolArray | None:
        """Placements that each request admits, (n, k); None where all admit all."""
        if not self.masks:
            return None
        return self.mask_table[self.mask]

    @property
    def mask_table(self) -> BoolArray:
        """Placements that each mask admits, (masks, k)."""
        candidates = self.candidates
        names = {
            "llms": [p.llm for p in candidates.placements],
            "pools": [candidates.pools[p.pool].name for p in candidates.placements],
        }
        return np.array(
            [
                [not chosen or name in chosen for name in names[field]]
                for field, chosen in self.masks
            ]
        )

    def problem(self) -> PlacementProblem:
        """Return the instance as the planner takes it, predictions included."""
        requests = Requests(
            self.workload,
            self.deadline_s,
            np.full(len(self.workload), -np.inf),
            self.allowed,
        )
        constraints = Constraints.model_validate(self.constraints)
        return PlacementProblem.build(
            requests,
            self.candidates.pools,
            self.candidates.placements,
            limits_of(constraints, self.candidates),
            objective_of(ObjectiveSpec.model_validate(self.objective)),
        )

    def body(self, solver: dict[str, Any] | None = None, *, by_row: bool = False) -> bytes:
        """Return the instance as the body of `POST /plan`, in columns unless `by_row`."""
        columns: dict[str, list[Any]] = {
            "input_tokens": self.workload.input_tokens.tolist(),
            "output_tokens": self.workload.output_tokens.tolist(),
        }
        if self.tier_deadline_s:
            own = (*self.tier_deadline_s, None)
            columns["deadline_seconds"] = [own[tier] for tier in self.tier.tolist()]
        for field in dict.fromkeys(field for field, chosen in self.masks if chosen):
            lists = [list(names) if f == field and names else None for f, names in self.masks]
            columns[field] = [lists[mask] for mask in self.mask.tolist()]
        body: dict[str, Any] = {
            "fleet": self.fleet,
            "constraints": self.constraints,
            "objective": self.objective,
            "allow_mixed_provenance": True,
        }
        if solver is not None:
            body["solver"] = solver
        if by_row:
            rows = zip(*columns.values(), strict=True)
            body["requests"] = [dict(zip(columns, row, strict=True)) for row in rows]
        else:
            body["columns"] = columns
        return orjson.dumps(body)

    def limit_names(self) -> list[str]:
        """Return the names of the limits that are to bind."""
        named = [key for key, value in self.constraints.items() if value]
        named += ["requests/deadline_seconds"] if self.tier_deadline_s else []
        named += ["requests/llms and pools"] if self.masks else []
        always_on = any(p["power_policy"] == "always_on" for p in self.fleet["pools"])
        return named + (["pools/idle_watts"] if always_on else [])

    def without(self, limit: str) -> Instance:
        """Return the instance without one of its limits."""
        if limit == "requests/deadline_seconds":
            return replace(self, tier_deadline_s=(), tier=np.full_like(self.tier, -1))
        if limit == "requests/llms and pools":
            return replace(self, masks=(), mask=np.zeros_like(self.mask))
        if limit == "pools/idle_watts":
            pools = [{**pool, "power_policy": "power_down"} for pool in self.fleet["pools"]]
            return replace(self, fleet={**self.fleet, "pools": pools})
        kept = {key: value for key, value in self.constraints.items() if key != limit}
        return replace(self, constraints=kept)


@cache
def _catalogue() -> Catalogue:
    return Catalogue.load(embedded_models_dir())
