"""A real LiteLLM proxy with the shipped hook, in an environment of its own."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Self

import pytest
import yaml

from benchmarks.gateways.broken_planners import GARBAGE, BrokenPlanner, hung, in_turn, slow_drip
from benchmarks.gateways.litellm_proxy import Proxy, answered, config, install, litellm_proxy
from benchmarks.gateways.upstreams import upstreams
from examples.local_service import free_port
from service.http.access.keys import digest_of, new_key
from tests.service.decision_fleet import FLEET, save_two_pools
from tests.service.server import Server
from tests.waiting import locked

POOLS = ("a100", "h100")
GATEWAY_KEY = new_key("gateway")
MANY, AT_ONCE = 1_000, 8
LONG = 5_000
DECISIONS = "jouleplan_decisions_total{"
PATIENCE_S = 90.0

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]


class Gateway:
    """A proxy, and the port on which it looks for a planner."""

    def __init__(self, begin: Callable[[int], AbstractContextManager[Proxy]]) -> None:
        self.port = free_port()
        self._begin = begin
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self._proxy = self._running.enter_context(self._begin(self.port))
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def url(self) -> str:
        """Address of the proxy."""
        return self._proxy.url

    @property
    def crashed(self) -> bool:
        """Whether the proxy's interpreter has."""
        return self._proxy.crashed

    def begin_anew(self) -> None:
        """Start another proxy in its place."""
        self._running.close()
        self.__enter__()

    def planner(self, models: Path, **settings: str) -> Server:
        """Return a planner on that port, to be started."""
        return Server({"JOULEPLAN_MODELS_DIR": str(models), **settings}, port=self.port)


@pytest.fixture(scope="module")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `litellm` command, installed from its pins, once for all processes of a run."""
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with locked(folder / "litellm.lock"):
        command = folder / "litellm" / "bin" / "litellm"
        return command if command.exists() else install(folder / "litellm")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of cost models, by the pool that takes fewer joules."""
    folders = {}
    for cheap, dear in (POOLS, POOLS[::-1]):
        fleet = FLEET.replace("small", cheap).replace("large", dear)
        folders[cheap] = save_two_pools(tmp_path_factory.mktemp("models"), fleet)
    return folders


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    with upstreams(*POOLS) as (ports, _):
        yield ports


@pytest.fixture(scope="module")
def patient(
    litellm: Path, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One that waits for decisions, with a key: machines that run tests can be slow."""
    settings = {"JOULEPLAN_BUDGET_MS": "10000", "JOULEPLAN_API_KEY": GATEWAY_KEY}
    folder = tmp_path_factory.mktemp("patient")
    with Gateway(lambda port: proxy(litellm, folder, ports, port, **settings)) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(
    litellm: Path, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One with the budget that is shipped."""
    folder = tmp_path_factory.mktemp("impatient")
    with Gateway(lambda port: proxy(litellm, folder, ports, port)) as running:
        yield running


def proxy(
    command: Path, folder: Path, ports: dict[str, int], planner: int, **settings: str
) -> AbstractContextManager[Proxy]:
    environment = {"JOULEPLAN_URL": f"http://127.0.0.1:{planner}", **settings}
    return litellm_proxy(command, folder, config(ports), environment)


def wait_until(true: Callable[[], bool]) -> None:
    end = time.perf_counter() + PATIENCE_S
    while not true():
        assert time.perf_counter() < end, "did not come to be"
        time.sleep(0.2)


def wait_until_routed(gateway: Gateway, pool: str = "a100") -> None:
    """Return once planner and proxy agree; twenty in a row are no chance."""
    wait_until(lambda: answered(gateway.url, 20) == {pool: 20})


def observations(planner: Server) -> int:
    ratios = planner.client.get("/actuals").json()["ratios"]
    return sum(one["observations"] for one in ratios if one["quantity"] == "runtime")


def decisions(planner: Server) -> float:
    lines = planner.client.get("/metrics").text.splitlines()
    return sum(float(one.split()[-1]) for one in lines if one.startswith(DECISIONS))


def waits(planner: Server, pool: str) -> float:
    prices = planner.client.get("/prices").json()["prices"]
    return float(next(one["wait_seconds"] for one in prices if one["pool"] == pool))


def key_file(folder: Path, key: str) -> Path:
    row = {"name": "gateway", "sha256": digest_of(key.encode()).hex()}
    path = folder / "keys.yaml"
    path.write_text(yaml.safe_dump({"keys": [row]}))
    path.chmod(0o600)
    return path


def served(names: Counter[str]) -> int:
    return sum(names[pool] for pool in POOLS)


@pytest.mark.parametrize("cheap", POOLS)
def test_requests_go_where_the_planner_says_streamed_or_not(
    patient: Gateway, models: dict[str, Path], cheap: str
) -> None:
    with patient.planner(models[cheap]) as planner:
        planner.wait_until_ready()
        wait_until_routed(patient, cheap)
        assert answered(patient.url, 40, AT_ONCE) == {cheap: 40}
        assert answered(patient.url, 40, AT_ONCE, stream=True) == {cheap: 40}


@pytest.mark.parametrize("stream", [False, True])
def test_actuals_of_requests_are_sent_and_end_their_load(
    patient: Gateway, models: dict[str, Path], stream: bool
) -> None:
    with patient.planner(models["a100"]) as planner:
        planner.wait_until_ready()
        wait_until_routed(patient)
        # No load of what was decided so far is taken for that of what follows. A decision that came
        # too late for the proxy has no actual, and its load ends by itself.
        wait_until(lambda: observations(planner) >= 20 and waits(planner, "a100") == 0.0)
        long = {"input_tokens": 12, "output_tokens": LONG, "llm": "qwen3-8b"}
        mark = planner.post("/decision", long).json()
        assert mark["placement"]["pool"] == "a100"
        assert waits(planner, "a100") > 0.0
        end = {"decision_id": mark["decision_id"], "llm": "qwen3-8b", "pool": "a100"}
        planner.post("/actuals", {"actuals": [end]}).raise_for_status()
        assert waits(planner, "a100") == 0.0
        before = observations(planner)
        assert answered(patient.url, 5, max_tokens=LONG, stream=stream) == {"a100": 5}
        wait_until(lambda: observations(planner) >= before + 5 and waits(planner, "a100") == 0.0)
        lengths = planner.client.get("/actuals").json()["output_lengths"]
        assert {one["route"]: one["mean"] for one in lengths}["chat"] == 7.0


def test_a_planner_with_keys_is_asked_with_the_key(
    patient: Gateway, models: dict[str, Path], tmp_path: Path
) -> None:
    keys = key_file(tmp_path, GATEWAY_KEY)
    with patient.planner(models["a100"], JOULEPLAN_API_KEYS_FILE=str(keys)) as planner:
        planner.wait_until_ready()
        wait_until_routed(patient)


def test_requests_go_on_with_a_wrong_key(
    patient: Gateway, models: dict[str, Path], tmp_path: Path
) -> None:
    keys = key_file(tmp_path, new_key("gateway"))
    with patient.planner(models["a100"], JOULEPLAN_API_KEYS_FILE=str(keys)) as planner:
        planner.wait_until_ready()
        names = answered(patient.url, 100, AT_ONCE)
        assert served(names) == 100
        assert names["h100"] > 0


def test_a_retry_goes_where_the_request_has_not_been_and_leaves_no_load(
    litellm: Path, ports: dict[str, int], models: dict[str, Path], tmp_path: Path
) -> None:
    with Server({"JOULEPLAN_MODELS_DIR": str(models["a100"])}) as planner:
        planner.wait_until_ready()
        environment = {"JOULEPLAN_URL": planner.url, "JOULEPLAN_BUDGET_MS": "10000"}
        down = {"a100": free_port(), "h100": ports["h100"]}
        one = config(down)
        # A pool that is down as a whole has more deployments than the request has retries.
        one["model_list"] += [config({"a100": free_port()})["model_list"][0] for _ in range(3)]
        with litellm_proxy(litellm, tmp_path / "one", one, environment) as running:
            assert answered(running.url, 10, max_tokens=LONG) == {"h100": 10}
            assert decisions(planner) > 0
            wait_until(lambda: waits(planner, "a100") == waits(planner, "h100") == 0.0)
        down = {"a100": free_port(), "h100": free_port()}
        with litellm_proxy(litellm, tmp_path / "both", config(down), environment) as running:
            before = decisions(planner)
            assert served(answered(running.url, 10, max_tokens=LONG)) == 0
            assert decisions(planner) > before
            wait_until(lambda: waits(planner, "a100") == waits(planner, "h100") == 0.0)


def test_a_killed_planner_stops_no_request_and_is_asked_again_when_it_is_back(
    impatient: Gateway, models: dict[str, Path]
) -> None:
    with impatient.planner(models["a100"]) as planner:
        planner.wait_until_ready()
        wait_until_routed(impatient)
        planner.kill()
        names = answered(impatient.url, MANY, AT_ONCE)
        assert served(names) == MANY, names
        assert names["h100"] > 0
    with impatient.planner(models["a100"]) as planner:
        planner.wait_until_ready()
        wait_until_routed(impatient)
        wait_until(lambda: observations(planner) >= 20)


def test_a_hung_planner_stops_no_request_and_is_hardly_asked(
    impatient: Gateway, models: dict[str, Path]
) -> None:
    with BrokenPlanner(impatient.port, hung) as planner:
        names = answered(impatient.url, MANY, AT_ONCE)
        assert served(names) == MANY, names
        assert 0 < planner.connections < MANY / 10
    with impatient.planner(models["a100"]) as real:
        real.wait_until_ready()
        wait_until_routed(impatient)


@pytest.mark.parametrize("name", GARBAGE)
def test_a_planner_that_answers_garbage_stops_no_request(impatient: Gateway, name: str) -> None:
    with BrokenPlanner(impatient.port, GARBAGE[name]) as planner:
        assert_goes_on(impatient, planner)


def test_a_planner_whose_answers_are_garbage_of_every_kind_stops_no_request(
    impatient: Gateway,
) -> None:
    with BrokenPlanner(impatient.port, in_turn(list(GARBAGE.values()))) as planner:
        names = answered(impatient.url, MANY, AT_ONCE)
        assert served(names) == MANY, names
        assert 0 < planner.connections < MANY / 10


def test_a_planner_that_answers_a_byte_at_a_time_stops_no_request(impatient: Gateway) -> None:
    with BrokenPlanner(impatient.port, slow_drip) as planner:
        assert_goes_on(impatient, planner)


def assert_goes_on(gateway: Gateway, planner: BrokenPlanner) -> None:
    """Call until the planner was asked."""
    end = time.perf_counter() + PATIENCE_S
    while planner.connections == 0:
        for stream in (False, True):
            names = answered(gateway.url, 10, AT_ONCE, stream=stream)
            assert served(names) == 10, names
        assert time.perf_counter() < end, "never asked"
