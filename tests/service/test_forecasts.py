"""Plans of the traffic to come on a real server: prices, floors, and whom they give way to."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from costmodel.artefact import save
from service.calls.content import to_bytes
from service.calls.messages import Job, Reply
from service.decisions.decision_service import DecisionService
from service.decisions.forecasts import Forecasts
from service.decisions.metrics import DecisionMetrics
from service.decisions.traffic import STRETCHES, ObservedRequest
from service.settings.settings import Settings
from service.telemetry.labels import Labels
from service.workers.link import enter, start_worker
from service.workers.pool import WorkerPool
from tests.costmodel.builders import kv_on_cost_model
from tests.service.decision_fleet import save_two_pools
from tests.service.server import Server
from tests.waiting import PATIENCE_S, wait_in_loop_until, wait_until

TOKENS = {"input_tokens": 200, "output_tokens": 100}
QUALITIES = {"qwen3-8b": 0.6, "qwen3-32b": 0.8}
FLEET = """\
quality: {qwen3-8b: 0.6, qwen3-32b: 0.8}
pools:
  - {name: small, device: 1xh100, count: 4, llms: [qwen3-8b], concurrency: [64],
     resident: [qwen3-8b]}
  - {name: large, device: 2xh100, count: 4, llms: [qwen3-32b], concurrency: [64],
     resident: [qwen3-32b]}
"""


@contextmanager
def running(models: Path, **settings: str) -> Iterator[Server]:
    environment = {
        "JOULEPLAN_MODELS_DIR": str(models),
        "JOULEPLAN_WORKERS": "1",
        "JOULEPLAN_FORECAST_SECONDS": "1",
        **{f"JOULEPLAN_{name}": value for name, value in settings.items()},
    }
    with Server(environment) as server:
        server.wait_until_ready()
        yield server


def decide(server: Server, **body: Any) -> dict[str, Any]:
    answer = server.post("/decision", TOKENS | body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def policy(server: Server) -> dict[str, Any]:
    return dict(server.client.get("/policy").json())


def forecasts(server: Server, status: str) -> float:
    text = server.client.get("/metrics").text
    found = re.search(rf'^jouleplan_forecasts_total{{status="{status}"}} (\S+)', text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def ended(server: Server, made: dict[str, Any]) -> None:
    where = {name: made["placement"][name] for name in ("llm", "pool")}
    told = {"decision_id": made["decision_id"], **where}
    assert server.post("/actuals", {"actuals": [told]}).status_code == 200


def once_forecast(
    ask: Callable[[], dict[str, Any]], policy_in: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Return the first answer that was made while a forecast was in force."""
    answers: list[dict[str, Any]] = []

    def forecast() -> bool:
        answers.append(ask())
        return bool(policy_in(answers[-1])["source"] == "forecast")

    wait_until(forecast)
    return answers[-1]


@pytest.fixture(scope="module")
def two_pools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_two_pools(tmp_path_factory.mktemp("models"))


def test_a_saturated_pool_gets_a_price_and_decisions_spread(two_pools: Path) -> None:
    with running(two_pools) as server:
        # So long that the cheap pool cannot keep up, however slowly this machine asks.
        asked = {"llm": "qwen3-8b", "output_tokens": 2000}
        first = decide(server, **asked)
        assert (first["policy"]["source"], first["placement"]["pool"]) == ("fallback", "small")
        for _ in range(200):
            ended(server, decide(server, **asked))
        # A busy machine may let one forecast expire before the next: each is looked at at once.
        told = once_forecast(lambda: policy(server), lambda told: told)
        assert told["joules_per_device_second"]["small"] > 0
        assert told["plan_id"].startswith("forecast-")
        assert 0 < told["expires_in_seconds"] <= 3
        made = once_forecast(lambda: decide(server, **asked), lambda made: made["policy"])
        dearer = (
            made["runner_up"]["energy_joules"]["value"]
            - made["placement"]["energy_joules"]["value"]
        )
        assert made["runner_up"]["extra_price_joules"] != pytest.approx(dearer)

        pools = Counter[str]()

        def spread() -> bool:
            for _ in range(50):
                made = decide(server, **asked, deadline_seconds=600.0)
                pools[made["placement"]["pool"]] += 1
            return min(pools["small"], pools["large"]) > 50

        wait_until(spread, patience_s=5.0 * PATIENCE_S)


def test_what_somebody_set_is_left_alone_until_it_expires(two_pools: Path) -> None:
    with running(two_pools) as server:
        for _ in range(150):
            decide(server, llm="qwen3-8b")
        wait_until(lambda: policy(server)["source"] == "forecast")
        server.client.put("/policy", json={"expires_in_seconds": 5.0}).raise_for_status()
        while (told := policy(server))["source"] == "weights":
            assert told["expires_in_seconds"] > 0
            time.sleep(0.05)
        wait_until(lambda: policy(server)["source"] == "forecast")
        columns = {name: [count] * 20 for name, count in TOKENS.items()}
        server.post("/plan", {"columns": columns, "publish": True}).raise_for_status()
        done = forecasts(server, "published")
        for _ in range(30):
            assert policy(server)["source"] == "plan"
            time.sleep(0.1)
        assert forecasts(server, "published") == done
        server.client.delete("/policy").raise_for_status()
        wait_until(lambda: policy(server)["source"] == "forecast")


def test_too_few_requests_are_not_planned(two_pools: Path) -> None:
    with running(two_pools, FORECAST_SECONDS="0.2") as server:
        for _ in range(99):
            decide(server, llm="qwen3-8b")
        time.sleep(1.0)
        assert policy(server)["source"] == "fallback"
        assert (forecasts(server, "published"), forecasts(server, "failed")) == (0, 0)
        decide(server, llm="qwen3-8b")
        wait_until(lambda: policy(server)["source"] == "forecast")


def test_limits_of_calls_hold_for_forecasts(two_pools: Path) -> None:
    limits = {"MAX_TIME_LIMIT_SECONDS": "2", "MAX_REQUESTS": "120"}
    with running(two_pools, **limits) as server:
        for _ in range(200):
            decide(server, llm="qwen3-8b")
        wait_until(lambda: policy(server)["source"] == "forecast")
        # Until the window is long enough for so many it may be infeasible, but never refused.
        assert "Expected at most" not in server.logs()


def test_a_fleet_without_what_was_asked_for_is_planned_for_the_rest(tmp_path: Path) -> None:
    models = save_two_pools(tmp_path)
    with running(models, RELOAD_SECONDS="0.2") as server:
        for pool in ("large", "small"):
            for _ in range(120):
                decide(server, candidates=[{"llm": "qwen3-8b", "pool": pool}])
        to_bytes = (models / "fleet.yaml").read_text()
        (models / "fleet.yaml").write_text(to_bytes[: to_bytes.index("  - name: large")])
        wait_until(lambda: len(server.client.get("/placements").json()["placements"]) == 1)
        done = forecasts(server, "published")
        wait_until(lambda: forecasts(server, "published") > done + 1)
        assert "large" not in policy(server)["joules_per_device_second"]


@pytest.fixture(scope="module")
def two_llms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save(kv_on_cost_model(), folder)
    twice = tuple(3 * value for value in kv_on_cost_model().energy_coefficients)
    changed: dict[str, Any] = {"device": "2xh100", "num_gpus": 2, "energy_coefficients": twice}
    save(kv_on_cost_model(llm="qwen3-32b", **changed), folder)
    (folder / "fleet.yaml").write_text(FLEET)
    return folder


def mean_quality(server: Server, count: int) -> float:
    both = [{"llm": llm} for llm in QUALITIES]
    made = [decide(server, candidates=both) for _ in range(count)]
    for one in made:
        ended(server, one)
    return sum(QUALITIES[one["placement"]["llm"]] for one in made) / count


def test_the_mean_quality_is_kept_at_its_floor(two_llms: Path) -> None:
    with running(two_llms, MIN_MEAN_QUALITY="0.7") as server:
        assert mean_quality(server, 1000) == pytest.approx(0.7, abs=0.02)
        wait_until(lambda: policy(server)["source"] == "forecast")
        assert policy(server)["min_mean_quality"] == 0.7
        assert mean_quality(server, 1000) == pytest.approx(0.7, abs=0.02)


def test_a_floor_that_no_llm_keeps_fails_and_decisions_go_on(two_llms: Path) -> None:
    with running(two_llms, MIN_MEAN_QUALITY="0.95") as server:
        for _ in range(120):
            decide(server, candidates=[{"llm": llm} for llm in QUALITIES])
        wait_until(lambda: forecasts(server, "failed") >= 2)
        assert policy(server)["source"] == "fallback"
        assert decide(server, candidates=[{"llm": llm} for llm in QUALITIES])
        assert forecasts(server, "published") == 0


class Submitted(WorkerPool):
    """Remembers the deadlines of the plans that it is asked for."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, partial(start_worker, enter, settings))
        self.deadlines_s: list[float] = []

    async def submit(self, job: Job, *args: Any, **options: Any) -> Reply:
        self.deadlines_s.append(orjson.loads(to_bytes(job.body))["constraints"]["deadline_seconds"])
        return await super().submit(job, *args, **options)


async def deadlines_of_one_period(models: Path, status: str, **settings: Any) -> list[float]:
    """Return the deadlines of the plans that one forecast took, which ended like that."""
    own = Settings(models_dir=models, workers=1, forecast_seconds=3600.0, **settings)
    pool, decisions, registry = Submitted(own), DecisionService(), CollectorRegistry()
    metrics = DecisionMetrics(registry, Labels())
    keys = (("qwen3-8b", "small"), ("qwen3-32b", "large"))
    # Of the future: however slowly this runs, they came within the last second.
    soon = time.monotonic() + 10.0 * PATIENCE_S
    for _ in range(500):
        decisions.traffic.add(ObservedRequest(soon, 200.0, 100.0, keys, None))
    pool.start()
    period = asyncio.create_task(
        Forecasts(own, pool, decisions, metrics, own.max_requests, own.max_time_limit_seconds).run()
    )
    try:
        await wait_in_loop_until(
            lambda: (
                period.done()
                or bool(registry.get_sample_value("jouleplan_forecasts_total", {"status": status}))
            )
        )
        assert not period.done()
    finally:
        period.cancel()
        await asyncio.gather(period, return_exceptions=True)
        await pool.stop()
    return pool.deadlines_s


@pytest.mark.anyio
async def test_traffic_that_the_fleet_cannot_keep_up_with_gets_more_time(two_llms: Path) -> None:
    deadlines_s = await deadlines_of_one_period(two_llms, "published")
    assert len(deadlines_s) > 1
    stretches = [one / deadlines_s[0] for one in deadlines_s]
    assert stretches == pytest.approx(STRETCHES[: len(stretches)])


@pytest.mark.anyio
async def test_no_more_time_is_tried_where_it_cannot_help(two_llms: Path) -> None:
    deadlines_s = await deadlines_of_one_period(two_llms, "failed", min_mean_quality=0.95)
    assert len(deadlines_s) == 1
