"""Whose plans and actuals a key sees; nobody is locked out by another. Real servers."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.plans.database import SCHEMA, SHARDS
from tests.service.bodies import endless
from tests.service.http.access.keys import Keys, is_refused
from tests.service.http.access.tenants import ASYNC, BODY, UNKNOWN, tenant
from tests.service.server import Server
from tests.waiting import wait_until


def test_plans_are_seen_by_their_owner_alone(tenants_server: Server, tenants_keys: Keys) -> None:
    first, other, renewed = (
        tenant(tenants_server, tenants_keys, name) for name in ("a", "b", "a-2")
    )
    batch = first.batch()
    assert batch.status_code == 200, batch.text
    made = first.start()
    first.finish(made)
    answer = first.report(id="one", plan_id=made)
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
    tenants_server: Server, tenants_keys: Keys
) -> None:
    first, other = (tenant(tenants_server, tenants_keys, name) for name in ("a", "b"))
    made = first.start(endless())
    for path in (f"/plans/{made}", f"/plans/{made}/events", f"/plans/{made}/result"):
        assert is_refused(other.get(path), 404, "plan-not-found"), path
    assert is_refused(other.delete(f"/plans/{made}"), 404, "plan-not-found")
    assert made not in other.listed()
    assert first.state(made) in {"queued", "running"}
    assert first.delete(f"/plans/{made}").json()["status"] == "cancelled"


def test_actuals_of_a_plan_that_is_not_kept_are_seen_by_who_reported_them(
    tenants_server: Server, tenants_keys: Keys
) -> None:
    first, other = (tenant(tenants_server, tenants_keys, name) for name in ("a", "b"))
    made = first.plan().json()["plan_id"]
    assert first.report(id="two", plan_id=made).status_code == 200
    assert first.get(f"/plans/{made}/actuals").json()["requests"] == 1
    assert other.get(f"/plans/{made}/actuals").status_code == 404


def test_ids_of_actuals_and_their_sums_are_their_owners_own(
    tenants_server: Server, tenants_keys: Keys
) -> None:
    first, other, renewed = (
        tenant(tenants_server, tenants_keys, name) for name in ("a", "b", "a-2")
    )
    made = first.start()
    first.finish(made)
    # Whoever guesses an id, or knows a plan's name, takes nothing from its owner.
    assert other.report(id="claimed", plan_id=made).json() == {"accepted": 1, "duplicates": 0}
    assert first.get(f"/plans/{made}/actuals").status_code == 404
    assert first.report(id="claimed", plan_id=made).json() == {"accepted": 1, "duplicates": 0}
    assert renewed.report(id="claimed", plan_id=made).json() == {"accepted": 0, "duplicates": 1}
    assert other.report(id="claimed", plan_id=made).json() == {"accepted": 0, "duplicates": 1}
    for one in (first, renewed, other):
        assert one.get(f"/plans/{made}/actuals").json()["requests"] == 1


def test_asynchronous_plans_count_against_their_key_until_they_end(
    tenants_server: Server, tenants_keys: Keys
) -> None:
    limited, other = (tenant(tenants_server, tenants_keys, name) for name in ("b", "a"))
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
        "JOULEPLAN_MAX_QUEUE": "1",
        "JOULEPLAN_API_KEYS_FILE": str(keys.path),
    }
    with Server(settings) as server, ThreadPoolExecutor(1) as threads:
        server.wait_until_ready()
        greedy, other = (tenant(server, keys, name) for name in ("a", "b"))
        running, queued = greedy.start(endless()), greedy.start(endless())
        wait_until(lambda: greedy.state(running) == "running")
        assert is_refused(greedy.plan(**ASYNC), 429, "overloaded")
        # Each owner has places of their tenants_server, and so have calls that somebody waits for.
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
    store.executescript(f"PRAGMA auto_vacuum = INCREMENTAL; {SCHEMA} {SHARDS}")
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
