"""From a fleet and the loaded cost models to the candidate placements of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from costmodel.catalogue import Catalogue
from costmodel.cost_model import CostModel
from costmodel.nearest import unknown_name
from planner.inputs import Placement, Pool
from service.calls.schemas.answers import CandidatePlacement
from service.calls.schemas.fleet import FleetSpec, PoolSpec
from service.calls.schemas.names import as_written
from service.problems import FieldError, pointer

MAX_PLACEMENTS = 4096


@dataclass(frozen=True)
class Candidates:
    """The columns of the decision, in the order of `/placements`: by pool, LLM, concurrency.

    `missing` has a sentence for each thing that the fleet names and no loaded cost model can
    serve.
    """

    pools: tuple[Pool, ...]
    placements: tuple[Placement, ...]
    missing: tuple[FieldError, ...] = ()

    @property
    def llms(self) -> tuple[str, ...]:
        """The LLMs of the placements, each once, in order."""
        return tuple(dict.fromkeys(placement.llm for placement in self.placements))

    @property
    def pool_names(self) -> tuple[str, ...]:
        """The names of the pools, in order."""
        return tuple(pool.name for pool in self.pools)


def build_candidates(fleet: FleetSpec, catalogue: Catalogue) -> Candidates:
    """Return the placements of a fleet for which a cost model is loaded.

    Whoever may not miss any looks at `Candidates.missing`, whose pointers start at the fleet.
    """
    missing: list[FieldError] = []
    placements: list[Placement] = []
    for index, spec in enumerate(fleet.pools):
        for (j, llm), (c, concurrency) in product(
            enumerate(spec.llms), enumerate(spec.concurrency)
        ):
            cost_model = catalogue.cost_models.get((llm, spec.device))
            if cost_model is None:
                if c == 0:
                    missing.append(_no_cost_model(index, j, spec, catalogue))
            elif concurrency > cost_model.max_concurrency:
                missing.append(_beyond_profile(index, c, concurrency, cost_model))
            else:
                placements.append(_placement(fleet, index, llm, concurrency, cost_model))
    return Candidates(tuple(map(_pool, fleet.pools)), tuple(placements), tuple(missing))


def candidate_list(
    pools: Sequence[Pool], placements: Sequence[Placement]
) -> list[CandidatePlacement]:
    """Return placements as every answer names them."""
    return [
        {
            "index": index,
            "llm": placement.llm,
            "pool": pools[placement.pool].name,
            "device": pools[placement.pool].device,
            "concurrency": placement.concurrency,
        }
        for index, placement in enumerate(placements)
    ]


def contradictions(fleet: FleetSpec) -> list[FieldError]:
    """Return what is wrong with a fleet whatever cost models there are; pointers start at it."""
    errors = list(_repeats("pools", [pool.name for pool in fleet.pools], "name"))
    named = list(dict.fromkeys(llm for pool in fleet.pools for llm in pool.llms))
    for index, pool in enumerate(fleet.pools):
        errors += _repeats(f"pools/{index}/llms", pool.llms)
        errors += _repeats(f"pools/{index}/concurrency", pool.concurrency)
        errors += [
            FieldError(
                pointer("pools", index, "resident", i),
                unknown_name(llm, pool.llms, "one of the pool's LLMs"),
            )
            for i, llm in enumerate(pool.resident)
            if llm not in pool.llms
        ]
        errors += [
            FieldError(
                pointer("pools", index, name),
                f"Expected 0 for an always_on pool, whose devices are on anyway, got {value:g}.",
            )
            for name, value in (
                ("activation_joules", pool.activation_joules),
                ("activation_seconds", pool.activation_seconds),
            )
            if pool.power_policy == "always_on" and value > 0.0
        ]
    by_llm: Mapping[str, Mapping[str, object]] = {
        "quality": fleet.quality,
        "max_context_tokens": fleet.max_context_tokens,
    }
    for key, names in by_llm.items():
        errors += [
            FieldError(
                pointer(key, as_written(names, llm)),
                unknown_name(as_written(names, llm), named, "an LLM of one of the pools"),
            )
            for llm in names
            if llm not in named
        ]
    count = sum(len(pool.llms) * len(pool.concurrency) for pool in fleet.pools)
    if count > MAX_PLACEMENTS:
        errors.append(
            FieldError("/pools", f"Expected at most {MAX_PLACEMENTS} placements, got {count}.")
        )
    return errors


def _repeats(path: str, values: list[str] | list[int], leaf: str = "") -> Iterator[FieldError]:
    seen = set()
    for index, value in enumerate(values):
        if value in seen:
            where = pointer(*path.split("/"), index, *([leaf] if leaf else []))
            yield FieldError(where, f"Expected each once, got {value} again.")
        seen.add(value)


def _pool(spec: PoolSpec) -> Pool:
    return Pool(
        name=spec.name,
        device=spec.device,
        count=spec.count,
        idle_watts=spec.idle_watts,
        power_policy=spec.power_policy,
        available_s=spec.available_seconds,
        resident=frozenset(spec.resident),
        activation_j=spec.activation_joules,
        activation_s=spec.activation_seconds,
        carbon_g_per_kwh=spec.carbon_g_per_kwh,
        price_per_kwh=spec.price_per_kwh,
        price_per_device_hour=spec.price_per_device_hour,
    )


def _placement(
    fleet: FleetSpec, pool: int, llm: str, concurrency: int, cost_model: CostModel
) -> Placement:
    limits = (fleet.max_context_tokens.get(llm), cost_model.max_context_tokens)
    return Placement(
        llm=llm,
        pool=pool,
        concurrency=concurrency,
        cost_model=cost_model,
        quality=fleet.quality.get(llm),
        max_context_tokens=min((limit for limit in limits if limit is not None), default=None),
    )


def _no_cost_model(index: int, j: int, spec: PoolSpec, catalogue: Catalogue) -> FieldError:
    known = sorted(llm for llm, device in catalogue.cost_models if device == spec.device)
    if known:
        return FieldError(
            pointer("pools", index, "llms", j),
            unknown_name(spec.llms[j], known, f"an LLM with a cost model on {spec.device}"),
        )
    devices = sorted({device for _, device in catalogue.cost_models})
    return FieldError(
        pointer("pools", index, "device"),
        unknown_name(spec.device, devices, "a device with cost models"),
    )


def _beyond_profile(index: int, c: int, concurrency: int, cost_model: CostModel) -> FieldError:
    return FieldError(
        pointer("pools", index, "concurrency", c),
        f"Expected at most {cost_model.max_concurrency:g}, the largest concurrency that was "
        f"profiled for {cost_model.llm} on {cost_model.device}, got {concurrency}.",
    )
