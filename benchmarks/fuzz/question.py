"""What a call asks, by the documented rules: candidates, who may run where, deadlines, counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from scipy import integrate, stats

from benchmarks.fuzz.calls import FuzzCase
from benchmarks.fuzz.catalogue import CardFigures, Catalogue, Json

KWH = 3.6e6
FIGURES = {
    "energy": (),
    "carbon": ("carbon_g_per_kwh",),
    "money": ("price_per_kwh", "price_per_device_hour"),
}
CAPS = {"energy": "max_energy_joules", "carbon": "max_carbon_grams", "money": "max_money"}


@dataclass(frozen=True)
class Spot:
    """One placement: an LLM on a pool at a concurrency."""

    llm: str
    pool: int
    concurrency: int
    known: CardFigures


class Question:
    """A case, read anew: knows nothing of the service but what its pages say.

    Parameters
    ----------
    case
        The call.
    catalogue
        The cost models that the service has.
    predicted
        The answer of `/predict` to the same requests and fleet.
    """

    def __init__(self, case: FuzzCase, catalogue: Catalogue, predicted: Json) -> None:
        self.case, self.predicted = case, predicted
        self.rows, self.terms = case.rows, case.terms
        self.constraints = case.constraints
        self.pools: list[Json] = case.fleet["pools"]
        self.spots = [
            Spot(llm, index, concurrency, catalogue[llm, pool["device"]])
            for index, pool in enumerate(self.pools)
            for llm in pool["llms"]
            for concurrency in pool["concurrency"]
        ]
        self.llms = list(dict.fromkeys(spot.llm for spot in self.spots))
        objective = self.terms.get("objective", {})
        self.minimise: str = objective.get("minimise", "energy")
        self.zeta: float = objective.get("zeta", 1.0)
        self.normalisers: Json = objective.get("normalisers", {})
        self.output = [mean_tokens(row["output_tokens"]) for row in self.rows]
        self.tokens = [
            row["input_tokens"] + out for row, out in zip(self.rows, self.output, strict=True)
        ]

    @property
    def estimated(self) -> bool:
        """Whether any answer's length is a distribution, whose mean is rounded somewhere."""
        return any(isinstance(row["output_tokens"], dict) for row in self.rows)

    def count(self, pool: int) -> int:
        """Devices of a pool."""
        return int(self.pools[pool].get("count", 1))

    def score(self, llm: str) -> float | None:
        """Score of an LLM; None where the fleet states none."""
        found: float | None = self.case.fleet.get("quality", {}).get(llm)
        return found

    def own_due(self, i: int) -> float:
        """A request's own deadline [s], inf where it has none."""
        own = self.rows[i].get("deadline_seconds")
        return math.inf if own is None else float(own)

    def due(self, i: int) -> float:
        """Time by which a request must have ended [s], its pool aside."""
        return min(self.own_due(i), self.constraints.get("deadline_seconds") or math.inf)

    def quality_matters(self, indices: list[int]) -> bool:
        """Whether scores count for a batch of some of the requests."""
        asked = any(self.rows[i].get("min_quality") is not None for i in indices)
        return asked or self.zeta < 1.0 or self.constraints.get("min_mean_quality") is not None

    def may_run(self, i: int, k: int, *, scored: bool) -> bool:
        """Whether a request may run on a placement, times aside."""
        row, spot = self.rows[i], self.spots[k]
        pool = self.pools[spot.pool]
        pin: dict[str, Any] = row.get("pinned") or {}
        stated = {
            "llm": spot.llm,
            "pool": pool["name"],
            "concurrency": spot.concurrency,
        }
        named = (row.get("llms"), spot.llm), (row.get("pools"), pool["name"])
        contexts = (
            self.case.fleet.get("max_context_tokens", {}).get(spot.llm),
            spot.known.max_context_tokens,
        )
        score, floor = self.score(spot.llm), row.get("min_quality")
        return (
            all(names is None or name in names for names, name in named)
            and all(pin.get(key) in (None, value) for key, value in stated.items())
            and (pin.get("device_index") or 0) < self.count(spot.pool)
            and all(limit is None or self.tokens[i] <= limit for limit in contexts)
            and (spot.llm in pool.get("resident", ()) or spot.known.loads)
            and not (scored and score is None)
            and (floor is None or (score is not None and score >= floor))
        )

    @cached_property
    def unplaceable(self) -> list[int]:
        """Requests that may run nowhere."""
        everyone = list(range(len(self.rows)))
        scored = self.quality_matters(everyone)
        ks = range(len(self.spots))
        return [i for i in everyone if not any(self.may_run(i, k, scored=scored) for k in ks)]

    @cached_property
    def planned(self) -> list[int]:
        """Requests that are left to plan."""
        out = set(self.unplaceable)
        return [i for i in range(len(self.rows)) if i not in out]

    @cached_property
    def eligible(self) -> list[list[bool]]:
        """For each request of the call, where it may run once the others are left out."""
        scored = self.quality_matters(self.planned)
        ks = range(len(self.spots))
        return [[self.may_run(i, k, scored=scored) for k in ks] for i in range(len(self.rows))]

    def counts(self, llm: str) -> tuple[int, int]:
        """Least and most requests that an LLM may serve."""
        n = len(self.planned)
        share = self.constraints.get("shares", {}).get(llm, {})
        lower = math.floor(Fraction(str(share.get("min", 0.0))) * n)
        upper = math.ceil(Fraction(str(share.get("max", 1.0))) * n)
        return max(lower, self.constraints.get("min_requests", {}).get(llm, 0)), upper

    def states(self, pool: int, unit: str) -> bool:
        """Whether a pool states what it takes to count a unit."""
        names = FIGURES[unit]
        return not names or any(self.pools[pool].get(name) is not None for name in names)

    def price(self, pool: int, unit: str) -> tuple[float, float]:
        """Cost of a joule, and of a second for which a device is on."""
        stated = self.pools[pool]
        if unit == "energy":
            return 1.0, 0.0
        if unit == "carbon":
            return (stated.get("carbon_g_per_kwh") or 0.0) / KWH, 0.0
        hour = stated.get("price_per_device_hour") or 0.0
        return (stated.get("price_per_kwh") or 0.0) / KWH, hour / 3600.0

    @cached_property
    def paid_for(self) -> list[int]:
        """Pools that a plan may pay for."""
        used = {
            spot.pool
            for k, spot in enumerate(self.spots)
            if any(self.eligible[i][k] for i in self.planned)
        }
        always = {
            index
            for index, pool in enumerate(self.pools)
            if pool.get("power_policy") == "always_on"
        }
        return sorted(used | always)

    def pair_cost(self, i: int, k: int, unit: str) -> float:
        """Cost of a request on a placement by its own joules and device-seconds."""
        per_joule, per_second = self.price(self.spots[k].pool, unit)
        joules = self.predicted["energy_joules"][i][k]
        seconds = self.predicted["device_seconds"][i][k]
        return float(per_joule * joules + per_second * seconds)


def mean_tokens(estimate: int | dict[str, float]) -> int:
    """Return the mean of an estimate, rounded, by the page on confidence.

    Examples
    --------
    >>> mean_tokens(120), mean_tokens({"p50": 100.0, "p90": 100.0})
    (120, 100)
    """
    if not isinstance(estimate, dict):
        return int(estimate)
    names = sorted(estimate)
    scores = np.array([float(stats.norm.ppf(int(name[1:]) / 100.0)) for name in names])
    logs = np.log(np.array([estimate[name] for name in names]))

    def tokens(score: float) -> float:
        j = int(np.clip(np.searchsorted(scores, score) - 1, 0, len(scores) - 2))
        slope = (logs[j + 1] - logs[j]) / (scores[j + 1] - scores[j])
        return max(1.0, math.exp(logs[j] + slope * (score - scores[j])))

    end = float(stats.norm.ppf(0.999))
    middle = integrate.quad(
        lambda score: tokens(score) * math.exp(-score * score / 2.0) / math.sqrt(2.0 * math.pi),
        -end, end, limit=200, points=[float(s) for s in scores],
    )[0]  # fmt: skip
    return round(middle + 0.001 * (tokens(-end) + tokens(end)))
