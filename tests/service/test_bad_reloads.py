"""What serves goes on serving: files that cannot be used leave in force what was before."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from costmodel.artefact import save
from costmodel.region import ProfiledRegion
from tests.costmodel.builders import kv_off_cost_model, kv_on_cost_model
from tests.service.decision_fleet import FLEET, save_two_pools
from tests.service.followed_models import following
from tests.service.server import Server
from tests.waiting import wait_until

TOKENS = {"input_tokens": 200, "output_tokens": 100}
DECISION = {"llm": "qwen3-8b", **TOKENS}
CHAT = {"model": "qwen3-8b", "messages": [{"role": "user", "content": "why"}]}
STEM = "qwen3-8b__1xh100"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Within a folder that tests may rename it in.
    folder = tmp_path_factory.mktemp("followed") / "models"
    folder.mkdir()
    return save_two_pools(folder)


@pytest.fixture(scope="module")
def followed(folder: Path) -> Iterator[tuple[Server, Callable[[], None]]]:
    with following(folder) as running:
        yield running


@pytest.fixture
def server(followed: tuple[Server, Callable[[], None]]) -> Iterator[Server]:
    server, restore = followed
    yield server
    restore()


@pytest.fixture
def models(folder: Path) -> Path:
    return folder


def metric(server: Server, name: str, kind: str) -> float:
    start = f'jouleplan_reload_{name}{{kind="{kind}"}} '
    lines = server.client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(start)).removeprefix(start))


def failing(server: Server, kind: str) -> bool:
    return metric(server, "successful", kind) == 0.0


def errors(server: Server) -> list[str]:
    lines = [json.loads(line) for line in server.logs().splitlines()]
    return [line["message"] for line in lines if line["level"] == "ERROR"]


def check_that_all_goes_on(server: Server) -> None:
    """Ask every worker for a plan, and the main process for a decision, by the last good state."""
    for _ in range(4):
        planned = server.post("/plan", {"requests": [TOKENS]})
        assert planned.status_code == 200, planned.text
        assert planned.json()["assignments"][0]["pool"] == "small"
    decided = server.post("/decision", DECISION)
    assert decided.status_code == 200, decided.text
    assert decided.json()["placement"]["pool"] == "small"
    answer = server.post("/destination", CHAT)
    assert answer.status_code == 200, answer.text
    assert server.client.get("/readyz").status_code == 200


def lose_a_worker(server: Server) -> None:
    gone = server.worker_pids()[0]
    os.kill(gone, signal.SIGKILL)
    wait_until(
        lambda: (
            gone not in server.worker_pids()
            and "jouleplan_workers 2.0" in server.client.get("/metrics").text
        )
    )


def test_a_bad_fleet_leaves_the_last_good_one_until_it_is_mended(
    server: Server, models: Path
) -> None:
    path = models / "fleet.yaml"
    bad = {
        "pools: [": "is not YAML in line 1: ",
        FLEET.replace("[qwen3-8b]", "[qwen3-8b", 1): "is not YAML in line 6: ",
        FLEET.replace("count: 1\n", "count: one\n", 1): "at /pools/0/count (line 4)",
        FLEET.replace("[qwen3-8b]", "[qwen3-8bb]", 2): "at /pools/0/llms/0 (line 5)",
        FLEET.replace("concurrency: [1]", "concurrency: [1, 4000]", 1): "(line 6)",
        FLEET + "quality: {other: 0.5}\n": "at /quality/other (line 14)",
        FLEET[: len(FLEET) // 3]: "at /pools/0",
        "": "got an empty file",
        "\ud800": "expected UTF-8",
    }
    at_first = len(errors(server))
    for text, words in bad.items():
        before = len(errors(server))
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        wait_until(lambda before=before: len(errors(server)) > before)  # type: ignore[misc]
        assert str(path) in errors(server)[-1]
        assert words in errors(server)[-1]
        assert failing(server, "fleet")
        assert not failing(server, "cost_models")
        check_that_all_goes_on(server)
    since = metric(server, "failed_since_timestamp_seconds", "fleet")
    assert abs(since - path.stat().st_mtime) < 120
    notes = server.client.get("/readyz").json()["notes"]
    assert len(notes) == 1
    assert notes[0].startswith("Since 2")
    assert str(path) in notes[0]

    lose_a_worker(server)
    check_that_all_goes_on(server)
    assert failing(server, "fleet")
    assert len(errors(server)) == at_first + len(bad)

    path.write_text(FLEET.replace("name: large", "name: huge"))
    wait_until(lambda: not failing(server, "fleet"))
    assert metric(server, "failed_since_timestamp_seconds", "fleet") == 0.0
    pools = [one["pool"] for one in server.client.get("/placements").json()["placements"]]
    assert pools == ["small", "huge"]
    assert server.client.get("/readyz").json()["notes"] == []


def test_a_reload_while_a_worker_is_stopped_reaches_the_one_that_replaces_it(
    server: Server, models: Path
) -> None:
    stopped = server.worker_pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    (models / "fleet.yaml").write_text(FLEET.replace("name: small", "name: little"))
    wait_until(lambda: "little" in server.client.get("/placements").text)
    (models / "fleet.yaml").write_text("pools: [")
    wait_until(lambda: failing(server, "fleet") and stopped not in server.worker_pids())
    wait_until(lambda: "jouleplan_workers 2.0" in server.client.get("/metrics").text)
    for _ in range(4):
        planned = server.post("/plan", {"requests": [TOKENS]})
        assert planned.status_code == 200, planned.text
        assert planned.json()["assignments"][0]["pool"] == "little"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def remove_both(path: Path) -> None:
    path.unlink()
    path.with_suffix(".json").unlink()


@pytest.mark.parametrize("spoil", [truncate, remove_both])
def test_a_bad_artefact_leaves_the_last_good_one_and_others_are_taken_over(
    server: Server, models: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(models / f"{STEM}.joblib")
    save(kv_off_cost_model(), models)
    wait_until(lambda: failing(server, "cost_models"))
    check_that_all_goes_on(server)
    assert STEM in errors(server)[-1]
    assert len(server.client.get("/cost-models").json()["cost_models"]) == 3
    lose_a_worker(server)
    check_that_all_goes_on(server)
    save(kv_on_cost_model(load_s=3.0), models)
    wait_until(lambda: not failing(server, "cost_models"))


def test_an_artefact_that_the_fleet_outgrows_is_not_taken_over(
    server: Server, models: Path
) -> None:
    two = FLEET.replace("concurrency: [1]", "concurrency: [1, 64]")
    (models / "fleet.yaml").write_text(two)
    wait_until(lambda: len(server.client.get("/placements").json()["placements"]) == 4)
    few = ProfiledRegion(np.array([[16.0, 16.0, 1.0], [1024.0, 1024.0, 8.0]]))
    save(kv_on_cost_model(region=few), models)
    wait_until(lambda: failing(server, "cost_models"))
    assert "expected a concurrency of 64" in errors(server)[-1]
    assert len(server.client.get("/placements").json()["placements"]) == 4


def test_a_folder_that_is_gone_leaves_all_of_it(server: Server, models: Path) -> None:
    away = models.with_name("away")
    models.rename(away)
    wait_until(lambda: failing(server, "cost_models") and failing(server, "fleet"))
    check_that_all_goes_on(server)
    lose_a_worker(server)
    check_that_all_goes_on(server)
    models.mkdir()
    save(kv_off_cost_model(), models)
    wait_until(lambda: any("the fleet names it" in one for one in errors(server)))
    check_that_all_goes_on(server)
    shutil.rmtree(models)
    away.rename(models)
    wait_until(lambda: not failing(server, "cost_models") and not failing(server, "fleet"))
    check_that_all_goes_on(server)


def test_a_fleet_waits_for_the_artefacts_that_it_names(server: Server, models: Path) -> None:
    more = FLEET + (
        "  - {name: new, device: 1xa100-sxm4-40gb, count: 1, llms: [llama-2-7b-chat],"
        " concurrency: [1], resident: [llama-2-7b-chat]}\n"
    )
    (models / "fleet.yaml").write_text(more)
    wait_until(lambda: failing(server, "fleet"))
    check_that_all_goes_on(server)
    save(kv_off_cost_model(), models)
    wait_until(lambda: not failing(server, "fleet"))
    pools = [one["pool"] for one in server.client.get("/placements").json()["placements"]]
    assert pools == ["small", "large", "new"]


ODD_NAMES = (
    b"\xff\xfe__1xh100.joblib",
    b"a\nb__1xh100.joblib",
    b"\xe2\x80\xae__1xh100.json",
    b"x" * 240 + b"__1xh100.json",
    b"-__1xh100.joblib",
)


def odd_files(models: Path, count: int) -> None:
    for name in ODD_NAMES:
        (models / os.fsdecode(name)).write_bytes(b"odd")
    os.mkfifo(models / "qwen3-14b__1xh100.joblib")
    (models / "qwen3-14b__1xh100.json").write_text("{}")
    (models / "qwen3-32b__1xh100.joblib").symlink_to("nowhere")
    for number in range(count):
        (models / f"bad-{number}__1xh100.joblib").write_bytes(b"bad")


COUNT = 1_000


def check_that_odd_files_are_refused_in_few_words(server: Server, lines_before: int = 0) -> None:
    refused = COUNT + len(ODD_NAMES) + 2
    wait_until(lambda: server.client.get("/readyz").json()["refused_count"] == refused)
    check_that_all_goes_on(server)
    ready = server.client.get("/readyz")
    assert len(ready.content) < 10_000
    assert len(ready.json()["refused"]) == 10
    assert f"jouleplan_cost_models_refused {refused:.1f}" in server.client.get("/metrics").text
    listed = [one["path"] for one in server.client.get("/cost-models").json()["refused"]]
    assert "b'\\xff\\xfe__1xh100.joblib'" in listed
    assert "b'a\\nb__1xh100.joblib'" in listed
    assert len(listed) == refused
    lines = [json.loads(line) for line in server.logs().splitlines()[lines_before:]]
    assert max(len(line["message"]) for line in lines) < 2_000
    assert sum(line["level"] in {"WARNING", "ERROR"} for line in lines) < 10


def test_odd_names_and_many_bad_artefacts_do_no_harm_while_it_runs(
    server: Server, models: Path
) -> None:
    before = len(server.logs().splitlines())
    odd_files(models, COUNT)
    check_that_odd_files_are_refused_in_few_words(server, before)


def test_odd_names_and_many_bad_artefacts_do_no_harm_at_the_start(tmp_path: Path) -> None:
    odd_files(save_two_pools(tmp_path), COUNT)
    with Server({"JOULEPLAN_MODELS_DIR": str(tmp_path)}) as server:
        server.wait_until_ready()
        check_that_odd_files_are_refused_in_few_words(server)
