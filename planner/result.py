"""What planning returns: the schedule, its totals, its proof and what others would have paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from costmodel.arrays import BoolArray, FloatArray, IntArray
from planner.inputs import Unit
from planner.quantities import Limited, Priced


@dataclass(frozen=True)
class SolverOptions:
    """How long to try, how good is good enough, and the seed of every random choice.

    Attributes
    ----------
    first_plan_s
        Seconds in which a plan is looked for where none was found within the time limit.
    """

    time_limit_s: float = 10.0
    relative_gap: float = 1e-3
    seed: int = 0
    first_plan_s: float = 0.0


@dataclass(frozen=True)
class EnergyBreakdown:
    """Joules of a plan; `low_j` and `high_j` bound them at 90 %, None where unknown."""

    requests_j: float
    underfill_j: float
    loading_j: float
    idle_j: float
    activation_j: float
    low_j: float | None
    high_j: float | None

    @property
    def value_j(self) -> float:
        """Joules of the plan."""
        served = self.requests_j + self.underfill_j
        return served + self.loading_j + self.idle_j + self.activation_j


@dataclass(frozen=True)
class PlacementUsage:
    """What a plan does with one placement.

    Attributes
    ----------
    energy_j
        Joules of its requests at the concurrency that their blocks achieve; over the placements
        they add up to the plan's `requests_j` and `underfill_j`.
    busy_s
        Length of its blocks, summed over devices.
    utilisation
        `busy_s` over the pool's device-seconds until the makespan, 0 to 1.
    """

    index: int
    requests: int
    energy_j: float
    busy_s: float
    utilisation: float


@dataclass(frozen=True)
class Baseline:
    """What a simpler policy pays under the same rules.

    Attributes
    ----------
    energy_j, makespan_s
        None where the policy cannot place every request.
    carbon_g, money
        None as well where a pool in use does not state its figures.
    saving_ratio, cost_saving_ratio
        1 - plan / baseline, of joules and of what the objective minimises; None when the baseline
        breaks a limit.
    """

    name: str
    energy_j: float | None
    makespan_s: float | None
    mean_quality: float | None
    feasible: bool
    saving_ratio: float | None
    carbon_g: float | None = None
    money: float | None = None
    cost_saving_ratio: float | None = None


PricedUnit = Literal[
    "second", "device_second", "percent", "point", "joule", "gram", "money", "request"
]


@dataclass(frozen=True)
class ShadowPrice:
    """What a limit costs: by how much the least objective would fall for one unit more of it.

    Attributes
    ----------
    limit
        What limits.
    constraint
        The limit's name in the request body; ``pools/<name>/device_seconds`` for the seconds of a
        pool's devices.
    unit
        ``second``, ``device_second``, ``percent`` of the requests' own deadlines, ``point`` (0.01)
        of the mean quality, ``joule``, ``gram``, ``money`` or ``request``, in the generous
        direction.
    energy_j
        The price in joules; None where joules are not in the objective.
    """

    limit: Priced
    constraint: str
    unit: PricedUnit
    objective: float
    energy_j: float | None


@dataclass(frozen=True)
class PlanWarning:
    """Something that the reader of a plan should know."""

    code: str
    message: str


@dataclass(frozen=True)
class Robustness:
    """How sure a plan is of its deadlines, and what that costs.

    Attributes
    ----------
    confidence
        Confidence that was asked for.
    estimated_confidence, standard_error
        Share of the scenarios in which the plan keeps every deadline, and the error of that share.
    padding
        What the deadlines were divided by, at least 1.
    energy_without_j
        Joules of the plan that keeps the deadlines as predicted.
    extra_energy_ratio
        Share by which the plan costs more joules than that one.
    """

    confidence: float
    estimated_confidence: float
    standard_error: float
    padding: float
    energy_without_j: float
    extra_energy_ratio: float
    scenarios: int


@dataclass(frozen=True)
class Plan:
    """One placement for each request, with its proof. Arrays have shape (n,).

    `carbon_g` and `money` are None where a pool that the plan pays for states no figures.
    `cost_normaliser` is in the unit of what was minimised.
    `row_prices` are the multipliers of the relaxation's rows, by what they limit, those above 0.
    """

    status: Literal["optimal", "feasible"]
    objective: float
    lower_bound: float
    absolute_gap: float
    gap: float
    cut_by_clock: bool
    energy: EnergyBreakdown
    carbon_g: float | None
    money: float | None
    makespan_s: float
    mean_quality: float | None
    usage: tuple[PlacementUsage, ...]
    placement: IntArray
    device_index: IntArray
    start_s: FloatArray
    runtime_s: FloatArray
    energy_j: FloatArray
    extrapolated: BoolArray
    baselines: tuple[Baseline, ...]
    minimise: Unit
    cost_normaliser: float
    quality_normaliser: float
    warnings: tuple[PlanWarning, ...]
    timings_s: dict[str, float]
    shadow_prices: tuple[ShadowPrice, ...] = ()
    row_prices: Mapping[Limited, float] = field(default_factory=dict)
    robustness: Robustness | None = None
