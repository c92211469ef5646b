"""The real server: starts, plans, loses a worker, loses a caller, stops."""

import json
import os
import platform
import signal
import socket
import time
from itertools import pairwise
from pathlib import Path

import pytest

from service.calls.schemas.answers import PlanAnswer
from service.calls.schemas.information import (
    CostModelsAnswer,
    PlacementsAnswer,
    ProblemAnswer,
    ReadinessAnswer,
)
from tests.service.answers import checked
from tests.service.bodies import a100_fleet, endless, rows
from tests.service.server import Server, run_service
from tests.waiting import wait_until

BODY = {"requests": rows(), "fleet": a100_fleet()}


def is_problem(response: object) -> bool:
    headers = getattr(response, "headers", {})
    return bool(headers["content-type"] == "application/problem+json")


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_every_path_is_served_as_written_and_under_v1(server: Server, prefix: str) -> None:
    planned = server.post(f"{prefix}/plan", BODY)
    assert planned.status_code == 200, planned.text
    checked(planned.json(), PlanAnswer)
    assert server.post(f"{prefix}/predict", BODY).status_code == 200
    for path in ("placements", "cost-models", "healthz", "readyz", "metrics", "docs"):
        assert server.client.get(f"{prefix}/{path}").status_code == 200, path
    assert server.client.get(f"{prefix}/openapi.json").json()["info"]["title"] == "jouleplan"


def test_what_is_loaded_is_reported(server: Server) -> None:
    placements = checked(server.client.get("/placements").json(), PlacementsAnswer)
    assert [(p["llm"], p["concurrency"]) for p in placements["placements"]] == [
        ("llama-3.1-8b-instruct", 32),
        ("llama-3.1-8b-instruct", 128),
        ("qwen3-30b-a3b-instruct-2507", 64),
    ]
    loaded = checked(server.client.get("/cost-models").json(), CostModelsAnswer)
    assert len(loaded["cost_models"]) == 5
    ready = checked(server.client.get("/readyz").json(), ReadinessAnswer)
    assert (ready["cost_models"], ready["placements"], ready["refused"]) == (5, 3, [])


def test_the_placements_of_a_plan_are_those_of_the_placements_path(server: Server) -> None:
    planned = server.post("/plan", {"requests": rows()}).json()["placements"]
    listed = server.client.get("/placements").json()["placements"]
    keys = ("index", "llm", "pool", "device", "concurrency")
    assert [{k: p[k] for k in keys} for p in planned] == [{k: p[k] for k in keys} for p in listed]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/plan", 405),
        ("DELETE", "/metrics", 405),
        ("POST", "/v1/nothing", 404),
    ],
)
def test_the_framework_refuses_with_problems_too(
    server: Server, method: str, path: str, status: int
) -> None:
    response = server.client.request(method, path)
    assert response.status_code == status
    assert is_problem(response)
    problem = checked(response.json(), ProblemAnswer)
    assert (problem["status"], problem["instance"]) == (status, path)
    assert (status == 405) is ("allow" in response.headers)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/xml", "", "garbage/;;"],
)
def test_a_body_that_is_not_announced_as_json_is_refused(server: Server, content_type: str) -> None:
    response = server.client.post(
        "/plan", content=json.dumps(BODY), headers={"content-type": content_type}
    )
    assert response.status_code == 415
    assert is_problem(response)


def test_a_charset_beside_the_content_type_is_fine(server: Server) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    response = server.client.post("/plan", content=json.dumps(BODY), headers=headers)
    assert response.status_code == 200


def test_ten_megabytes_of_nesting_harm_nothing(server: Server) -> None:
    headers = {"content-type": "application/json"}
    before = server.worker_pids()
    response = server.client.post("/plan", content=b"[" * 10_000_000, headers=headers)
    assert response.status_code == 400
    assert is_problem(response)
    assert server.worker_pids() == before
    assert server.post("/plan", BODY).status_code == 200


def test_a_request_id_is_echoed_where_it_is_safe(server: Server) -> None:
    given = server.client.get("/healthz", headers={"X-Request-ID": "abc-1.2_3"})
    assert given.headers["x-request-id"] == "abc-1.2_3"
    unsafe = server.client.get("/healthz", headers={"X-Request-ID": 'a" onload="x'})
    assert unsafe.headers["x-request-id"] != 'a" onload="x'
    assert len(unsafe.headers["x-request-id"]) == 32


def test_logs_are_one_json_line_a_request_without_its_body(server: Server) -> None:
    secret = {"requests": [{"id": "secret-name", "input_tokens": 1, "output_tokens": 1}]}
    headers = {"X-Request-ID": "find-me"}
    server.client.post("/plan", json=secret, headers=headers)
    (line,) = server.logged("find-me")
    assert (line["method"], line["path"], line["status"]) == ("POST", "/plan", 200)
    assert 0 < line["seconds"] < 60
    assert "secret-name" not in server.logs()


def heaps_of_threads(pid: int) -> int:
    """Return how many heaps there are beside the first; glibc reserves 64 MiB for each."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    spans = [[int(end, 16) for end in line.split()[0].split("-")] for line in lines]
    kinds = [line.split()[1] for line in lines]
    return sum(
        (kinds[at], kinds[at + 1], used[1], reserved[1] - used[0])
        == ("rw-p", "---p", reserved[0], 64 * 2**20)
        and used[0] % (64 * 2**20) == 0
        for at, (used, reserved) in enumerate(pairwise(spans))
    )


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps of threads are glibc's")
def test_threads_of_the_server_leave_no_heaps_of_their_own(server: Server) -> None:
    for _ in range(2):
        assert server.post("/plan", BODY).status_code == 200
    assert len(list(Path(f"/proc/{server.process.pid}/task").iterdir())) > 1
    assert heaps_of_threads(server.process.pid) == 0


def test_a_killed_worker_is_replaced_and_the_next_call_is_answered(server: Server) -> None:
    (worker,) = server.worker_pids()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: worker not in server.worker_pids())
    response = server.post("/plan", BODY)
    assert response.status_code == 200
    assert server.worker_pids() != [worker]


def test_a_caller_that_leaves_ends_its_call(server: Server) -> None:
    (worker,) = server.worker_pids()
    hard = json.dumps(endless()).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as caller:
        caller.sendall(
            b"POST /plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: " + str(len(hard)).encode() + b"\r\n\r\n" + hard
        )
        wait_until(lambda: "jouleplan_calls_running 1.0" in server.client.get("/metrics").text)
    server.wait_until_ready(within_s=time.perf_counter() - server.started_s + 60)
    assert server.post("/plan", BODY).status_code == 200
    assert server.worker_pids() != [worker]


def test_sigterm_stops_it_cleanly_with_its_workers(models_dir: Path) -> None:
    with Server({"JOULEPLAN_MODELS_DIR": str(models_dir)}) as own:
        own.wait_until_ready()
        workers = own.worker_pids()
        assert own.stop() == 0
        assert "Traceback" not in own.logs()
        for worker in workers:
            with pytest.raises(ProcessLookupError):
                os.kill(worker, 0)


def test_workers_end_when_their_parent_is_killed(models_dir: Path) -> None:
    with Server({"JOULEPLAN_MODELS_DIR": str(models_dir)}) as own:
        own.wait_until_ready()
        (worker, *_) = own.worker_pids()
        own.process.kill()
        own.process.wait()
        wait_until(lambda: not Path(f"/proc/{worker}").exists())


def test_refused_artefacts_are_named_and_the_others_still_plan(
    models_dir: Path, tmp_path: Path
) -> None:
    for path in models_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = tmp_path / "qwen3-30b-a3b-instruct-2507__1xb200.joblib"
    broken.write_bytes(broken.read_bytes()[:-5])
    with Server({"JOULEPLAN_MODELS_DIR": str(tmp_path)}) as own:
        own.wait_until_ready()
        ready = own.client.get("/readyz").json()
        assert [r["path"] for r in ready["refused"]] == [broken.name]
        assert len(ready["notes"]) == 1
        assert [r["path"] for r in own.client.get("/cost-models").json()["refused"]] == [
            broken.name
        ]
        assert "jouleplan_cost_models_refused 1.0" in own.client.get("/metrics").text
        assert own.post("/plan", {"requests": rows()}).status_code == 200


@pytest.mark.parametrize(
    ("fleet", "reason"),
    [("pools: [", "is not YAML"), (None, "No cost")],
)
def test_it_is_not_ready_where_it_cannot_plan_and_says_why(
    models_dir: Path, tmp_path: Path, fleet: str | None, reason: str
) -> None:
    environment = {"JOULEPLAN_MODELS_DIR": str(tmp_path)}
    if fleet is not None:
        (tmp_path / "fleet.yaml").write_text(fleet)
        environment = {
            "JOULEPLAN_MODELS_DIR": str(models_dir),
            "JOULEPLAN_FLEET": str(tmp_path / "fleet.yaml"),
        }
    with Server(environment) as own:
        wait_until(lambda: "A worker is ready" in own.logs())
        response = own.client.get("/readyz")
        assert response.status_code == 503
        assert is_problem(response)
        assert any(reason in text for text in response.json()["reasons"]), response.text
        missing = f"JOULEPLAN_MODELS_DIR: Expected a folder of cost models, got {tmp_path}: "
        warning = "fleet.yaml: is not YAML" if fleet else missing
        assert own.logs().count(warning) == 1
        assert "retry-after" in response.headers
        assert own.client.get("/healthz").status_code == 200


def test_it_refuses_to_listen_beyond_loopback_without_permission() -> None:
    environment = {**os.environ, "JOULEPLAN_HOST": "0.0.0.0"}  # noqa: S104
    done = run_service(environment)
    assert done.returncode == 2
    assert "JOULEPLAN_ALLOW_UNAUTHENTICATED=true" in done.stderr


def test_print_config_prints_the_settings_and_stops() -> None:
    done = run_service({**os.environ, "JOULEPLAN_PORT": "8123"}, "--print-config")
    assert json.loads(done.stdout)["port"] == 8123
