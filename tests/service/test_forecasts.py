"""Plans of the traffic to come on a real server: prices that spread it, and floors that hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.decisions.traffic import MIN_REQUESTS
from tests.service.decision_calls import decide, end
from tests.service.decision_fleet import save_an_llm_each, save_two_pools
from tests.service.server import Server
from tests.waiting import PATIENCE_S, wait_until

QUALITIES = {"qwen3-8b": 0.6, "qwen3-32b": 0.8}


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


def policy(server: Server) -> dict[str, Any]:
    return dict(server.client.get("/policy").json())


def forecasts(server: Server, status: str) -> float:
    text = server.client.get("/metrics").text
    found = re.search(rf'^jouleplan_forecasts_total{{status="{status}"}} (\S+)', text, re.MULTILINE)
    assert found is not None
    return float(found[1])


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
        in_force = once(
            lambda: policy(server),
            lambda in_force: in_force["joules_per_device_second"].get("small", 0) > 0,
        )
        assert in_force["source"] == "forecast"
        assert in_force["plan_id"].startswith("forecast-")
        assert 0 < in_force["expires_in_seconds"] <= 3
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
        fleet = (models / "fleet.yaml").read_text()
        (models / "fleet.yaml").write_text(fleet[: fleet.index("  - name: large")])
        wait_until(lambda: len(server.client.get("/placements").json()["placements"]) == 1)
        done = forecasts(server, "published")
        wait_until(lambda: forecasts(server, "published") > done + 1)
        assert "large" not in policy(server)["joules_per_device_second"]


@pytest.fixture(scope="module")
def two_llms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_an_llm_each(tmp_path_factory.mktemp("models"))


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
