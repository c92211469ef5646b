"""What `POST /plan` refuses of a batch file and of its query."""

import pytest

from tests.service.batch_file_calls import batch_file, planned, post, text_line
from tests.service.bodies import pointers, rows
from tests.service.plan_files import batch_line
from tests.service.plans.calls import ASYNC, UNKNOWN, slug, wait_for
from tests.service.server import Server


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
    messages = {w["code"]: w["message"] for w in answer["warnings"]}
    assert "at 2 characters a token" in messages["tokens_estimated"]
    assert "70 where they state none" in messages["tokens_estimated"]


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
