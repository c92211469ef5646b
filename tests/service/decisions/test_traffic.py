"""The traffic of the last window, as the body of a plan that can be made and published."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.calls.planner_service import PlannerService
from service.calls.schemas.calls import PlanRequest
from service.decisions.traffic import (
    MAX_REQUESTS,
    MIN_REQUESTS,
    WINDOW_S,
    ObservedRequest,
    Traffic,
    plan_of,
)
from service.problems import ProblemError
from service.settings.settings import Settings
from service.workers.process import load_service
from tests.service.decision_fleet import save_two_pools

BOTH = (("qwen3-8b", "large"), ("qwen3-8b", "small"))


def observed(
    at: float, keys: tuple[tuple[str, str], ...] = BOTH, **changes: float
) -> ObservedRequest:
    return ObservedRequest(at, 200.0, 100.0, keys, changes.get("deadline_s"))


@pytest.fixture(scope="module")
def planner(tmp_path_factory: pytest.TempPathFactory) -> PlannerService:
    folder = save_two_pools(tmp_path_factory.mktemp("models"))
    return load_service(Settings(models_dir=folder))[0]


def test_the_plan_of_the_traffic_can_be_made_and_has_prices(planner: PlannerService) -> None:
    requests = [observed(float(number)) for number in range(120)]
    roomy = planner.plan(orjson.dumps(plan_of(requests, 5000.0, None)), plan_id="forecast-1")[1]
    assert roomy.published is not None
    assert not any(roomy.published.joules_per_device_second.values())
    tight = planner.plan(orjson.dumps(plan_of(requests, 96.0, None)), plan_id="forecast-2")[1]
    assert tight.published is not None
    assert tight.published.joules_per_device_second["small"] > 0


TOKENS = st.one_of(st.floats(0, 1e6), st.integers(0, 10**6).map(float))
REQUESTS = st.lists(
    st.builds(
        ObservedRequest,
        st.floats(0, 1000),
        TOKENS,
        TOKENS,
        st.sampled_from([BOTH, BOTH[:1], BOTH[1:]]),
        st.one_of(st.none(), st.floats(0.01, 1e4)),
    ),
    min_size=1,
    max_size=30,
)


@given(REQUESTS, st.one_of(st.none(), st.floats(0, 1)), st.sampled_from([1.0, 2.0, 4.0]))
def test_the_body_is_that_of_a_plan(
    requests: list[ObservedRequest], floor: float | None, stretch: float
) -> None:
    body = plan_of(requests, 1000.0, floor, stretch, limit_s=2.0)
    read = PlanRequest.model_validate_json(orjson.dumps(body))
    assert read.publish
    assert read.constraints.deadline_seconds is not None
    assert read.constraints.deadline_seconds >= stretch
    assert body["columns"]["pools"] == [sorted(pool for _, pool in one.keys) for one in requests]


def test_the_deadline_is_the_window_and_that_of_a_request() -> None:
    def deadline(*requests: ObservedRequest) -> float:
        return float(plan_of(requests, 110.0, None, 2.0)["constraints"]["deadline_seconds"])

    assert deadline(observed(10), observed(50)) == 200.0
    assert (
        deadline(observed(10), observed(50, deadline_s=30.0), observed(60, deadline_s=40.0))
        == 235.0
    )
    assert deadline(observed(110)) == 2.0


def test_few_or_old_requests_make_no_forecast() -> None:
    traffic = Traffic()
    for number in range(MIN_REQUESTS):
        assert traffic.forecast(0.0) == []
        traffic.add(observed(float(number)))
    assert len(traffic.forecast(MIN_REQUESTS)) == MIN_REQUESTS
    assert len(traffic.forecast(WINDOW_S)) == MIN_REQUESTS
    assert traffic.forecast(WINDOW_S + 1.0) == []
    for _ in range(2 * MAX_REQUESTS):
        traffic.add(observed(WINDOW_S))
    assert len(traffic.forecast(WINDOW_S)) == MAX_REQUESTS


def test_what_the_fleet_has_no_more_is_forgotten() -> None:
    traffic = Traffic()
    for keys in (BOTH, BOTH[:1], BOTH[1:]):
        for _ in range(MIN_REQUESTS):
            traffic.add(observed(0.0, keys))
    traffic.keep({BOTH[1], ("other", "large")})
    kept = traffic.forecast(0.0)
    assert len(kept) == 2 * MIN_REQUESTS
    assert {one.keys for one in kept} == {BOTH[1:]}


def test_a_reload_that_takes_nothing_away_copies_no_request() -> None:
    traffic, before = Traffic(), [observed(float(number)) for number in range(MIN_REQUESTS)]
    for one in before:
        traffic.add(one)
    traffic.keep({*BOTH, ("other", "large")})
    assert all(kept is one for kept, one in zip(traffic.forecast(0.0), before, strict=True))


def test_requests_alike_share_what_the_plan_says_of_them() -> None:
    columns = plan_of([observed(0.0), observed(1.0), observed(2.0, BOTH[1:])], 3.0, None)["columns"]
    for name in ("llms", "pools"):
        first, second, other = columns[name]
        assert first is second
        assert first is not other


def test_a_reloaded_fleet_can_be_planned_for(planner: PlannerService) -> None:
    traffic = Traffic()
    for _ in range(MIN_REQUESTS):
        traffic.add(observed(0.0, (*BOTH, ("gone", "gone"))))
    body = orjson.dumps(plan_of(traffic.forecast(600.0), 600.0, None))
    with pytest.raises(ProblemError, match="got gone"):
        planner.plan(body, plan_id="forecast-3")
    traffic.keep(set(BOTH))
    body = orjson.dumps(plan_of(traffic.forecast(600.0), 600.0, None))
    assert planner.plan(body, plan_id="forecast-4")[1].published is not None
