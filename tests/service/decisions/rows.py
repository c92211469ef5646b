"""Placements that decisions choose among, and a decision service that has loaded them."""

from __future__ import annotations

from service.calls.placement_row import PlacementRow
from service.decisions.decision_service import DecisionService

LLMS, POOLS = ("a", "b", "c"), ("x", "y")


def row(index: int, llm: str, pool: str, concurrency: int, joules: float) -> PlacementRow:
    return PlacementRow(
        index=index,
        llm=llm,
        pool=pool,
        device="1xh100",
        concurrency=concurrency,
        devices=1,
        quality=0.3 + 0.2 * LLMS.index(llm),
        max_context_tokens=None,
        energy=(("tout", joules),),
        seconds=(("tout", 0.01),),
        energy_quantile=None,
        seconds_quantile=None,
    )


ROWS = tuple(
    row(index, llm, pool, concurrency, 1.0 + index)
    for index, (llm, pool, concurrency) in enumerate(
        (llm, pool, concurrency) for llm in LLMS for pool in POOLS for concurrency in (1, 4)
    )
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def decision_service(clock: Clock | None = None) -> DecisionService:
    decisions = DecisionService(clock=clock or Clock(), wall_clock=Clock())
    decisions.load(ROWS)
    return decisions
