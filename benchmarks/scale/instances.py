"""Named, seeded planning instances, as a `PlacementProblem` and as the body of `POST /plan`.

    build("mixed", 10_000, 8).problem()
    build("mixed", 10_000, 8).body()

Every limit that a form names binds: without it the optimum falls by at least 1 %, as
``python -m benchmarks.scale --check-binding`` shows. Deadlines are 1.05 times the least feasible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import orjson

from benchmarks.scale.fleets import KINDS, MOST_TOKENS, fleet_body
from benchmarks.scale.fractional import (
    Cells,
    Pooling,
    Terms,
    cells_of,
    least_deadline_s,
    solve,
)
from benchmarks.scale.tokens import bootstrap
from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.catalogue import Catalogue
from costmodel.workload import Workload
from service.calls.plan_terms import limits_of, objective_of
from service.fleet.embedded import embedded_models_dir
from service.fleet.placements import Candidates, build_candidates
from service.planning import PlacementProblem, Requests
from service.schemas.calls import Constraints, ObjectiveSpec
from service.schemas.fleet import FleetSpec

Form = Literal["shares", "deadline", "mixed", "masks"]
FORMS: tuple[Form, ...] = get_args(Form)
SIZES = (100, 500, 1_000, 10_000, 100_000, 1_000_000)
PLACEMENTS = tuple(KINDS)

SLACK = 1.05
"""Deadlines are so many times the least feasible."""
SHARE_SPREAD = 0.1
"""How far a share may lie from its middle, as a part of it."""
TIERS = (0.15, 0.3, 0.45, 0.6, 0.8)
"""Own deadlines of `mixed`, as parts of the batch's."""
TIER_SHARES = (0.16, 0.16, 0.16, 0.16, 0.2)
"""Requests that have each of them; the others have the batch's alone."""
MIXED_ZETA = 0.5
CAP_POSITION = 0.5
"""Where the energy cap lies between the least joules and those that are wanted without it."""
MASKS = 12
MASKED_PLACEMENTS = 8
"""The fleet on which the masks bind: those of vLLM alone can serve any of them as well."""


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
    least_deadline_s
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
    least_deadline_s: float | None = None

    @property
    def name(self) -> str:
        """Form, requests and placements."""
        return f"{self.form}-{len(self.workload)}x{len(self.candidates.placements)}"

    @cached_property
    def candidates(self) -> Candidates:
        """Pools and placements, as the service builds them from the body's fleet."""
        spec = FleetSpec.model_validate(self.fleet)
        return build_candidates(spec, Catalogue.load(embedded_models_dir()))

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


def build(
    form: Form, requests: int, placements: int, seed: int = 1, data: Path | None = None
) -> Instance:
    """Make an instance; the same arguments make the same one.

    Parameters
    ----------
    requests
        At least 1; the benchmark's are `SIZES`.
    placements
        One of `PLACEMENTS`.
    data
        Folder of the Azure traces to draw tokens from; None for the shipped example.

    Raises
    ------
    ValueError
        For masks on other than 8 placements, where they would not bind or not be so many.
    """
    if form == "masks" and placements != MASKED_PLACEMENTS:
        msg = f"Expected {MASKED_PLACEMENTS} placements for {MASKS} masks, got {placements}."
        raise ValueError(msg)
    workload = bootstrap(requests, seed, MOST_TOKENS, data=data)
    fleet = fleet_body(placements, requests, always_on=form == "mixed")
    nobody = np.full(requests, -1)
    bare = Instance(form, workload, fleet, {}, {"zeta": 1.0}, nobody, np.zeros_like(nobody))
    if form == "shares":
        return replace(bare, constraints={"shares": _shares(bare, seed, SHARE_SPREAD)})
    if form == "masks":
        masks = _masks(bare, seed)
        drawn = np.random.default_rng([seed, 2]).integers(0, MASKS, requests)
        return _due(replace(bare, mask=drawn, masks=masks))
    return _mixed(bare, seed) if form == "mixed" else _due(bare)


def _due(instance: Instance) -> Instance:
    """Set the deadline by the least that is feasible."""
    cells, pooling = fractional(instance)
    least = least_deadline_s(cells, pooling, terms_of(instance, pooling))
    return _with_deadline(instance, least)


def _with_deadline(instance: Instance, least_s: float) -> Instance:
    deadline_s = _digits(SLACK * least_s)
    own = tuple(_digits(end * deadline_s) for end in TIERS) if (instance.tier >= 0).any() else ()
    constraints = {**instance.constraints, "deadline_seconds": deadline_s}
    return replace(instance, constraints=constraints, tier_deadline_s=own, least_deadline_s=least_s)


def _mixed(bare: Instance, seed: int) -> Instance:
    """Deadlines of the batch and of requests, shares, energy cap and idle power at once."""
    generator = np.random.default_rng([seed, 3])
    edges = np.cumsum(TIER_SHARES)
    tier = np.searchsorted(edges, generator.random(len(bare.workload)), side="right")
    tier = np.where(tier == len(TIERS), -1, tier)
    shared = replace(
        bare,
        tier=tier,
        objective={"zeta": MIXED_ZETA},
        constraints={"shares": _shares(bare, seed, 0.5)},
    )
    cells, pooling = fractional(shared)
    terms = terms_of(shared, pooling)
    due = _with_deadline(shared, least_deadline_s(cells, pooling, terms))
    terms = replace(terms, deadline_s=due.constraints["deadline_seconds"])
    wanted, least = solve(cells, pooling, terms), solve(cells, pooling, _joules(terms))
    if wanted is None or least is None:
        msg = f"Expected a plan of {bare.name} at its deadline, got none."
        raise AssertionError(msg)
    cap = least.energy_j + CAP_POSITION * (wanted.energy_j - least.energy_j)
    return replace(due, constraints={**due.constraints, "max_energy_joules": _digits(cap)})


def _joules(terms: Terms) -> Terms:
    return replace(terms, energy_price=1.0, quality_price=0.0)


def _shares(instance: Instance, seed: int, spread: float) -> dict[str, dict[str, float]]:
    """Return shares about a random split over the LLMs."""
    llms = instance.candidates.llms
    weights = np.random.default_rng([seed, 1]).uniform(0.5, 1.5, len(llms))
    return {
        llm: {"min": round(share * (1.0 - spread), 4), "max": round(share * (1.0 + spread), 4)}
        for llm, share in zip(llms, (weights / weights.sum()).tolist(), strict=True)
    }


def _masks(instance: Instance, seed: int) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return distinct masks, the first of which admits all and the others about half.

    Each admits what a request of `MOST_TOKENS` needs: two placements that hold so many.
    """
    generator = np.random.default_rng([seed, 4])
    candidates = instance.candidates
    names = {"llms": candidates.llms, "pools": candidates.pool_names}
    long = np.array([(p.max_context_tokens or MOST_TOKENS) for p in candidates.placements])
    masks: list[tuple[str, tuple[str, ...]]] = [("llms", ())]
    while len(masks) < MASKS:
        field = ("llms", "pools")[int(generator.integers(2))]
        known = names[field]
        least, most = max(2, len(known) // 3), max(3, 2 * len(known) // 3)
        size = int(generator.integers(least, most + 1))
        chosen = np.sort(generator.choice(len(known), size, replace=False))
        tried = (*masks, (field, tuple(known[i] for i in chosen.tolist())))
        table = replace(instance, masks=tried).mask_table
        distinct = len(np.unique(table, axis=0)) == len(tried)
        if distinct and (table[-1] & (long >= MOST_TOKENS)).sum() >= 2:
            masks = list(tried)
    return tuple(masks)


def fractional(instance: Instance) -> tuple[Cells, Pooling]:
    """Return the instance in the terms of `benchmarks.scale.fractional`."""
    candidates, workload = instance.candidates, instance.workload
    context = np.array([p.max_context_tokens or np.inf for p in candidates.placements])
    tokens = workload.input_tokens + workload.output_tokens
    beyond = np.searchsorted(np.unique(context), tokens)
    group = (instance.mask * (len(TIERS) + 1) + instance.tier + 1) * 8 + beyond
    allowed = tokens[:, None] <= context[None, :]
    if instance.allowed is not None:
        allowed &= instance.allowed
    end = np.append(TIERS, 1.0)[instance.tier]
    pooling = Pooling(
        np.array([p.pool for p in candidates.placements]),
        np.array([float(pool.count) for pool in candidates.pools]),
        np.array([p.quality or 0.0 for p in candidates.placements]),
    )
    return cells_of(group, workload, _columns(candidates, workload), allowed, end), pooling


def _columns(
    candidates: Candidates, workload: Workload
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    tokens = workload.input_tokens, workload.output_tokens
    for placement in candidates.placements:
        batch, cost_model = placement.concurrency, placement.cost_model
        seconds = cost_model.device_seconds(*tokens, batch)
        # What a request holds its slot for: its output tokens times the mean step of the mix.
        step = batch * float(seconds.sum()) / float(workload.output_tokens.sum())
        latency = seconds if batch == 1 else workload.output_tokens.astype(float) * step
        yield cost_model.energy_j(*tokens, batch), seconds, latency


def terms_of(instance: Instance, pooling: Pooling) -> Terms:
    """Return the limits and the objective of an instance for its fractional problem."""
    candidates = instance.candidates
    limits = limits_of(Constraints.model_validate(instance.constraints), candidates)
    n = len(instance.workload)
    counts = tuple(
        (
            np.array([i for i, p in enumerate(candidates.placements) if p.llm == llm]),
            np.floor(share.min * n),
            np.ceil(share.max * n),
        )
        for llm, share in limits.shares.items()
    )
    zeta = float(instance.objective["zeta"])
    prices = (1.0, 0.0) if zeta == 1.0 else _prices(instance, zeta, pooling)
    return Terms(
        deadline_s=limits.deadline_s,
        counts=counts,
        cap_j=limits.max_energy_j,
        idle_watts=np.array([pool.always_on_watts for pool in candidates.pools]),
        energy_price=prices[0],
        quality_price=prices[1],
        own_deadlines=bool((instance.tier >= 0).any()),
    )


def _prices(instance: Instance, zeta: float, pooling: Pooling) -> tuple[float, float]:
    """Return zeta / E0 and (1 - zeta) / Q0, by the largest values over eligible pairs."""
    candidates, workload = instance.candidates, instance.workload
    tokens = (workload.input_tokens + workload.output_tokens).astype(float)
    largest_j = largest_quality = 0.0
    for placement, column in zip(
        candidates.placements, _columns(candidates, workload), strict=True
    ):
        fits = tokens <= (placement.max_context_tokens or np.inf)
        largest_j = max(largest_j, float(column[0][fits].max(initial=0.0)))
        score = placement.quality or 0.0
        largest_quality = max(largest_quality, score * float(tokens[fits].max(initial=0.0)))
    return zeta / largest_j, (1.0 - zeta) / largest_quality


def _digits(value: float) -> float:
    """Round to six digits, which a body shows without noise."""
    return float(f"{value:.6g}")
