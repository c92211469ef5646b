"""Stores of a real server whose files are harmed while it runs, or while it does not; and kills."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.service.actuals_calls import observations, report, states
from tests.service.database.harmed_files import HARMS, cut, log_of
from tests.service.decision_fleet import save_two_pools
from tests.service.plans.calls import start, wait_for
from tests.service.server import QUICK_STORES, Server
from tests.waiting import wait_until

BODY = {"requests": [{"input_tokens": 200, "output_tokens": 100}]}
POLICY = {"joules_per_quality_token": 2.0}
AT_ONCE = 4


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_two_pools(tmp_path_factory.mktemp("models"))


@pytest.fixture
def environment(models: Path, tmp_path: Path) -> dict[str, str]:
    return {
        "JOULEPLAN_MODELS_DIR": str(models),
        "JOULEPLAN_ACTUALS_PATH": str(tmp_path / "actuals.sqlite3"),
        "JOULEPLAN_STORE_PATH": str(tmp_path / "plans.sqlite3"),
    }


def lost(server: Server, store: str) -> tuple[int, float]:
    """Return how many records of a store are reported lost, and when that was found."""
    text = server.client.get("/metrics").text
    found = {
        sample.name.removeprefix("jouleplan_store_lost_"): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("store") == store
    }
    return int(found["records_total"]), found["timestamp_seconds"]


def kept_ids(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [name for (name,) in connection.execute("SELECT id FROM actuals")]


class Reporter:
    """Reports actuals until it is stopped, and again where it learns that they cannot be kept."""

    def __init__(self, server: Server, name: str) -> None:
        self._server, self._name = server, name
        self.acknowledged: list[str] = []
        self.stopped = False

    def run(self) -> None:
        number = 0
        while not self.stopped:
            names = [f"{self._name}-{number}-{one}" for one in range(10)]
            answer = report(self._server, *names)
            assert answer.status_code in {200, 503}, answer.text
            if answer.status_code == 200:
                self.acknowledged += names
                number += 1


def reported(reporters: list[Reporter]) -> set[str]:
    return {name for reporter in reporters for name in reporter.acknowledged}


@contextmanager
def reporting(server: Server) -> Iterator[list[Reporter]]:
    reporters = [Reporter(server, str(number)) for number in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        running = [threads.submit(reporter.run) for reporter in reporters]
        try:
            yield reporters
        finally:
            for reporter in reporters:
                reporter.stopped = True
        for one in running:
            one.result(timeout=60)


@dataclass(frozen=True)
class KeptPlans:
    """Plans of a server, and their answers, by path."""

    server: Server
    answers: dict[str, bytes]

    @classmethod
    def made(cls, server: Server, count: int) -> KeptPlans:
        paths = [start(server, BODY) for _ in range(count)]
        for path in paths:
            wait_for(server, path, "finished")
        return cls(server, {path: server.client.get(f"{path}/result").content for path in paths})

    def add(self) -> str:
        """Return the path of one more."""
        more = self.made(self.server, 1)
        self.answers.update(more.answers)
        return next(iter(more.answers))

    def check_whole_or_lost(self, server: Server) -> None:
        for path, answer in self.answers.items():
            found = server.client.get(f"{path}/result")
            assert found.status_code in {200, 404}
            assert found.status_code == 404 or found.content == answer


@pytest.mark.parametrize("name", ["database cut", "log cut", "frames of the log zeroed"])
def test_what_is_kept_in_a_file_that_is_harmed_is_whole_or_reported_lost(
    environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    harm, path, of_plans = HARMS[name], tmp_path / "actuals.sqlite3", tmp_path / "plans.sqlite3"
    with Server(environment, periods_s=QUICK_STORES) as server:
        server.wait_until_ready()
        assert server.client.put("/policy", json=POLICY).status_code == 200
        with reporting(server) as reporters:
            for more in (500, 1500):
                wait_until(lambda enough=more: len(reported(reporters)) > enough)
                harm(path)
        plans = KeptPlans.made(server, 12)
        harm(of_plans)
        # What is hidden in the midst of a log is found by the next close look.
        wait_until(lambda: f"{of_plans}: " in server.logs())
        new = plans.add()
        wait_until(lambda: set(states(server).values()) == {"disk"})
        gone, gone_plans = (lost(server, store)[0] for store in ("actuals", "plans"))
        listed = server.client.get("/plans?limit=100").json()["plans"]
        assert len({one["plan_id"] for one in listed}) + gone_plans == 13
        server.kill()
    with Server(environment, periods_s=QUICK_STORES) as again:
        again.wait_until_ready()
        _, found_at = lost(again, "actuals")
        missing = reported(reporters) - set(kept_ids(path))
        assert len(missing) <= gone or found_at > 0.0
        assert report(again, "last").json() == {"accepted": 1, "duplicates": 0}
        assert again.client.get("/policy").json()["joules_per_quality_token"] == 2.0
        plans.check_whole_or_lost(again)
        assert again.client.get(f"{new}/result").status_code == 200


@pytest.mark.parametrize(
    "harm",
    [lambda path: cut(path, 0.6), lambda path: cut(log_of(path), 0.4)],
    ids=["cut", "log cut"],
)
def test_a_harm_while_the_service_is_down_is_reported_when_it_is_up_and_once(
    environment: dict[str, str], tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = tmp_path / "actuals.sqlite3"
    with Server(environment, periods_s=QUICK_STORES) as server:
        server.wait_until_ready()
        for call in range(60):
            assert report(server, *(f"{call}-{one}" for one in range(30))).status_code == 200
        server.kill()
    harm(path)
    with Server(environment, periods_s=QUICK_STORES) as again:
        again.wait_until_ready()
        records, found_at = lost(again, "actuals")
        assert (records, found_at > 0.0) == (0, True)
        [note] = [one for one in again.client.get("/readyz").json()["notes"] if "Of actuals" in one]
        assert "how many there were is not known" in note
        assert "Of actuals" in again.logs()
        assert report(again, "new").json() == {"accepted": 1, "duplicates": 0}
        left = kept_ids(path)
        assert f"Of actuals {len(left) - 1} could be read" in note
        assert observations(again) == len(left)
        again.kill()
    with Server(environment, periods_s=QUICK_STORES) as third:
        third.wait_until_ready()
        assert kept_ids(path) == left
        assert lost(third, "actuals") == (0, 0.0)
