"""What comes of actuals: calibration of the right cost model, in turns, loads let go."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from service.calls.placement_row import PlacementRow
from service.calls.schemas.actuals import MAX_ACTUALS, ActualBody
from service.calls.schemas.decisions import CandidateBody, DecisionBody
from service.database.stores import StoreError
from service.decisions.actuals.actuals_service import ACTUALS_A_TURN, ActualsService
from service.decisions.actuals.apportioning import Run
from service.decisions.actuals.store import ActualsStore
from service.decisions.calibration import ENERGY
from service.decisions.decision_service import DecisionService
from service.decisions.metrics import DecisionMetrics
from service.decisions.records import ActualKey
from service.telemetry.labels import Labels

pytestmark = pytest.mark.anyio

LEVELS = (1, 8)
ROWS = tuple(
    PlacementRow(
        index=index,
        llm="a",
        pool="p",
        device="1xh100",
        concurrency=concurrency,
        devices=1,
        quality=None,
        max_context_tokens=None,
        energy=(("tout", 8.0 / concurrency),),
        seconds=(("tout", 0.01 / concurrency),),
        energy_quantile=None,
        seconds_quantile=None,
        cost_model="first",
    )
    for index, concurrency in enumerate(LEVELS)
)
FITTED_AGAIN = tuple(replace(row, cost_model="second") for row in ROWS)


@asynccontextmanager
async def actuals_on(
    path: Path, rows: Sequence[PlacementRow] = ROWS, *, late: bool = False
) -> AsyncIterator[tuple[ActualsService, DecisionService]]:
    """Give an actuals service that has started; the fleet is loaded before that, or late."""
    decisions = DecisionService()
    metrics = DecisionMetrics(CollectorRegistry(), Labels())
    actuals = ActualsService(decisions, metrics, ActualsStore(path, 10_000))
    if not late:
        decisions.load(tuple(rows))
    await actuals.start()
    if late:
        decisions.load(tuple(rows))
    yield actuals, decisions
    await actuals.stop()


def actual(name: str, **more: Any) -> ActualBody:
    fields = {"llm": "a", "pool": "p", "input_tokens": 10, "output_tokens": 100}
    return ActualBody.model_validate({"id": name, **fields, **more})


def drifted(count: int) -> list[ActualBody]:
    """Return actuals that took 1.4 times what is predicted of them."""
    return [actual(f"n{n}", concurrency=8, energy_joules=1.4 * 100.0) for n in range(count)]


def factor(actuals: ActualsService) -> float:
    return actuals.calibration.factor("a", "1xh100", ENERGY)


@pytest.mark.parametrize("late", [False, True], ids=["fleet first", "actuals first"])
async def test_a_restart_replays_ratios_of_the_cost_model_that_predicted_them(
    path: Path, late: bool
) -> None:
    async with actuals_on(path) as (actuals, decisions):
        await actuals.add(drifted(60))
        assert factor(actuals) == pytest.approx(1.4)
        decisions.load(FITTED_AGAIN)
        assert factor(actuals) == 1.0
    async with actuals_on(path, FITTED_AGAIN, late=late) as (actuals, _):
        assert factor(actuals) == 1.0
        assert actuals.calibration.pairs == {}
        [((_, route), lengths), *_] = list(actuals.lengths)
        assert (route, lengths.answers) == (None, 60.0)
    async with actuals_on(path, ROWS, late=late) as (actuals, _):
        assert factor(actuals) == pytest.approx(1.4)


async def test_joules_metered_after_the_cost_model_changed_teach_nothing(path: Path) -> None:
    async with actuals_on(path) as (actuals, decisions):
        await actuals.add([actual("one", concurrency=8)])
        decisions.load(FITTED_AGAIN)
        await actuals.measured({ActualKey("one"): 140.0})
        assert actuals.calibration.pairs == {}


async def test_of_an_unknown_concurrency_lengths_are_learned_and_no_ratios(path: Path) -> None:
    async with actuals_on(path) as (actuals, _):
        runs: list[Run] = []
        actuals.on_run(lambda _, run: runs.append(run))
        unknown = [
            actual(f"n{n}", energy_joules=800.0, runtime_seconds=1.0, decision_id="of another")
            for n in range(60)
        ]
        assert await actuals.add(unknown) == 60
        assert actuals.calibration.pairs == {}
        found = actuals.lengths.of("a", None)
        assert found is not None
        assert found.mean() == 100.0
        # It ran all the same, and takes its part of the metered joules.
        assert [run.predicted_j for run in runs] == [100.0] * 60


async def test_a_stated_concurrency_is_what_joules_are_held_against(path: Path) -> None:
    async with actuals_on(path) as (actuals, _):
        one = [actual(f"n{n}", energy_joules=800.0, concurrency=1) for n in range(60)]
        await actuals.add(one)
        [(_, ratios)] = list(actuals.calibration)
        assert (ratios.seen, ratios.mean) == (60, pytest.approx(1.0))


async def test_the_only_level_of_a_pool_is_known(path: Path) -> None:
    async with actuals_on(path, ROWS[:1]) as (actuals, _):
        await actuals.add([actual("one", energy_joules=1600.0)])
        [(_, ratios)] = list(actuals.calibration)
        assert ratios.mean == pytest.approx(2.0)


def decide(decisions: DecisionService, name: str) -> int:
    body = DecisionBody(
        id=name, input_tokens=10, output_tokens=100, candidates=[CandidateBody(llm="a", pool="p")]
    )
    return decisions.decide(body).chosen.cost.row.concurrency


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Let the file refuse actuals."""
    trigger = "CREATE TRIGGER full BEFORE INSERT ON actuals BEGIN SELECT RAISE(ABORT, 'full'); END"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(trigger)
        yield
        connection.execute("DROP TRIGGER full")


async def test_actuals_that_cannot_be_kept_end_their_load_and_are_judged_later(
    path: Path,
) -> None:
    async with actuals_on(path) as (actuals, decisions):
        assert decide(decisions, "one") == 1
        reported = [actual("one", decision_id="one", energy_joules=800.0)]
        with refusing(path), pytest.raises(StoreError):
            await actuals.add(reported)
        assert actuals.calibration.pairs == {}
        assert decide(decisions, "two") == 1
        assert await actuals.add(reported) == 1
        [(_, ratios)] = list(actuals.calibration)
        assert ratios.mean == pytest.approx(1.0)


async def test_many_actuals_leave_turns_to_others(path: Path) -> None:
    async with actuals_on(path) as (actuals, _):
        seen: list[int] = []
        ended = False

        async def others() -> None:
            while not ended:
                seen.append(sum(ratios.seen for _, ratios in actuals.calibration))
                await asyncio.sleep(0)

        watching = asyncio.create_task(others())
        calls = [
            [actual(f"{call}-{n}", concurrency=8, energy_joules=100.0) for n in range(MAX_ACTUALS)]
            for call in range(3)
        ]
        assert await asyncio.gather(*map(actuals.add, calls)) == [MAX_ACTUALS] * 3
        ended = True
        await watching
        steps = [after - before for before, after in itertools.pairwise(seen)]
        assert sum(steps) == 3 * MAX_ACTUALS
        assert max(steps) <= ACTUALS_A_TURN


async def test_of_several_of_one_id_the_first_counts_once(path: Path) -> None:
    async with actuals_on(path) as (actuals, _):
        twice = [actual("one", concurrency=8, energy_joules=joules) for joules in (200.0, 100.0)]
        assert await actuals.add(twice) == 1
        assert await actuals.add(twice) == 0
        [(_, ratios)] = list(actuals.calibration)
        assert (ratios.seen, ratios.mean) == (1, pytest.approx(2.0))


async def test_what_came_of_a_plan_is_summed_over_what_is_known_on_both_sides(path: Path) -> None:
    async with actuals_on(path) as (actuals, _):
        await actuals.add(
            [
                # 100 tokens are 100 J and 1 s at concurrency 8.
                actual("one", plan_id="p1", concurrency=8, energy_joules=150.0),
                actual("two", plan_id="p1", concurrency=8, energy_joules=90.0),
                actual("unmetered", plan_id="p1", concurrency=8),
                actual("unpredicted", plan_id="p1", energy_joules=1e6),
                actual("of another", plan_id="p2", concurrency=8, energy_joules=1e6),
                actual("of none", concurrency=8, energy_joules=1e6),
            ]
        )
        found = await actuals.of_plan("p1")
        assert (found.requests, found.output_tokens) == (4, 400.0)
        assert (found.energy.requests, found.energy.measured) == (2, 240.0)
        assert found.energy.predicted == pytest.approx(200.0)
        assert (await actuals.of_plan("unknown")).requests == 0
