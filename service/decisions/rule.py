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
from service.decisions.cost import Cost, cost_of
from service.decisions.load import Loads, PoolLoad
from service.problems import FieldError

Group = tuple[PlacementRow, ...]
"""Placements of one LLM on one pool, by rising concurrency."""

Predict = Callable[[PlacementRow, Terms], Cost]


@dataclass(frozen=True)
class Requirements:
    """What a request asks of its placement.

    Attributes
    ----------
    terms
        Of its tokens.
    late_terms
        Of its tokens were its answer long: by these it must end in time.
    deadline_s
        Seconds from now; None for none.
    min_quality
        Least score of its LLM; None for any.
    """

    terms: Terms
    late_terms: Terms
    deadline_s: float | None = None
    min_quality: float | None = None


@dataclass(frozen=True)
class Prices:
    """What is added to joules; see `service.decisions.policy.Policy`."""

    joules_per_device_second: Mapping[str, float]
    joules_per_quality_token: float


@dataclass(frozen=True)
class Quote:
    """One placement for one request.

    Attributes
    ----------
    cost
        Predicted.
    slots
        Of the pool, that it takes: one for each of its answers, at most all.
    wait_s
        Until they are free, by the predicted ends of what is in flight.
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


@dataclass(frozen=True)
class Decision:
    """The best quote, and the next best.

    Attributes
    ----------
    chosen
        Ends in time if any does; else the one that ends first.
    runner_up
        Of another LLM or pool; None where there is none.
    quotes
        All of them, the best first.
    """

    chosen: Quote
    runner_up: Quote | None
    quotes: Sequence[Quote] = ()


def levels(rows: Sequence[PlacementRow]) -> list[Group]:
    """Group placements by LLM and pool, each group by rising concurrency."""
    groups: dict[tuple[str, str], list[PlacementRow]] = {}
    for row in rows:
        groups.setdefault((row.llm, row.pool), []).append(row)
    return [tuple(sorted(group, key=lambda row: row.concurrency)) for group in groups.values()]


def level_of(rows: Group, concurrency: float) -> PlacementRow:
    """Return the least level that holds so many requests on a device; the largest if none does."""
    return next((row for row in rows if row.concurrency >= concurrency), rows[-1])


def decide(
    groups: Sequence[Group],
    requirements: Requirements,
    prices: Prices,
    loads: Loads,
    now: float,
    predict: Predict = cost_of,
) -> Decision | None:
    """Choose a placement.

    Parameters
    ----------
    groups
        Of `levels`, the candidates.
    requirements
        What the request asks for.
    prices
        In force.
    loads
        Of the pools.
    now
        Monotonic seconds.
    predict
        What a request takes of a placement.

    Returns
    -------
    Decision or None
        None where no candidate may serve the request.
    """
    quotes = [
        quote_of(rows, requirements, prices, loads.of(rows[0].pool, now), now, predict)
        for rows in groups
        if may_serve(rows[0], requirements)
    ]
    if not quotes:
        return None
    quotes.sort(key=_order)
    chosen, *others = quotes
    return Decision(chosen, others[0] if others else None, quotes)


def may_serve(row: PlacementRow, requirements: Requirements) -> bool:
    """Say whether a placement's context holds the request and its LLM is good enough."""
    tokens = requirements.terms.context_tokens
    if row.max_context_tokens is not None and tokens > row.max_context_tokens:
        return False
    return requirements.min_quality is None or (
        row.quality is not None and row.quality >= requirements.min_quality
    )


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


def quote_of(
    rows: Group,
    requirements: Requirements,
    prices: Prices,
    load: PoolLoad,
    now: float,
    predict: Predict = cost_of,
) -> Quote:
    """Return what one LLM on one pool offers a request at the pool's present load.

    Parameters
    ----------
    rows
        One group of `levels`, of which the concurrency that the load makes it counts.
    requirements
        What the request asks for.
    prices
        In force.
    load
        Of the pool.
    now
        Monotonic seconds.
    predict
        What a request takes of a placement.
    """
    terms = requirements.terms
    row = level_of(rows, load.in_flight // rows[0].devices + terms.sequences)
    cost = predict(row, terms)
    of_pool = rows[-1].concurrency * row.devices
    slots = min(terms.sequences, of_pool)
    wait_s = load.wait_s(of_pool, now, slots)
    price_j = cost.energy_j
    price_j += prices.joules_per_device_second.get(row.pool, 0.0) * cost.device_seconds
    price_j -= prices.joules_per_quality_token * (row.quality or 0.0) * terms.tokens
    if requirements.deadline_s is None:
        return Quote(cost, slots, wait_s, price_j, in_time=True)
    late = cost if requirements.late_terms is terms else predict(row, requirements.late_terms)
    return Quote(cost, slots, wait_s, price_j, wait_s + late.runtime_s <= requirements.deadline_s)


def _order(quote: Quote) -> tuple[bool, float]:
    if quote.in_time:
        return False, quote.price_j
    return True, quote.wait_s + quote.cost.runtime_s
