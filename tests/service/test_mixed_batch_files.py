"""Batch files of real life: Azure's urls, lines of other endpoints, floors, many alike faults."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from planner.progress import ignore_progress
from service.calls.batch_files.batch_line import LineError, read_line
from service.calls.file_call import plan_batch_file
from service.calls.planner_service import PlannerService
from service.calls.schemas.batch_query import BatchQuery, TokenRule
from service.problems import ProblemError
from tests.service.plan_files import batch_line

CASES = Path(__file__).parents[3] / "shared" / "cases"
EMBEDDING = json.dumps(
    {
        "custom_id": "e1",
        "method": "POST",
        "url": "/v1/embeddings",
        "body": {"model": "intfloat/e5", "input": "Hello"},
    }
)
TRACE = (
    '{"timestamp": 0, "input_length": 472, "output_length": 18}\n'
    '{"timestamp": 9, "input_length": 108, "output_length": 0}\n'
)


def with_url(index: int, url: str) -> str:
    return batch_line(index, max_tokens=9).replace("/v1/chat/completions", url)


@pytest.mark.parametrize(
    "url",
    [
        "/chat/completions",
        "/completions",
        "/responses",
        "/openai/v1/responses",
        "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
    ],
)
def test_urls_as_azure_writes_them_are_planned(
    planned_here: Callable[..., Any], tmp_path: Path, url: str
) -> None:
    (tmp_path / "a.jsonl").write_text(with_url(1, url))
    status, printed = planned_here("a.jsonl", "--json")
    assert status == 0, printed.err
    assert "not_for_run_batch" in printed.out


def test_lines_of_other_endpoints_are_reported_and_the_rest_is_planned(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    lines = [batch_line(0, max_tokens=9), EMBEDDING, batch_line(2, max_tokens=9)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    status, printed = planned_here("a.jsonl", "--json", "--report-unplaceable", "--shards", "out")
    assert status == 0, printed.err
    answer = json.loads(printed.out)
    assert answer["columns"]["id"] == ["c0", "c2"]
    [left] = answer["unplaceable"]
    assert (left["id"], left["index"]) == ("e1", 1)
    assert "got '/v1/embeddings'" in left["reason"]
    assert (tmp_path / "out" / "unplaced.jsonl").read_text() == EMBEDDING + "\n"


def test_without_reporting_they_are_refused_with_the_way_out(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text(batch_line(0, max_tokens=9) + "\n" + EMBEDDING)
    status, printed = planned_here("a.jsonl")
    assert status == 2
    assert "line 2: Expected url" in printed.err
    assert "--report-unplaceable" in printed.err


def test_a_file_of_nothing_else_has_no_plan(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text(EMBEDDING)
    status, printed = planned_here("a.jsonl", "--report-unplaceable")
    assert (status, printed.out) == (1, "")


@pytest.mark.parametrize(
    "line", [lambda i: with_url(i, "/v1/embeddings"), lambda i: batch_line(i, max_tokens="9")]
)
def test_twenty_alike_messages_are_one_with_a_count(
    planned_here: Callable[..., Any], tmp_path: Path, line: Callable[[int], str]
) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(map(line, range(20))))
    status, printed = planned_here("a.jsonl")
    assert status == 2
    assert len(printed.err.splitlines()) == 1
    assert "(and 19 more alike" in printed.err


def test_alike_rows_of_a_table_are_one_message_too(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("input_tokens,output_tokens\n" + "1,2.5\n" * 20)
    status, printed = planned_here("a.csv")
    assert status == 2
    assert len([line for line in printed.err.splitlines() if "whole number" in line]) == 1
    assert "(and 19 more alike, such as row 3, column output_tokens" in printed.err


def called(service: PlannerService, content: str, **query: Any) -> tuple[Any, dict[str, Any]]:
    file, shards, _ = plan_batch_file(
        service, content.encode(), BatchQuery(**query), ignore_progress
    )
    return shards, orjson.loads(bytes(file.mapped())[sum(shard.size for shard in shards) :])


def test_a_floor_says_that_any_llm_would_lift_it(
    planned_here: Callable[..., Any], tmp_path: Path, planner_service: PlannerService
) -> None:
    line = batch_line(0, max_tokens=9).replace(
        "Qwen/Qwen3-30B-A3B-Instruct-2507", "llama-3.1-8b-instruct"
    )
    (tmp_path / "a.jsonl").write_text(line)
    status, printed = planned_here("a.jsonl", "--min-mean-quality", "0.7")
    assert status == 1
    assert "--llms any would let any LLM" in printed.err
    assert " together" not in printed.err
    with pytest.raises(ProblemError) as refused:
        called(planner_service, line, min_mean_quality=0.7)
    assert "llms=any would let any LLM" in refused.value.problem.detail
    assert "together" not in refused.value.problem.detail
    assert planned_here("a.jsonl", "--min-mean-quality", "0.7", "--llms", "any")[0] == 0


def test_a_call_reports_other_endpoints_in_the_last_shard(planner_service: PlannerService) -> None:
    content = batch_line(0, max_tokens=9) + "\n" + EMBEDDING + "\n"
    shards, answer = called(planner_service, content, on_unplaceable="report")
    assert [(shard.filename, shard.lines) for shard in shards][-1] == ("unplaced.jsonl", 1)
    assert answer["unplaceable"][0]["index"] == 1
    with pytest.raises(ProblemError) as refused:
        called(planner_service, content)
    assert [error.pointer for error in refused.value.problem.errors] == ["/lines/2/url"]


def test_a_call_plans_plain_rows_and_traces_without_shards(planner_service: PlannerService) -> None:
    shards, answer = called(planner_service, TRACE, llms=["Llama-3.1-8B-Instruct"])
    assert (shards, answer["shards"]) == ((), [])
    assert answer["columns"]["id"] == ["0"]
    assert {"columns_recognised", "rows_left_out"} <= {w["code"] for w in answer["warnings"]}
    with pytest.raises(ProblemError) as refused:
        called(planner_service, '{"input_tokens": 1, "output_tokens": 1.5}')
    assert [error.pointer for error in refused.value.problem.errors] == ["/lines/1/output_tokens"]


def test_alike_lines_of_a_call_are_one_error(planner_service: PlannerService) -> None:
    lines = (batch_line(i, max_tokens=9).replace("Qwen/Qwen3", "x/y") for i in range(20))
    with pytest.raises(ProblemError) as refused:
        called(planner_service, "\n".join(lines))
    [error] = refused.value.problem.errors
    assert error.pointer == "/lines/1/body/model"
    assert "(and 19 more alike, such as /lines/2/body/model" in error.detail


def test_the_fleet_that_was_planned_on_is_printed(
    planned_here: Callable[..., Any], tmp_path: Path, models_dir: Path
) -> None:
    (tmp_path / "a.csv").write_text("input_tokens,output_tokens\n1,2\n")
    assert f"fleet     {models_dir / 'fleet.yaml'}" in planned_here("a.csv")[1].out


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared inputs are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "planned", "left"), [("08-azure-url", ["r1"], []), ("08-embeddings", ["r1"], ["r2"])]
)
def test_the_shared_inputs_give_their_plan(
    plan: Callable[..., Any], name: str, planned: list[str], left: list[str]
) -> None:
    path = str(CASES / f"{name}.jsonl")
    models = str(Path(__file__).parents[2] / "models")
    done = plan(path, "--json", "--report-unplaceable", JOULEPLAN_MODELS_DIR=models)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["columns"]["id"] == planned
    assert [one["id"] for one in answer["unplaceable"]] == left
    table = plan(path, "--report-unplaceable", "--quiet", JOULEPLAN_MODELS_DIR=models)
    assert "fleet     example" in table.stdout


def test_lines_without_a_prompt_are_reported(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    lines = [batch_line(1, max_tokens=9), batch_line(2, max_tokens=9, messages=[])]
    (tmp_path / "a.jsonl").write_text("\n\n".join([*lines, batch_line(0, max_tokens=9)]))
    status, printed = planned_here("a.jsonl")
    assert status == 0, printed.err
    printed_text = " ".join(printed.out.split())
    assert (
        "prompts_empty: Planned at 0 input tokens, for want of a prompt: 1 line; the fir"
        in printed_text
    )


def test_the_command_names_its_own_options_and_no_others_where_there_are_none(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    other = batch_line(1, max_tokens=9).replace("/chat/completions", "/embeddings")
    (tmp_path / "a.jsonl").write_text(f"{other}\n{batch_line(2, max_tokens=9)}")
    logged = planned_here("a.jsonl")[1].err
    assert "The others can be planned with --report-unplaceable." in logged
    assert "on_unplaceable" not in logged
    (tmp_path / "a.jsonl").write_text(other)
    assert "The others" not in planned_here("a.jsonl")[1].err
    header = "input_tokens,output_tokens,min_quality\n"
    (tmp_path / "a.csv").write_text(f"{header}1,2,\n1,2,0.99\n")
    logged = planned_here("a.csv")[1].err
    assert logged.startswith(
        "error: a.csv: No placement takes 1 of 2 requests. The others can be planned with --r"
    )
    (tmp_path / "a.csv").write_text(f"{header}1,2,0.99\n")
    assert "The others" not in planned_here("a.csv")[1].err


def test_an_unknown_llm_hints_at_what_lets_others_serve_its_lines(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text(batch_line(0, max_tokens=9, model="gpt-nano"))
    status, printed = planned_here("a.jsonl")
    assert status == 2
    assert "--llms any would let the fleet's LLMs serve such lines." in printed.err
    assert "--llms" not in planned_here("a.jsonl", "--llms", "gpt-nano")[1].err


def test_a_wrong_fleet_is_blamed_and_not_the_batch(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("input_tokens,output_tokens\n1,2\n")
    (tmp_path / "fleet.yaml").write_text("pools: [")
    status, printed = planned_here("a.csv", "--fleet", "fleet.yaml")
    assert status == 2
    assert printed.err.startswith("error: --fleet: ")
    assert "fleet.yaml: is not YAML in line 1" in printed.err
    assert "a.csv" not in printed.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"custom_id": "a", "params": {"max_tokens": 5}}', "Message batches of Anthropic are not"),
        ('{"key": "a", "request": {"contents": []}}', "Batches of Gemini and Vertex are not read"),
        ('{"recordId": "a", "modelInput": {}}', "Batches of Bedrock are not read"),
        ('{"custom_id": "a", "response": {}}', "plan the file that it was asked"),
        ('{"input_token": 3, "url": 4}', "begins with one that has input_tokens and output_tokens"),
        ("[]", "got a list. Write each of the list on a line of its own"),
        ('{"custom_id": "a", "body": {}}', "Expected method POST, got none"),
        ('{"custom_id": "a", "method": "POST", "body": {}}', "got none"),
        ("{", "an object whole on one line"),
        (b'{"custom_id": "\xe9"}', "byte 0xe9 at byte 15 of the line: convert the file with iconv"),
    ],
)
def test_lines_of_other_formats_say_what_they_are_and_what_to_do(
    line: str | bytes, message: str
) -> None:
    text = line if isinstance(line, bytes) else line.encode()
    with pytest.raises(LineError, match=re.escape(message)):
        read_line(text, TokenRule(output_tokens=9))
