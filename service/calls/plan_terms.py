"""The terms of a `/plan` call in the planner's own types: limits, objective, options."""

from __future__ import annotations

from collections.abc import Mapping

from costmodel.nearest import unknown_name
from planner.inputs import CAP_NAMES, Limits, Objective, Share, Unit
from planner.problem import PlacementProblem
from planner.rates import no_figures
from planner.result import SolverOptions
from service.calls.fleet.placements import Candidates
from service.calls.schemas.calls import Constraints, ObjectiveSpec, SolverOptionsSpec
from service.calls.schemas.names import as_written
from service.problems import FieldError, invalid, pointer

NORMALISER_NAMES: dict[Unit, str] = {
    "energy": "energy_joules",
    "carbon": "carbon_grams",
    "money": "money",
}
"""The name of C0 in calls and answers."""


def limits_of(constraints: Constraints, candidates: Candidates) -> Limits:
    """Return the limits of a call; 422 where one is about an LLM that the fleet has not."""
    by_llm: Mapping[str, Mapping[str, object]] = {
        "shares": constraints.shares,
        "min_requests": constraints.min_requests,
    }
    errors = [
        FieldError(
            pointer("constraints", key, as_written(named, llm)),
            unknown_name(as_written(named, llm), candidates.llms, "one of the fleet's llms"),
        )
        for key, named in by_llm.items()
        for llm in named
        if llm not in candidates.llms
    ]
    if errors:
        raise invalid(errors)
    return Limits(
        deadline_s=constraints.deadline_seconds,
        max_energy_j=constraints.max_energy_joules,
        min_mean_quality=constraints.min_mean_quality,
        shares={llm: Share(share.min, share.max) for llm, share in constraints.shares.items()},
        min_requests=dict(constraints.min_requests),
        horizon_s=constraints.horizon_seconds,
        max_carbon_g=constraints.max_carbon_grams,
        max_money=constraints.max_money,
        confidence=constraints.confidence,
    )


def objective_of(spec: ObjectiveSpec) -> Objective:
    """Return the objective of a call; 422 where a normaliser is given for what is not minimised."""
    given = spec.normalisers
    costs: dict[Unit, float | None] = {
        "energy": given.energy_joules,
        "carbon": given.carbon_grams,
        "money": given.money,
    }
    errors = [
        FieldError(
            pointer("objective", "normalisers", NORMALISER_NAMES[unit]),
            f"Expected no normaliser of {unit} where {spec.minimise} is minimised, got {value:g}.",
        )
        for unit, value in costs.items()
        if unit != spec.minimise and value is not None
    ]
    if errors:
        raise invalid(errors)
    return Objective(spec.zeta, costs[spec.minimise], given.quality, spec.minimise)


def figures_asked_for(problem: PlacementProblem) -> dict[Unit, str]:
    """Return the units that the objective and the limits count in, and where the call says so."""
    asked: dict[Unit, str] = {problem.objective.minimise: "/objective/minimise"}
    for unit in problem.limits.caps:
        asked.setdefault(unit, pointer("constraints", CAP_NAMES[unit]))
    return asked


def check_figures(problem: PlacementProblem, asked: Mapping[Unit, str], *, own_fleet: bool) -> None:
    """Check that every pool which the plan may pay for states the figures of each unit.

    `asked` has the units that are counted, each with the pointer to where the call asks for it.
    The refusal, 422, points to the figure, or to where it is asked for if the fleet is the
    service's.
    """
    errors = [
        FieldError(where if own_fleet else none.pointer, str(none))
        for unit, where in asked.items()
        for index in problem.unpriced_pools(unit)
        for none in [no_figures(problem.pools, index, unit)]
    ]
    if errors:
        raise invalid(errors)


def options_of(spec: SolverOptionsSpec, max_time_limit_s: float) -> SolverOptions:
    """Return the solver's options; a default time limit gives way to the service's.

    The status is 422 where the call asks for more time than the service gives.
    """
    asked = spec.time_limit_seconds
    if "time_limit_seconds" in spec.model_fields_set and asked > max_time_limit_s:
        message = f"Expected at most {max_time_limit_s:g}, the service's limit, got {asked:g}."
        raise invalid([FieldError("/solver/time_limit_seconds", message)])
    return SolverOptions(
        time_limit_s=min(asked, max_time_limit_s),
        relative_gap=spec.relative_gap,
        seed=spec.seed,
    )
