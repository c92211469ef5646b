"""The rule: joules, plus the policy's prices, among the placements that end in time.

::

    price(p) = J(p) + joules_per_device_second[pool] * device_seconds(p)
                    - joules_per_quality_token * score(llm) * (input + output tokens)

The concurrency is not a choice here: a request joins those that are in flight, so of a pool's
levels the least counts that holds them and it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from costmodel.one_request import Terms
from service.calls.placement_row import PlacementRow
from service.decisions.cost import Cost
from service.decisions.load import Loads
from service.problems import FieldError

Group = tuple[PlacementRow, ...]
"""Placements of one LLM on one pool, by rising concurrency."""

Predict = Callable[[PlacementRow, Terms], Cost]
"""Returns what a request takes of a placement."""


@dataclass(frozen=True)
class Requirements:
    """What a request asks of its placement.

    Attributes
    ----------
    terms
        Functions of its tokens.
    late_terms
        The same were its answer long: by these it must end in time.
    deadline_s
        Seconds from now; None for none.
    min_quality
        Least score of its LLM; None for any.
    """

    terms: Terms
    late_terms: Terms
    deadline_s: float | None = None
    min_quality: float | None = None

    def may_be_served(self, row: PlacementRow) -> bool:
        """Say whether a placement's context holds the request and its LLM is good enough."""
        tokens = self.terms.context_tokens
        if row.max_context_tokens is not None and tokens > row.max_context_tokens:
            return False
        return self.min_quality is None or (
            row.quality is not None and row.quality >= self.min_quality
        )


@dataclass(frozen=True)
class Prices:
    """What is added to joules; see `service.decisions.policy.Policy`."""

    joules_per_device_second: Mapping[str, float]
    joules_per_quality_token: float


@dataclass(frozen=True)
class Quote:
    """What one LLM on one pool offers a request at the pool's present load.

    Attributes
    ----------
    cost
        Predicted cost on its placement.
    slots
        Slots of the pool that it takes: one for each of its answers, at most all.
    wait_s
        Seconds until they are free, by the predicted ends of what is in flight.
    price_j
        Joules and prices.
    in_time
        Whether it ends before the deadline.
    """

    cost: Cost
    slots: int
    wait_s: float
    price_j: float
    in_time: bool

    @property
    def rank(self) -> tuple[bool, float]:
        """Place among the quotes: by price if in time, behind those by the end if late."""
        if self.in_time:
            return False, self.price_j
        return True, self.wait_s + self.cost.runtime_s


def level_of(rows: Group, concurrency: float) -> PlacementRow:
    """Return the least level that holds so many requests on a device; the largest if none does."""
    return next((row for row in rows if row.concurrency >= concurrency), rows[-1])


def quotes_of(
    groups: Sequence[Group],
    requirements: Requirements,
    prices: Prices,
    loads: Loads,
    now: float,
    predict: Predict,
) -> list[Quote]:
    """Return the quotes of the candidates that may serve a request, in their order.

    Parameters
    ----------
    groups
        Candidates.
    requirements
        What the request asks for.
    prices
        Prices in force.
    loads
        Loads of the pools.
    now
        Monotonic seconds.
    predict
        Predicts costs.
    """
    return [
        _quote(rows, requirements, prices, loads, now, predict)
        for rows in groups
        if requirements.may_be_served(rows[0])
    ]


def why_none(groups: Sequence[Group], requirements: Requirements) -> FieldError:
    """Say what keeps a request from every candidate."""
    scores = [rows[0].quality for rows in groups if rows[0].quality is not None]
    if requirements.min_quality is not None and not scores:
        message = "Expected none, since the quality of no LLM that may serve it is known, got "
        return FieldError("/min_quality", f"{message}{requirements.min_quality:g}.")
    if requirements.min_quality is not None and requirements.min_quality > max(scores):
        message = f"Expected at most {max(scores):g}, the highest score of what may serve it, got "
        return FieldError("/min_quality", f"{message}{requirements.min_quality:g}.")
    return FieldError(
        "/candidates", "Expected a candidate whose context and quality suffice, got none."
    )


def _quote(
    rows: Group,
    requirements: Requirements,
    prices: Prices,
    loads: Loads,
    now: float,
    predict: Predict,
) -> Quote:
    terms, late_terms = requirements.terms, requirements.late_terms
    load = loads.of(rows[0].pool, now)
    row = level_of(rows, load.in_flight // rows[0].devices + terms.sequences)
    cost = predict(row, terms)
    of_pool = rows[-1].concurrency * row.devices
    slots = min(terms.sequences, of_pool)
    wait_s = load.wait_s(of_pool, now, slots)
    price_j = cost.energy_j
    price_j += prices.joules_per_device_second.get(row.pool, 0.0) * cost.device_seconds
    price_j -= prices.joules_per_quality_token * (row.quality or 0.0) * terms.tokens
    in_time = True
    if requirements.deadline_s is not None:
        late = cost if late_terms is terms else predict(row, late_terms)
        in_time = wait_s + late.runtime_s <= requirements.deadline_s
    return Quote(cost, slots, wait_s, price_j, in_time)
