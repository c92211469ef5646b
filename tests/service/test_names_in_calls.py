"""Published names and whole floats in every body: one normal form, or a refusal that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from service.calls.content import to_bytes
from service.calls.fleet.file import FleetFileError, read_fleet_file
from service.calls.messages import ARROW, Job
from service.calls.planner_service import PlannerService
from service.calls.schemas.names import read_llm
from service.workers.process import answer as answered
from tests.service.bodies import Json, a100_fleet, call, columns, pointers, rows
from tests.service.server import Server

PUBLISHED = "meta-llama/Llama-2-7b-chat"
NORMAL = "llama-2-7b-chat"


@pytest.fixture(scope="module")
def server(two_pools_server: Server) -> Server:
    return two_pools_server


def published_fleet() -> Json:
    """Return the fleet of `a100_fleet` with names as they are published."""
    fleet = a100_fleet()
    for pool in fleet["pools"]:
        pool["llms"] = [f"meta-llama/{llm.title()}" for llm in pool["llms"]]
        pool["device"] = pool["device"].replace("xa100", "xA100").replace("-sxm4-", "-SXM4-")
        pool["count"], pool["concurrency"] = float(pool.get("count", 1)), [1.0]
    fleet["quality"] = {f"Meta-Llama/{llm.upper()}": q for llm, q in fleet["quality"].items()}
    return fleet


def planned(service: PlannerService, body: Json, status: int = 200) -> Json:
    got, answer, _ = call(service, body)
    assert got == status, answer
    return answer


def test_a_plan_of_published_names_is_that_of_their_normal_forms(
    planner_service: PlannerService,
) -> None:
    limits = {"shares": {NORMAL: {"min": 0.5}}, "min_requests": {"llama-2-13b-chat": 1}}
    plain = [{**row, "llms": [NORMAL, "llama-2-13b-chat"]} for row in rows(6)]
    plain[0]["pinned"] = {"llm": NORMAL, "concurrency": 1}
    published: list[Json] = [
        {
            **row,
            "input_tokens": float(row["input_tokens"]),
            "output_tokens": float(row["output_tokens"]),
            "llms": [PUBLISHED, "openai/Llama-2-13B-chat"],
        }
        for row in rows(6)
    ]
    published[0]["pinned"] = {"llm": PUBLISHED.upper(), "concurrency": 1.0}
    shares = {PUBLISHED: {"min": 0.5}}
    one = planned(
        planner_service, {"requests": plain, "fleet": a100_fleet(), "constraints": limits}
    )
    other = planned(
        planner_service,
        {
            "requests": published,
            "fleet": published_fleet(),
            "constraints": {"shares": shares, "min_requests": {"x/LLAMA-2-13B-CHAT": 1.0}},
        },
    )
    for key in ("placements", "assignments", "energy_joules", "mean_quality"):
        assert one[key] == other[key]
    assert {entry["llm"] for entry in other["placements"]} == {
        *("llama-2-7b-chat", "llama-2-13b-chat", "llama-2-70b-chat")
    }


def arrow(service: PlannerService, table: pa.Table) -> tuple[int, Json]:
    sink = pa.BufferOutputStream()
    terms = orjson.dumps({"fleet": a100_fleet()})
    with pa.ipc.new_stream(sink, table.schema.with_metadata({b"jouleplan": terms})) as writer:
        writer.write_table(table.replace_schema_metadata({b"jouleplan": terms}))
    reply = answered(service, Job("plan", sink.getvalue().to_pybytes(), "/plan", media_type=ARROW))
    return reply.status, orjson.loads(to_bytes(reply.body))


def test_columns_and_arrow_take_the_same_names_and_whole_floats(
    planner_service: PlannerService,
) -> None:
    llms = [[PUBLISHED], None, ["META-LLAMA/LLAMA-2-13B-CHAT"]]
    given = {**columns(3), "llms": llms}
    given["input_tokens"] = [float(tokens) for tokens in given["input_tokens"]]
    given["output_tokens"] = [float(tokens) for tokens in given["output_tokens"]]
    normal = {**columns(3), "llms": [[NORMAL], None, ["llama-2-13b-chat"]]}
    bodies = [{"columns": c, "fleet": a100_fleet()} for c in (given, normal)]
    one, other = (planned(planner_service, body)["columns"] for body in bodies)
    assert one == other
    status, by_arrow = arrow(planner_service, pa.table(given))
    assert status == 200, by_arrow
    assert by_arrow["columns"] == other


def test_predictions_take_them_too(planner_service: PlannerService) -> None:
    bodies = [
        {"requests": [{**row, "llms": [name]} for row in rows(2)], "fleet": fleet}
        for name, fleet in ((PUBLISHED, published_fleet()), (NORMAL, a100_fleet()))
    ]
    one, other = (call(planner_service, body, "predict")[1] for body in bodies)
    assert one["energy_joules"] == other["energy_joules"]
    assert one["placements"] == other["placements"]


@pytest.mark.parametrize("tokens", [10.5, 1e-9, True, "10", None])
def test_fractions_and_what_is_no_number_are_refused(
    planner_service: PlannerService, tokens: object
) -> None:
    request = {"input_tokens": tokens, "output_tokens": 5}
    answer = planned(planner_service, {"requests": [request]}, 422)
    assert pointers(answer) == ["/requests/0/input_tokens"]
    if isinstance(tokens, float):
        assert f"Expected a whole number, got {tokens:.15g}." in answer["errors"][0]["detail"]


@pytest.mark.parametrize("key", ["quality", "max_context_tokens"])
def test_two_names_of_one_llm_in_a_mapping_are_refused_as_doubles(
    planner_service: PlannerService, key: str
) -> None:
    fleet = {**a100_fleet(), key: {NORMAL: 1, PUBLISHED: 1}}
    answer = planned(planner_service, {"requests": rows(1), "fleet": fleet}, 422)
    assert pointers(answer) == [f"/fleet/{key}"]
    assert f"got {NORMAL} and {PUBLISHED}, which are both {NORMAL}." in answer["detail"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"constraints": {"shares": {"Org/Llama2:7b": {}}}}, "/constraints/shares/Org~1Llama2:7b"),
        ({"constraints": {"min_requests": {"Org/X": 0}}}, "/constraints/min_requests/Org~1X"),
        ({"fleet": {**a100_fleet(), "quality": {"Org/X": 0.5}}}, "/fleet/quality/Org~1X"),
        ({"requests": [{**rows(1)[0], "llms": ["llama2:7b-chat"]}]}, "/requests/0/llms/0"),
        ({"requests": [{**rows(1)[0], "pinned": {"llm": "a b"}}]}, "/requests/0/pinned/llm"),
        ({"requests": [{**rows(1)[0], "pools": ["a100-3"]}]}, "/requests/0/pools/0"),
        ({"fleet": a100_fleet(device="1xA100-SXM4")}, "/fleet/pools/0/device"),
        ({"fleet": a100_fleet(llms=["llama2:7b"])}, "/fleet/pools/0/llms/0"),
    ],
)
def test_unknown_names_are_refused_where_the_caller_wrote_them(
    planner_service: PlannerService, change: Json, pointer: str
) -> None:
    body = {"requests": rows(1), "fleet": a100_fleet(), **change}
    answer = planned(planner_service, body, 422)
    assert pointer in pointers(answer)
    assert "[a-z" not in orjson.dumps(answer).decode()


def test_a_tag_gets_the_names_of_the_fleet_and_the_nearest(
    planner_service: PlannerService,
) -> None:
    request = {**rows(1)[0], "llms": ["llama2:13b-chat"]}
    answer = planned(planner_service, {"requests": [request], "fleet": a100_fleet()}, 422)
    detail = answer["errors"][0]["detail"]
    assert "(llama-2-7b-chat, llama-2-13b-chat, llama-2-70b-chat), got llama2:13b-chat." in detail
    assert "Nearest: llama-2-13b-chat" in detail


def test_a_decision_takes_published_names_and_points_to_the_model(server: Server) -> None:
    body = {"request": {"model": "Qwen/Qwen3-8B", "max_tokens": 9, "messages": []}}
    assert server.client.post("/decision", json=body).json()["placement"]["llm"] == "qwen3-8b"
    body["request"]["model"] = "qwen3:8b"
    refused = server.client.post("/decision", json=body)
    assert refused.status_code == 422
    assert pointers(refused.json()) == ["/request/model"]
    assert "got qwen3:8b. Nearest: qwen3-8b." in refused.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"llm": "Qwen/QWEN3-8B", "input_tokens": 10.0, "output_tokens": 5.0},
        {"input_tokens": 10, "candidates": [{"llm": "hosted_vllm/Qwen/Qwen3-8B"}]},
    ],
)
def test_all_members_of_a_decision_take_them(server: Server, body: Json) -> None:
    answer = server.client.post("/decision", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["placement"]["llm"] == "qwen3-8b"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"llm": "qwen3:8b", "input_tokens": 1}, "/llm"),
        ({"input_tokens": 1, "candidates": [{"llm": "qwen3:8b"}]}, "/candidates"),
        ({"llm": "qwen3-8b", "input_tokens": 1.5}, "/input_tokens"),
    ],
)
def test_a_decision_about_what_is_not_there_says_what_is(
    server: Server, body: Json, pointer: str
) -> None:
    answer = server.client.post("/decision", json=body)
    assert answer.status_code == 422
    assert pointers(answer.json()) == [pointer]
    assert "whole number" in answer.text or "Nearest: qwen3-8b." in answer.text


def test_a_destination_points_to_the_model_of_the_completion(server: Server) -> None:
    answer = server.client.post("/destination", json={"model": "qwen3:8b"})
    assert answer.status_code == 422
    assert pointers(answer.json()) == ["/model"]
    named = server.client.post("/destination", json={}, headers={"x-jouleplan-llm": "Qwen3:8b"})
    assert named.json()["detail"].startswith("x-jouleplan-llm: Expected one of the fleet's llms")


def test_actuals_count_under_the_normal_name_and_refuse_what_has_none(server: Server) -> None:
    actual: Json = {"id": "n1", "llm": "Qwen/Qwen3-8B", "pool": "small", "output_tokens": 7}
    assert server.client.post("/actuals", json={"actuals": [actual]}).status_code == 200
    lengths = server.client.get("/actuals").json()["output_lengths"]
    assert {entry["llm"] for entry in lengths} == {"qwen3-8b"}
    both = {"actuals": [{**actual, "id": "n2"}, {**actual, "id": "n3", "llm": "qwen3:8b"}]}
    refused = server.client.post("/actuals", json=both)
    assert refused.status_code == 422
    assert pointers(refused.json()) == ["/actuals/1/llm"]
    assert "Nearest: qwen3-8b." in refused.text


def test_a_fleet_file_takes_published_names(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(yaml.safe_dump(published_fleet()))
    read = read_fleet_file(path).fleet
    assert read.pools[0].llms == ["llama-2-7b-chat", "llama-2-13b-chat"]
    assert (read.pools[0].device, read.pools[0].count) == ("1xa100-sxm4-40gb", 2)
    assert dict(read.quality) == a100_fleet()["quality"]


def test_a_fleet_file_with_doubles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(yaml.safe_dump({**a100_fleet(), "quality": {"A/X": 0.1, "x": 0.1}}))
    with pytest.raises(FleetFileError, match=r"at /quality.*: Expected each LLM once"):
        read_fleet_file(path)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_any_name_is_known_or_refused_with_names(name: str) -> None:
    assert read_llm(read_llm(name)) == read_llm(name)


NAMES: list[Any] = [NORMAL, PUBLISHED, PUBLISHED.upper(), f"openai/{NORMAL}", f" {NORMAL} "]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_spelling_never_changes_a_plan(
    planner_service: PlannerService, names: list[str], as_float: bool, by_row: bool
) -> None:
    number = float if as_float else int
    requests = [
        {"input_tokens": number(90), "output_tokens": number(40), "llms": [name]} for name in names
    ]
    given_columns = {key: [row[key] for row in requests] for key in requests[0]}
    body = {"requests": requests} if by_row else {"columns": given_columns}
    answer = planned(planner_service, {**body, "fleet": a100_fleet()})
    used = {entry["llm"] for entry in answer["placements"] if entry["requests"]}
    assert used == {NORMAL}
