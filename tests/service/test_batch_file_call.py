"""`POST /plan` with an OpenAI batch file, over a real server: planned, sharded, kept, refused."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.calls.schemas.answers import PlanAnswer
from service.calls.schemas.plans import PlanStatusAnswer
from service.calls.schemas.shards import ShardsAnswer
from service.plans.database import _SCHEMA
from tests.service.answers import checked
from tests.service.arrow_streams import table_of
from tests.service.bodies import pointers, rows
from tests.service.plan_files import batch_line
from tests.service.server import Server
from tests.service.test_background_plans import ASYNC, UNKNOWN, slug, wait_for

JSONL = {"content-type": "application/jsonl"}
NAMES = {
    "llama-3.1-8b-instruct": "meta-llama/Llama-3.1-8B-Instruct",
    "qwen3-30b-a3b-instruct-2507": "Qwen/Qwen3-30B-A3B-Instruct-2507",
}
LLAMA, QWEN = NAMES


def text_line(index: int, model: str | None, max_tokens: int = 50) -> str:
    line = json.loads(batch_line(index, max_tokens=max_tokens))
    line["body"]["model"] = model
    return json.dumps(line)


def batch_file(count: int = 12) -> str:
    """Return lines for both LLMs in turn, longer and longer."""
    names = list(NAMES.values())
    return "\n".join(text_line(i, names[i % 2], 20 + 7 * i) for i in range(count))


def post(server: Server, body: str | bytes, path: str = "/plan", **headers: str) -> httpx.Response:
    return server.client.post(path, content=body, headers={**JSONL, **headers})


def planned(server: Server, body: str | bytes, path: str = "/plan") -> dict[str, Any]:
    response = post(server, body, path)
    assert response.status_code == 200, response.text
    checked(response.json(), PlanAnswer)
    return dict(response.json())


def contents(server: Server, answer: dict[str, Any]) -> list[bytes]:
    return [server.client.get(shard["url"]).content for shard in answer["shards"]]


@pytest.fixture
def kept(models_dir: Path, tmp_path: Path) -> dict[str, str]:
    return {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_WORKERS": "1",
        "JOULEPLAN_STORE_PATH": str(tmp_path / "plans.sqlite3"),
    }


@pytest.mark.parametrize("media_type", ["application/jsonl", "application/x-ndjson; charset=utf-8"])
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_a_line_runs_on_the_llm_that_it_names_and_stays_as_it_is(
    server: Server, prefix: str, media_type: str
) -> None:
    file = batch_file()
    response = post(server, file, f"{prefix}/plan", **{"content-type": media_type})
    answer = response.json()
    assert answer["columns"]["id"] == [f"c{i}" for i in range(12)]
    assert {w["code"] for w in answer["warnings"]} >= {"tokens_estimated"}
    assert "llm_substitution" not in {w["code"] for w in answer["warnings"]}
    assert {shard["llm"]: shard["served_names"] for shard in answer["shards"]} == {
        llm: [name] for llm, name in NAMES.items()
    }
    lines = [line for content in contents(server, answer) for line in content.splitlines()]
    assert sorted(lines) == sorted(file.encode().splitlines())
    assert all(shard["url"].startswith(f"{prefix}/plans/") for shard in answer["shards"])
    for shard, content in zip(answer["shards"], contents(server, answer), strict=True):
        assert shard["bytes"] == len(content)
        assert shard["lines"] == len(content.splitlines())
        assert shard["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_longest_lines_come_first(server: Server) -> None:
    answer = planned(server, batch_file(30))
    columns = answer["columns"]
    runtime_s = dict(zip(columns["id"], columns["runtime_seconds"], strict=True))
    where = dict(zip(columns["id"], columns["placement"], strict=True))
    for shard, content in zip(answer["shards"], contents(server, answer), strict=True):
        ids = [json.loads(line)["custom_id"] for line in content.splitlines()]
        assert [where[name] for name in ids] == [shard["placement"]] * len(ids)
        assert [runtime_s[name] for name in ids] == sorted(map(runtime_s.get, ids), reverse=True)  # type: ignore[type-var]


def test_other_llms_serve_where_they_are_named(server: Server) -> None:
    answer = planned(server, batch_file(), f"/plan?llms={LLAMA}")
    assert {shard["llm"] for shard in answer["shards"]} == {LLAMA}
    bodies = [json.loads(line)["body"] for c in contents(server, answer) for line in c.splitlines()]
    assert {body["model"] for body in bodies} == {NAMES[LLAMA]}
    assert len(bodies) == 12
    free = planned(server, batch_file(), "/plan?llms=any")
    assert "llm_substitution" in {w["code"] for w in free["warnings"]}


def test_the_names_that_servers_have_are_taken(server: Server) -> None:
    answer = planned(server, batch_file(), f"/plan?served_name={QWEN}:qwen:30b")
    served = {shard["llm"]: shard["served_names"] for shard in answer["shards"]}
    assert served == {LLAMA: [NAMES[LLAMA]], QWEN: ["qwen:30b"]}
    mixed = "\n".join([text_line(0, LLAMA), text_line(1, NAMES[LLAMA]), text_line(2, None)])
    answer = planned(server, mixed, f"/plan?pools=h100&llms={LLAMA}")
    (shard,) = answer["shards"]
    assert sorted(shard["served_names"]) == sorted([LLAMA, NAMES[LLAMA]])
    assert "served_names_differ" in {w["code"] for w in answer["warnings"]}


def test_terms_in_the_query_are_those_of_a_body(server: Server) -> None:
    query = "&".join(
        [
            "llms=any", "min_mean_quality=0.6", "deadline_seconds=166m40s", "seed=3", "zeta=0.9",
            "relative_gap=0.01", "time_limit_seconds=5", "max_energy_joules=1e6",
        ]
    )  # fmt: skip
    answer = planned(server, batch_file(), f"/plan?{query}")
    assert answer["mean_quality"] >= 0.6
    body = {
        "columns": {
            "input_tokens": [11] + [10] * 11,
            "output_tokens": [20 + 7 * i for i in range(12)],
        },
        "constraints": {
            "min_mean_quality": 0.6, "deadline_seconds": 1e4, "max_energy_joules": 1e6,
        },
        "objective": {"zeta": 0.9},
        "solver": {"seed": 3, "relative_gap": 0.01, "time_limit_seconds": 5},
    }  # fmt: skip
    expected = server.post("/plan", body).json()
    assert answer["objective"] == expected["objective"]
    assert answer["columns"]["placement"] == expected["columns"]["placement"]


def test_lines_that_fit_no_placement_have_a_shard_of_their_own(server: Server) -> None:
    huge = text_line(99, NAMES[LLAMA], 140_000).replace("{", "{ ", 1)
    file = batch_file(4) + "\n" + huge
    refused = post(server, file)
    assert (refused.status_code, slug(refused)) == (422, "unplaceable")
    assert pointers(refused.json()) == ["/lines/5"]
    answer = planned(server, file, "/plan?on_unplaceable=report&served_name=" + f"{LLAMA}:other")
    last = answer["shards"][-1]
    assert [last[k] for k in ("placement", "llm", "pool", "concurrency")] == [None] * 4
    assert (last["filename"], last["lines"], last["served_names"]) == ("unplaced.jsonl", 1, [])
    assert contents(server, answer)[-1] == huge.encode() + b"\n"
    assert sum(shard["lines"] for shard in answer["shards"]) == 5


def test_a_shard_comes_with_a_name_and_a_tag(server: Server) -> None:
    answer = planned(server, batch_file())
    shard = answer["shards"][0]
    found = server.client.get(shard["url"])
    assert found.headers["content-type"] == "application/jsonl"
    assert found.headers["content-length"] == str(shard["bytes"])
    assert found.headers["content-disposition"] == f'attachment; filename="{shard["filename"]}"'
    tag = found.headers["etag"]
    assert tag == f'"{shard["sha256"]}"'
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = server.client.get(shard["url"], headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = server.client.get(shard["url"], headers={"If-None-Match": '"x"'})
    assert other.status_code == 200
    listed = server.client.get(f"/plans/{answer['plan_id']}/shards").json()
    assert checked(listed, ShardsAnswer)["plan_id"] == answer["plan_id"]
    assert listed["shards"] == answer["shards"]


def test_a_plan_that_was_waited_for_is_kept_like_the_others(server: Server) -> None:
    answer = planned(server, batch_file())
    path = f"/plans/{answer['plan_id']}"
    state = checked(server.client.get(path).json(), PlanStatusAnswer)
    assert (state["status"], state["links"]["shards"]) == ("finished", f"{path}/shards")
    assert server.client.get(f"{path}/result").json() == answer
    assert path in {p["links"]["self"] for p in server.client.get("/plans").json()["plans"]}


def test_an_answer_may_be_an_arrow_stream(server: Server) -> None:
    stream = post(server, batch_file(), accept="application/vnd.apache.arrow.stream")
    table, rest = table_of(stream.content)
    assert table.num_rows == 12
    assert sum(shard["lines"] for shard in rest["shards"]) == 12


def test_a_large_file_goes_through_a_worker_and_comes_back_whole(server: Server) -> None:
    lines = [text_line(i, NAMES[LLAMA], 10 + i % 97) for i in range(6000)]
    file = "\r\n".join(lines)
    assert len(file) > 1_000_000
    answer = planned(server, file, "/plan?relative_gap=1")
    found = b"".join(contents(server, answer)).splitlines(keepends=True)
    assert len(found) == 6000
    assert sorted(found) == sorted(
        line.encode() + (b"\r\n" if i < 5999 else b"\n") for i, line in enumerate(lines)
    )
    result = server.client.get(f"/plans/{answer['plan_id']}/result")
    assert result.json() == answer
    assert int(result.headers["content-length"]) == len(result.content)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("color=red", ["/query/color"]),
        ("zeta=2&seed=1.5&deadline_seconds=soon", ["/query/deadline_seconds", "/query/seed",
                                                    "/query/zeta"]),
        ("seed=1&seed=2", ["/query/seed"]),
        ("deadline_seconds=nan", ["/query/deadline_seconds"]),
        ("deadline_seconds=1e999", ["/query/deadline_seconds"]),
        ("deadline_seconds=", ["/query/deadline_seconds"]),
        ("time_limit_seconds=1000", ["/query/time_limit_seconds"]),
        ("llms=", ["/query/llms"]),
        ("llms=x,llama-3.1-8b-instruct", ["/query/llms"]),
        ("pools=nowhere", ["/query/pools"]),
        ("served_name=x", ["/query/served_name"]),
        ("served_name=x:y", ["/query/served_name"]),
        ("served_name=a:y&served_name=a:z", ["/query/served_name"]),
        ("minimise=time", ["/query/minimise"]),
        ("minimise=carbon", None),
        ("allow_mixed_provenance=yes", ["/query/allow_mixed_provenance"]),
        ("deadline_seconds=0.0001", ["/query/deadline_seconds"]),
        ("min_quality=1.5", ["/query/min_quality"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_query_is_reported_by_the_parameter(
    server: Server, query: str, expected: list[str] | None
) -> None:
    refused = post(server, batch_file(3), f"/plan?{query}")
    assert refused.status_code == 422, refused.text
    if expected is not None:
        assert sorted(pointers(refused.json())) == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("", [""]),
        (batch_line(0), ["/lines/1/body"]),
        ("{}\n\nx", ["/lines/1", "/lines/3"]),
        (f"{batch_line(0, max_tokens=1)}\n" * 2, ["/lines/2/custom_id"]),
        ("\n" + batch_line(0, max_tokens=0.5), ["/lines/2/body/max_tokens"]),
        ("\n" + batch_line(0, max_tokens=0), ["/lines/2/body"]),
        (text_line(0, "gpt-4o"), ["/lines/1/body/model"]),
        (text_line(0, "not a name!"), ["/lines/1/body/model"]),
        (batch_line(0, max_tokens=1).replace("c0", ""), ["/lines/1/custom_id"]),
        (b"\xff\xfe{}", ["/lines/1"]),
    ],
)
def test_what_is_wrong_with_a_line_is_reported_by_its_number(
    server: Server, file: str | bytes, expected: list[str]
) -> None:
    refused = post(server, file)
    assert (refused.status_code, slug(refused)) == (422, "invalid-request")
    assert pointers(refused.json()) == expected


@pytest.mark.parametrize("none", [{}, {"max_tokens": -1}, {"max_completion_tokens": 0}])
def test_an_estimate_stands_in_for_limits_that_lines_do_not_state(
    server: Server, none: dict[str, int]
) -> None:
    line = batch_line(0, **none)
    answer = planned(server, line, "/plan?output_tokens=70&characters_per_token=2")
    told = {w["code"]: w["message"] for w in answer["warnings"]}
    assert "at 2 characters a token" in told["tokens_estimated"]
    assert "70 where they state none" in told["tokens_estimated"]


def test_lines_that_vllm_s_runner_does_not_serve_are_reported(server: Server) -> None:
    line = batch_line(0, max_tokens=5).replace("/v1/chat/completions", "/v1/completions")
    told = {w["code"] for w in planned(server, line)["warnings"]}
    assert "not_for_run_batch" in told


def test_other_bodies_say_their_terms_themselves(server: Server) -> None:
    refused = server.client.post("/plan?zeta=0.5", json={"requests": rows(2)})
    assert (refused.status_code, pointers(refused.json())) == (422, ["/query/zeta"])
    for path in ("/predict", "/plan/frontier"):
        assert post(server, batch_file(), path).status_code == 415


def test_what_has_no_shards_says_why(server: Server) -> None:
    assert slug(server.client.get(f"/plans/{UNKNOWN}/shards")) == "plan-not-found"
    answer = planned(server, batch_file(2))
    path = f"/plans/{answer['plan_id']}"
    for index in ("7", "x", "-1", "1" * 30, "%00", "²"):
        response = server.client.get(f"{path}/shards/{index}")
        assert (response.status_code, slug(response)) == (404, "shard-not-found"), index
    assert server.client.delete(path).status_code == 204
    for shards in ("shards", "shards/0"):
        gone = server.client.get(f"{path}/{shards}")
        assert (gone.status_code, slug(gone)) == (410, "plan-gone")
    assert slug(server.client.get(path)) == "plan-not-found"
    plain = server.client.post("/plan", json={"requests": rows(2)}, headers=ASYNC)
    wait_for(server, plain.headers["location"], "finished")
    no_file = server.client.get(f"{plain.headers['location']}/shards")
    assert (no_file.status_code, slug(no_file)) == (404, "shard-not-found")


def test_a_file_is_planned_in_the_background_and_its_shards_survive_a_restart(
    kept: dict[str, str],
) -> None:
    with Server(kept) as first:
        first.wait_until_ready()
        waited_for = planned(first, batch_file())
        accepted = post(first, batch_file(), **ASYNC)
        assert accepted.status_code == 202
        path = accepted.headers["location"]
        state = wait_for(first, path, "finished")
        answer = first.client.get(f"{path}/result").json()
        assert checked(answer, PlanAnswer)["plan_id"] == state["plan_id"]
        before = contents(first, answer)
        assert before == contents(first, waited_for)
        first.kill()
    with Server(kept) as second:
        second.wait_until_ready()
        assert contents(second, answer) == before == contents(second, waited_for)
        listed = second.client.get(state["links"]["shards"]).json()
        assert listed["shards"] == answer["shards"]


def test_what_is_wrong_with_the_query_is_reported_at_once_and_with_a_file_later(
    server: Server,
) -> None:
    refused = post(server, batch_file(), "/plan?zeta=2", **ASYNC)
    assert (refused.status_code, pointers(refused.json())) == (422, ["/query/zeta"])
    accepted = post(server, "x", **ASYNC)
    path = accepted.headers["location"]
    state = wait_for(server, path, "failed")
    assert pointers(state["problem"]) == ["/lines/1"]
    gone = server.client.get(f"{path}/shards")
    assert (gone.status_code, slug(gone)) == (410, "no-result")


def test_shards_go_by_the_limits_of_the_store(kept: dict[str, str]) -> None:
    limits = {"JOULEPLAN_STORE_MAX_PLANS": "2"}
    with Server({**kept, **limits}) as own:
        own.wait_until_ready()
        answers = [planned(own, batch_file(3)) for _ in range(3)]
        paths = [f"/plans/{answer['plan_id']}/shards" for answer in answers]
        assert [own.client.get(path).status_code for path in paths] == [410, 200, 200]


def test_a_plan_whose_shards_cannot_be_kept_is_refused(kept: dict[str, str]) -> None:
    with Server({**kept, "JOULEPLAN_STORE_MAX_BYTES": "2000"}) as own:
        own.wait_until_ready()
        refused = post(own, batch_file())
        assert (refused.status_code, slug(refused)) == (413, "too-large")
    with Server({**kept, "JOULEPLAN_STORE_PATH": "/proc/nowhere/plans.sqlite3"}) as own:
        own.wait_until_ready()
        refused = post(own, batch_file())
        assert (refused.status_code, slug(refused)) == (503, "store-unavailable")


@pytest.fixture
def old_store(tmp_path: Path) -> Path:
    path = tmp_path / "plans.sqlite3"
    store = sqlite3.connect(path)
    store.executescript(f"PRAGMA auto_vacuum = INCREMENTAL; {_SCHEMA} PRAGMA user_version = 1;")
    store.execute(
        "INSERT INTO plans (plan_id, status, created_at, ended_at, events, reply_status, "
        "media_type, headers, size) VALUES "
        "('old', 'finished', 2e9, 2e9, 3, 200, 'application/json', '{}', 2)"
    )
    store.execute("INSERT INTO chunks VALUES (1, 0, x'7b7d')")
    store.commit()
    store.close()
    return path


def test_plans_of_a_store_without_shards_are_still_there(
    kept: dict[str, str], old_store: Path
) -> None:
    with Server({**kept, "JOULEPLAN_STORE_PATH": str(old_store)}) as own:
        own.wait_until_ready()
        assert own.client.get("/plans/old/result").content == b"{}"
        assert slug(own.client.get("/plans/old/shards")) == "shard-not-found"
        answer = planned(own, batch_file(2))
        assert contents(own, answer)
