"""Asynchronous plans over a real server: accepted, looked at, cancelled, kept, listed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.calls.schemas.answers import PlanAnswer
from service.calls.schemas.plans import PlansAnswer, PlanStatusAnswer
from tests.service.answers import checked
from tests.service.bodies import endless
from tests.service.plans.calls import ASYNC, BODY, IMPOSSIBLE, UNKNOWN, slug, start, wait_for
from tests.service.server import Server
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def own(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one worker and a store of its own."""
    environment = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_MAX_QUEUE": "2",
        "JOULEPLAN_STORE_PATH": str(tmp_path_factory.mktemp("store") / "plans.sqlite3"),
    }
    with Server(environment) as running:
        running.wait_until_ready()
        yield running


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_a_plan_is_accepted_made_and_fetched(own: Server, prefix: str) -> None:
    accepted = own.client.post(f"{prefix}/plan", json=BODY, headers=ASYNC)
    assert accepted.status_code == 202
    assert accepted.headers["preference-applied"] == "respond-async"
    status = checked(accepted.json(), PlanStatusAnswer)
    path = f"{prefix}/plans/{status['plan_id']}"
    assert accepted.headers["location"] == path == status["links"]["self"]
    assert status["links"]["events"] == f"{path}/events"

    state = checked(wait_for(own, path, "finished"), PlanStatusAnswer)
    assert state["links"]["result"] == f"{path}/result"
    fetched = own.client.get(state["links"]["result"])
    plan = checked(fetched.json(), PlanAnswer)
    assert plan["plan_id"] == status["plan_id"]
    assert (state["incumbent"], state["lower_bound"]) == (plan["objective"], plan["lower_bound"])


def test_the_answer_is_that_of_a_synchronous_call(own: Server) -> None:
    path = start(own, BODY)
    wait_for(own, path, "finished")
    fetched, direct = own.client.get(f"{path}/result"), own.post("/plan", BODY)
    assert fetched.headers["content-type"] == direct.headers["content-type"]
    assert int(fetched.headers["content-length"]) == len(fetched.content)
    apart = {"plan_id", "timings_seconds"}
    assert {k: v for k, v in fetched.json().items() if k not in apart} == {
        k: v for k, v in direct.json().items() if k not in apart
    }


def test_a_refusal_is_that_of_a_synchronous_call(own: Server) -> None:
    path = start(own, IMPOSSIBLE)
    state = wait_for(own, path, "failed")
    fetched, direct = own.client.get(f"{path}/result"), own.post("/plan", IMPOSSIBLE)
    assert fetched.status_code == direct.status_code == 422
    assert slug(fetched) == "infeasible"
    assert fetched.json() == direct.json() == state["problem"]


def test_a_call_without_the_preference_waits_for_its_answer(own: Server) -> None:
    assert own.client.post("/plan", json=BODY, headers={"Prefer": "wait=5"}).status_code == 200


@pytest.mark.parametrize(
    "prefer", ["respond-async, wait=10", "RESPOND-ASYNC", "wait=1;a,respond-async;x=1"]
)
def test_the_preference_is_read_as_its_standard_says(own: Server, prefer: str) -> None:
    response = own.client.post("/plan", json=BODY, headers={"Prefer": prefer})
    assert response.status_code == 202
    wait_for(own, response.headers["location"], "finished")


def test_a_body_that_is_not_announced_as_json_is_not_accepted(own: Server) -> None:
    response = own.client.post(
        "/plan", content=b"x", headers={**ASYNC, "Content-Type": "text/plain"}
    )
    assert slug(response) == "unsupported-media-type"


def test_a_running_plan_reports_its_phase_and_its_gap(own: Server) -> None:
    path = start(own, endless())
    try:
        wait_until(lambda: own.client.get(path).json()["gap"] is not None)
        state = own.client.get(path).json()
        assert state["status"] == "running"
        assert state["phase"] in {
            "candidates",
            "bounding",
            "improving",
            "searching",
            "comparing",
        }
        assert state["lower_bound"] <= state["incumbent"]
        assert state["elapsed_seconds"] > 0
        early = own.client.get(f"{path}/result")
        assert (early.status_code, slug(early)) == (409, "not-finished")
        assert "retry-after" in early.headers
    finally:
        own.client.delete(path)


def test_cancelling_kills_the_worker_and_lets_the_next_plan_run(own: Server) -> None:
    path = start(own, endless())
    wait_for(own, path, "running")
    (worker,) = own.worker_pids()
    response = own.client.delete(path)
    wait_until(lambda: not Path(f"/proc/{worker}").exists())
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    assert own.client.get(path).json()["status"] == "cancelled"
    assert slug(own.client.get(f"{path}/result")) == "no-result"
    assert own.post("/plan", BODY).status_code == 200


def test_a_full_queue_refuses_and_cancelling_frees_it(own: Server) -> None:
    busy = start(own, endless())
    wait_for(own, busy, "running")
    queued = [start(own, BODY) for _ in range(2)]
    assert [own.client.get(path).json()["status"] for path in queued] == ["queued", "queued"]
    refused = own.client.post("/plan", json=BODY, headers=ASYNC)
    assert (refused.status_code, slug(refused)) == (429, "overloaded")
    assert "retry-after" in refused.headers
    assert own.client.delete(queued[0]).json()["status"] == "cancelled"
    queued[0] = start(own, BODY)
    assert own.client.delete(busy).status_code == 200
    for path in queued:
        wait_for(own, path, "finished")


def test_a_plan_that_ended_is_forgotten_when_deleted_again(own: Server) -> None:
    path = start(own, BODY)
    wait_for(own, path, "finished")
    assert own.client.delete(path).status_code == 204
    for method, below in (("GET", ""), ("GET", "/result"), ("GET", "/events"), ("DELETE", "")):
        response = own.client.request(method, path + below)
        assert (response.status_code, slug(response)) == (404, "plan-not-found")


def test_a_path_reports_all_methods_that_it_takes(own: Server) -> None:
    refused = own.client.put(f"/plans/{UNKNOWN}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, HEAD")


@pytest.mark.parametrize("name", [UNKNOWN, "x", "..%2f", "%00", "a" * 5000])
def test_a_name_of_no_plan_is_not_found(own: Server, name: str) -> None:
    for method, below in (("GET", ""), ("GET", "/result"), ("GET", "/events"), ("DELETE", "")):
        assert own.client.request(method, f"/plans/{name}{below}").status_code == 404


def test_plans_are_listed_page_by_page_the_newest_first(own: Server) -> None:
    paths = [start(own, BODY) for _ in range(3)]
    for path in paths:
        wait_for(own, path, "finished")
    first = checked(own.client.get("/v1/plans?limit=2").json(), PlansAnswer)
    assert first["survives_restart"]
    assert first["next"] is not None
    second = checked(own.client.get(first["next"]).json(), PlansAnswer)
    listed = [
        plan["links"]["self"].removeprefix("/v1") for plan in (*first["plans"], *second["plans"])
    ]
    assert listed[:3] == paths[::-1]
    last = own.client.get("/plans?limit=100").json()
    assert last["next"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "before=-1", "before=" + "9" * 30]
)
def test_a_page_that_cannot_be_is_refused(own: Server, query: str) -> None:
    response = own.client.get(f"/plans?{query}")
    assert (response.status_code, slug(response)) == (422, "invalid-request")
    assert response.json()["errors"][0]["pointer"] == f"/query/{query.partition('=')[0]}"


def test_asynchronous_plans_are_counted(own: Server) -> None:
    own.client.delete(start(own, endless())).raise_for_status()
    wait_for(own, start(own, BODY), "finished")
    lines = own.client.get("/metrics").text.splitlines()
    counted = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(counted['jouleplan_async_plans_ended_total{status="finished"}']) > 0
    assert float(counted['jouleplan_async_plans_ended_total{status="cancelled"}']) > 0
    assert float(counted['jouleplan_async_plans{status="running"}']) == 0
    assert float(counted["jouleplan_stored_plans"]) > 0
    assert float(counted["jouleplan_stored_plan_bytes"]) > 1000
