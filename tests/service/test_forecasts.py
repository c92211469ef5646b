"""Plans of the traffic to come on a real server: prices, floors, and whom they give way to."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
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
from service.decisions.policy import Policy
from service.decisions.traffic import MIN_REQUESTS, STRETCHES, ObservedRequest
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


def end(server: Server, *made: dict[str, Any]) -> None:
    told = [
        {"decision_id": one["decision_id"]}
        | {name: one["placement"][name] for name in ("llm", "pool")}
        for one in made
    ]
    assert server.post("/actuals", {"actuals": told}).status_code == 200


def once(ask: Callable[[], dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> Any:
    """Return the first answer of which something holds: a busy machine lets forecasts expire."""
    answers: list[dict[str, Any]] = []

    def asked() -> bool:
        answers.append(ask())
        return holds(answers[-1])

    wait_until(asked)
    return answers[-1]


def is_swayed(made: dict[str, Any]) -> bool:
    """Whether prices of pools came to the joules of a decision."""
    chosen, other = made["placement"], made["runner_up"]
    dearer = other["energy_joules"]["value"] - chosen["energy_joules"]["value"]
    return bool(other["extra_price_joules"] != pytest.approx(dearer))


@pytest.fixture(scope="module")
def two_pools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_two_pools(tmp_path_factory.mktemp("models"))


def test_a_saturated_pool_gets_a_price_and_decisions_spread(two_pools: Path) -> None:
    with running(two_pools) as server:
        asked: dict[str, Any] = {"llm": "qwen3-8b", "output_tokens": 2000}
        alone = decide(server, **asked)["placement"]
        assert alone["pool"] == "small"
        # Half of the time that the cheap pool takes for all, and more than both take: minutes, so
        # that it does not matter how slowly this machine asks.
        asked["deadline_seconds"] = MIN_REQUESTS * alone["runtime_seconds"]["value"] / 2
        for _ in range(MIN_REQUESTS):
            end(server, decide(server, **asked))
        told = once(
            lambda: policy(server),
            lambda told: told["joules_per_device_second"].get("small", 0) > 0,
        )
        assert told["source"] == "forecast"
        assert told["plan_id"].startswith("forecast-")
        assert 0 < told["expires_in_seconds"] <= 3
        made = once(lambda: decide(server, **asked), is_swayed)
        assert made["policy"]["source"] == "forecast"

        pools = Counter[str]()

        def spread() -> bool:
            for _ in range(50):
                made = decide(server, **asked | {"deadline_seconds": 600.0})
                pools[made["placement"]["pool"]] += 1
            return min(pools["small"], pools["large"]) > 50

        wait_until(spread, patience_s=2.0 * PATIENCE_S)


def test_a_fleet_without_what_was_asked_for_is_planned_for_the_rest(tmp_path: Path) -> None:
    models = save_two_pools(tmp_path)
    with running(models, RELOAD_SECONDS="0.2") as server:
        for pool in ("large", "small"):
            for _ in range(120):
                # So late that all are done by then on either fleet.
                candidates = [{"llm": "qwen3-8b", "pool": pool}]
                decide(server, candidates=candidates, deadline_seconds=3600.0)
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


def mean_quality(server: Server, count: int = 300) -> float:
    both = [{"llm": llm} for llm in QUALITIES]
    made = [decide(server, candidates=both) for _ in range(count)]
    end(server, *made)
    return sum(QUALITIES[one["placement"]["llm"]] for one in made) / count


def test_the_mean_quality_is_kept_at_its_floor(two_llms: Path) -> None:
    with running(two_llms, MIN_MEAN_QUALITY="0.7") as server:
        assert mean_quality(server) == pytest.approx(0.7, abs=0.02)
        wait_until(lambda: policy(server)["source"] == "forecast")
        assert policy(server)["min_mean_quality"] == 0.7
        assert mean_quality(server) == pytest.approx(0.7, abs=0.02)


class Submitted(WorkerPool):
    """Remembers the plans that it is asked for, and what became of them."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, partial(start_worker, enter, settings))
        self.bodies: list[dict[str, Any]] = []
        self.outcomes: list[str] = []

    async def submit(self, job: Job, *args: Any, **options: Any) -> Reply:
        self.bodies.append(orjson.loads(to_bytes(job.body)))
        reply = await super().submit(job, *args, **options)
        self.outcomes.append(reply.outcome)
        return reply


@dataclass
class Planning:
    """Forecasts beside a pool and a decision service, without a server."""

    pool: Submitted
    decisions: DecisionService
    registry: CollectorRegistry
    task: asyncio.Task[None]

    def counted(self, status: str) -> float:
        found = self.registry.get_sample_value("jouleplan_forecasts_total", {"status": status})
        return found or 0.0

    async def wait_for(self, holds: Callable[[], bool]) -> None:
        await wait_in_loop_until(lambda: self.task.done() or holds())
        assert not self.task.done()

    def ask(self, count: int) -> None:
        """Have requests come."""
        keys = (("qwen3-8b", "small"), ("qwen3-32b", "large"))
        # Of the future: however slowly this runs, they came within the last second.
        soon = time.monotonic() + 10.0 * PATIENCE_S
        for _ in range(count):
            self.decisions.traffic.add(ObservedRequest(soon, 200.0, 100.0, keys, None))


@asynccontextmanager
async def planning(models: Path, period_s: float, **settings: Any) -> AsyncIterator[Planning]:
    own = Settings(models_dir=models, workers=1, forecast_seconds=period_s, **settings)
    pool, decisions, registry = Submitted(own), DecisionService(), CollectorRegistry()
    metrics = DecisionMetrics(registry, Labels())
    forecasts = Forecasts(
        own, pool, decisions, metrics, own.max_requests, own.max_time_limit_seconds
    )
    pool.start()
    try:
        await wait_in_loop_until(lambda: pool.ready)
        task = asyncio.create_task(forecasts.run())
        try:
            yield Planning(pool, decisions, registry, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await pool.stop()


ONCE_S = 3600.0
OFTEN_S = 0.2


@pytest.mark.anyio
async def test_traffic_that_the_fleet_cannot_keep_up_with_gets_more_time(two_llms: Path) -> None:
    async with planning(two_llms, ONCE_S) as run:
        run.ask(500)
        # A busy machine may find no prices in the time of a forecast, and that is no matter here.
        await run.wait_for(lambda: run.counted("published") + run.counted("failed") == 1)
        assert run.pool.outcomes[-1] != "infeasible"
        deadlines_s = [body["constraints"]["deadline_seconds"] for body in run.pool.bodies]
    assert len(deadlines_s) > 1
    stretches = [one / deadlines_s[0] for one in deadlines_s]
    assert stretches == pytest.approx(STRETCHES[: len(stretches)])


@pytest.mark.anyio
async def test_where_more_time_cannot_help_none_is_tried_and_no_policy_comes_of_it(
    two_llms: Path,
) -> None:
    async with planning(two_llms, OFTEN_S, min_mean_quality=0.95) as run:
        run.ask(120)
        await run.wait_for(lambda: run.counted("failed") >= 2)
        # One each, and perhaps that of the next.
        assert len(run.pool.bodies) - run.counted("failed") in {0, 1}
        assert run.decisions.policy.source == "fallback"
        assert run.counted("published") == 0


@pytest.mark.anyio
async def test_too_few_requests_are_not_planned(two_llms: Path) -> None:
    async with planning(two_llms, OFTEN_S) as run:
        run.ask(MIN_REQUESTS - 1)
        looks = Looks(run.decisions)
        await run.wait_for(lambda: looks.count > 2)
        assert run.pool.bodies == []
        run.ask(1)
        await run.wait_for(lambda: bool(run.pool.bodies))


@pytest.mark.anyio
async def test_the_prices_of_a_plan_are_not_replaced_by_those_of_a_forecast(
    two_llms: Path,
) -> None:
    async with planning(two_llms, OFTEN_S) as run:
        run.decisions.publish(Policy("plan", made_at=time.time(), plan_id="p"))
        run.ask(MIN_REQUESTS)
        looks = Looks(run.decisions)
        await run.wait_for(lambda: looks.count > 2)
        assert (run.pool.bodies, run.decisions.policy.plan_id) == ([], "p")


@pytest.mark.anyio
async def test_what_somebody_set_is_left_alone_until_it_expires(two_llms: Path) -> None:
    async with planning(two_llms, OFTEN_S) as run:
        expires_at = time.time() + 1.0
        run.decisions.publish(Policy("weights", made_at=time.time(), expires_at=expires_at))
        run.ask(MIN_REQUESTS)
        await run.wait_for(lambda: bool(run.pool.bodies))
        assert time.time() >= expires_at


@pytest.mark.anyio
async def test_limits_of_calls_hold_for_forecasts(two_llms: Path) -> None:
    limits = {"max_time_limit_seconds": 2.0, "max_requests": 120}
    async with planning(two_llms, ONCE_S, **limits) as run:
        run.ask(200)
        await run.wait_for(lambda: bool(run.pool.outcomes))
        body = run.pool.bodies[0]
        assert len(body["columns"]["input_tokens"]) == 120
        assert body["solver"]["time_limit_seconds"] == 2.0
        # The window may be too short for so many, but they are never refused.
        assert set(run.pool.outcomes) <= {"optimal", "feasible", "infeasible", "undecided"}


class Looks:
    """Counts how often the traffic of a decision service is looked at."""

    def __init__(self, decisions: DecisionService) -> None:
        self.count, self._forecast = 0, decisions.traffic.forecast
        decisions.traffic.forecast = self._counted  # type: ignore[method-assign]

    def _counted(self, now: float) -> Sequence[ObservedRequest]:
        self.count += 1
        return self._forecast(now)
