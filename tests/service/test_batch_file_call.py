"""`POST /plan` with an OpenAI batch file, over HTTP: shards, names, tags, terms in the query."""

import hashlib
import json

import pytest

from service.calls.schemas.plans import PlanStatusAnswer
from service.calls.schemas.shards import ShardsAnswer
from tests.service.answers import checked
from tests.service.arrow_streams import table_of
from tests.service.batch_file_calls import (
    LLAMA,
    NAMES,
    QWEN,
    batch_file,
    contents,
    planned,
    post,
    text_line,
)
from tests.service.bodies import pointers
from tests.service.plan_files import batch_line
from tests.service.plans.calls import slug
from tests.service.server import Server


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


def test_lines_that_vllm_s_runner_does_not_serve_are_reported(server: Server) -> None:
    line = batch_line(0, max_tokens=5).replace("/v1/chat/completions", "/v1/completions")
    codes = {w["code"] for w in planned(server, line)["warnings"]}
    assert "not_for_run_batch" in codes
