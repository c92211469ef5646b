"""What a key may do and whose plans it sees; nobody is locked out by another. Real servers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.http.access.scopes import SCOPES
from service.plans.database import _SCHEMA, _SHARDS
from tests.service.bodies import a100_fleet, endless, rows
from tests.service.http.access.conftest import Keys, bearer
from tests.service.http.access.test_keys import is_refused
from tests.service.server import ROOT, Server
from tests.service.test_batch_file_call import batch_file
from tests.waiting import wait_until

BODY = {"requests": rows(), "fleet": a100_fleet()}
PUBLISHED = {"requests": rows(), "publish": True}
ASYNC = {"Prefer": "respond-async"}
DECISION = {"request": {"model": "llama-3.1-8b-instruct", "prompt": "x", "max_tokens": 8}}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Tenant:
    """Somebody with a key."""

    def __init__(self, server: Server, key: str) -> None:
        self._client, self._key = server.client, key

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        given = bearer(self._key) | headers
        return self._client.request(method, path, json=body, headers=given)

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", path)

    def delete(self, path: str) -> httpx.Response:
        return self.ask("DELETE", path)

    def tell(self, **actual: Any) -> httpx.Response:
        told = {"llm": "llama-2-7b-chat", "pool": "p", "runtime_seconds": 2.0} | actual
        return self.ask("POST", "/actuals", {"actuals": [told]})

    def batch(self) -> httpx.Response:
        headers = bearer(self._key) | {"Content-Type": "application/jsonl"}
        return self._client.post("/plan", content=batch_file(), headers=headers)

    def plan(self, body: Any = BODY, **headers: str) -> httpx.Response:
        return self.ask("POST", "/plan", body, **headers)

    def start(self, body: Any = BODY) -> str:
        accepted = self.plan(body, **ASYNC)
        assert accepted.status_code == 202, accepted.text
        return str(accepted.json()["plan_id"])

    def state(self, plan_id: str) -> str:
        return str(self.get(f"/plans/{plan_id}").json()["status"])

    def finish(self, plan_id: str) -> None:
        wait_until(lambda: self.state(plan_id) == "finished")

    def listed(self) -> set[str]:
        return {one["plan_id"] for one in self.get("/plans?limit=100").json()["plans"]}


@pytest.fixture(scope="module")
def keys_of_all(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    made = Keys(tmp_path_factory.mktemp("tenants") / "keys.yaml")
    for scope in SCOPES:
        made.add(scope, scopes=[scope])
    made.add("a")
    made.add("a-2", owner="a")
    made.add("b", max_concurrent=2)
    return made


@pytest.fixture(scope="module")
def own(
    models_dir: Path, keys_of_all: Keys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_WORKERS": "1",
        "JOULEPLAN_API_KEYS_FILE": str(keys_of_all.path),
        "JOULEPLAN_RELOAD_SECONDS": "0.1",
        "JOULEPLAN_STORE_PATH": str(tmp_path_factory.mktemp("store") / "plans.sqlite3"),
    }
    with Server(settings) as running:
        running.wait_until_ready()
        yield running


def tenant(server: Server, keys: Keys, name: str) -> Tenant:
    return Tenant(server, keys.texts[name])


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    [
        ("GET", "/placements", None, {"read"}),
        ("GET", "/metrics", None, {"read"}),
        ("GET", "/actuals", None, {"read"}),
        ("GET", "/openapi.json", None, {"read"}),
        ("GET", "/plans", None, {"read", "plan"}),
        ("GET", f"/plans/{UNKNOWN}", None, {"read", "plan"}),
        ("GET", "/policy", None, {"read", "policy"}),
        ("POST", "/plan", BODY, {"plan"}),
        ("POST", "/predict", BODY, {"plan"}),
        ("POST", "/decision", DECISION, {"plan"}),
        ("POST", "/actuals", {"actuals": []}, {"plan"}),
        ("DELETE", f"/plans/{UNKNOWN}", None, {"plan"}),
        ("PUT", "/policy", {"garbled": 1}, {"policy"}),
        ("DELETE", "/policy", None, {"policy"}),
    ],
)
def test_a_key_may_do_what_its_scopes_say(
    own: Server,
    keys_of_all: Keys,
    prefix: str,
    method: str,
    path: str,
    body: Any,
    allowed: set[str],
) -> None:
    for scope in SCOPES:
        answer = tenant(own, keys_of_all, scope).ask(method, prefix + path, body)
        if scope in allowed:
            assert answer.status_code not in {401, 403}, (scope, answer.text)
        else:
            assert is_refused(answer, 403, "forbidden"), (scope, answer.text)
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            assert all(one in answer.headers["www-authenticate"] for one in allowed)


def test_a_key_without_the_scope_policy_publishes_nothing(own: Server, keys_of_all: Keys) -> None:
    planner, everything = (tenant(own, keys_of_all, name) for name in ("plan", "a"))
    before = everything.get("/policy").json()
    refused = planner.plan(PUBLISHED)
    assert is_refused(refused, 403, "forbidden"), refused.text
    assert refused.json()["errors"][0]["pointer"] == "/publish"
    later = planner.start(PUBLISHED)
    wait_until(lambda: planner.state(later) == "failed")
    assert is_refused(planner.get(f"/plans/{later}/result"), 403, "forbidden")
    assert everything.get("/policy").json() == before
    assert everything.plan(PUBLISHED).status_code == 200
    assert everything.get("/policy").json() != before


def test_plans_are_seen_by_their_owner_alone(own: Server, keys_of_all: Keys) -> None:
    first, other, renewed = (tenant(own, keys_of_all, name) for name in ("a", "b", "a-2"))
    batch = first.batch()
    assert batch.status_code == 200, batch.text
    made = first.start()
    first.finish(made)
    answer = first.tell(id="one", plan_id=made)
    assert answer.status_code == 200, answer.text
    shards = batch.json()["plan_id"]
    paths = [
        f"/plans/{made}",
        f"/plans/{made}/events",
        f"/plans/{made}/result",
        f"/plans/{made}/actuals",
        f"/plans/{shards}",
        f"/plans/{shards}/shards",
        f"/plans/{shards}/shards/0",
    ]
    for path in paths:
        assert first.get(path).status_code == 200, path
        assert renewed.get(path).status_code == 200, path
        refused = other.get(path)
        unknown = other.get(path.replace(made, UNKNOWN).replace(shards, UNKNOWN))
        assert refused.status_code == 404, (path, refused.text)
        assert unknown.json() | {"instance": path} == refused.json()
    assert other.delete(f"/plans/{made}").status_code == 404
    assert {made, shards} <= first.listed() == renewed.listed()
    assert other.listed().isdisjoint(first.listed())
    assert renewed.delete(f"/plans/{shards}").status_code == 204
    assert is_refused(first.get(f"/plans/{shards}/shards"), 410, "plan-gone")
    assert is_refused(other.get(f"/plans/{shards}/shards"), 404, "plan-not-found")


def test_a_plan_that_is_being_made_is_seen_and_ended_by_its_owner_alone(
    own: Server, keys_of_all: Keys
) -> None:
    first, other = (tenant(own, keys_of_all, name) for name in ("a", "b"))
    made = first.start(endless())
    for path in (f"/plans/{made}", f"/plans/{made}/events", f"/plans/{made}/result"):
        assert is_refused(other.get(path), 404, "plan-not-found"), path
    assert is_refused(other.delete(f"/plans/{made}"), 404, "plan-not-found")
    assert made not in other.listed()
    assert first.state(made) in {"queued", "running"}
    assert first.delete(f"/plans/{made}").json()["status"] == "cancelled"


def test_actuals_of_a_plan_that_is_not_kept_are_seen_by_who_told_them(
    own: Server, keys_of_all: Keys
) -> None:
    first, other = (tenant(own, keys_of_all, name) for name in ("a", "b"))
    made = first.plan().json()["plan_id"]
    assert first.tell(id="two", plan_id=made).status_code == 200
    assert first.get(f"/plans/{made}/actuals").json()["requests"] == 1
    assert other.get(f"/plans/{made}/actuals").status_code == 404


def test_ids_of_actuals_and_their_sums_are_their_owners_own(own: Server, keys_of_all: Keys) -> None:
    first, other, renewed = (tenant(own, keys_of_all, name) for name in ("a", "b", "a-2"))
    made = first.start()
    first.finish(made)
    # Whoever guesses an id, or knows a plan's name, takes nothing from its owner.
    assert other.tell(id="claimed", plan_id=made).json() == {"accepted": 1, "duplicates": 0}
    assert first.get(f"/plans/{made}/actuals").status_code == 404
    assert first.tell(id="claimed", plan_id=made).json() == {"accepted": 1, "duplicates": 0}
    assert renewed.tell(id="claimed", plan_id=made).json() == {"accepted": 0, "duplicates": 1}
    assert other.tell(id="claimed", plan_id=made).json() == {"accepted": 0, "duplicates": 1}
    for one in (first, renewed, other):
        assert one.get(f"/plans/{made}/actuals").json()["requests"] == 1


def test_asynchronous_plans_count_against_their_key_until_they_end(
    own: Server, keys_of_all: Keys
) -> None:
    limited, other = (tenant(own, keys_of_all, name) for name in ("b", "a"))
    made = [limited.start(endless()) for _ in range(2)]
    assert is_refused(limited.plan(**ASYNC), 429, "rate-limited")
    assert is_refused(limited.plan(), 429, "rate-limited")
    assert other.plan(**ASYNC).status_code == 202
    # Whoever has used up their places can still look, and end what holds them.
    assert {limited.state(one) for one in made} <= {"queued", "running"}
    assert limited.delete(f"/plans/{made[0]}").status_code == 200
    third = limited.start(BODY)
    assert is_refused(limited.plan(), 429, "rate-limited")
    assert limited.delete(f"/plans/{made[1]}").status_code == 200
    limited.finish(third)
    assert limited.plan().status_code == 200


def test_asynchronous_plans_of_one_tenant_do_not_fill_the_queue(
    models_dir: Path, keys: Keys
) -> None:
    keys.add("a")
    keys.add("b")
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_WORKERS": "1",
        "JOULEPLAN_MAX_QUEUE": "1",
        "JOULEPLAN_API_KEYS_FILE": str(keys.path),
    }
    with Server(settings) as server, ThreadPoolExecutor(1) as threads:
        server.wait_until_ready()
        greedy, other = (tenant(server, keys, name) for name in ("a", "b"))
        running, queued = greedy.start(endless()), greedy.start(endless())
        wait_until(lambda: greedy.state(running) == "running")
        assert is_refused(greedy.plan(**ASYNC), 429, "overloaded")
        # Each owner has places of their own, and so have calls that somebody waits for.
        others = other.start(BODY)
        assert is_refused(other.plan(**ASYNC), 429, "overloaded")
        answer = threads.submit(other.plan)
        wait_until(lambda: "jouleplan_calls_waiting 3.0" in greedy.get("/metrics").text)
        assert greedy.delete(f"/plans/{running}").status_code == 200
        assert answer.result(timeout=60).status_code == 200
        assert greedy.state(queued) in {"queued", "running"}
        assert greedy.delete(f"/plans/{queued}").status_code == 200
        other.finish(others)


def test_plans_of_a_store_that_knew_no_owners_are_everybodys(
    models_dir: Path, keys: Keys, tmp_path: Path
) -> None:
    path = tmp_path / "plans.sqlite3"
    store = sqlite3.connect(path)
    store.executescript(f"PRAGMA auto_vacuum = INCREMENTAL; {_SCHEMA} {_SHARDS}")
    store.executescript(
        "PRAGMA user_version = 2; INSERT INTO plans (plan_id, status, created_at, ended_at, "
        "events) VALUES ('old', 'cancelled', 2e9, 2e9, 3); "
        "INSERT INTO gone VALUES (7, 'gone');"
    )
    store.close()
    keys.add("a")
    keys.add("b")
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_WORKERS": "1",
        "JOULEPLAN_STORE_PATH": str(path),
    }
    with Server(settings | {"JOULEPLAN_API_KEYS_FILE": str(keys.path)}) as first:
        first.wait_until_ready()
        made = {}
        for name in ("a", "b"):
            one = tenant(first, keys, name)
            assert one.listed() == {"old"}
            assert is_refused(one.get("/plans/gone/shards"), 410, "plan-gone")
        for name in ("a", "b"):
            one = tenant(first, keys, name)
            made[name] = one.start()
            one.finish(made[name])
        assert first.stop() == 0
    # Owners survive a restart, and without keys all plans are everybody's.
    with Server(settings | {"JOULEPLAN_API_KEYS_FILE": str(keys.path)}) as second:
        second.wait_until_ready()
        assert tenant(second, keys, "a").listed() == {"old", made["a"]}
        assert second.stop() == 0
    with Server(settings) as third:
        third.wait_until_ready()
        listed = third.client.get("/plans").json()["plans"]
        assert {one["plan_id"] for one in listed} == {"old", *made.values()}


def test_the_command_makes_keys_of_scopes_and_owners(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        file = ("--file", str(tmp_path / "keys.yaml"))
        return subprocess.run(
            [sys.executable, "-m", "service", "keys", *arguments, *file],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert run("add", "x", "--scopes", "plan, read", "--owner", "team").returncode == 0
    assert run("add", "y").returncode == 0
    lines = [line.split() for line in run("list").stdout.splitlines()]
    assert [line[-2:] for line in lines[1:]] == [
        ["read,plan", "team"],
        ["read,plan,policy", "y"],
    ]
    wrong = run("add", "z", "--scopes", "plan,write")
    words = "--scopes: Expected read, plan, policy, one or several, got plan,write.\n"
    assert (wrong.returncode, wrong.stderr) == (2, words)
