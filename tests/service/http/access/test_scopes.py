"""What a key may do by its scopes: read, plan, set the policy. A real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.__main__ import main
from service.http.access.scopes import SCOPES
from tests.service.bodies import rows
from tests.service.http.access.keys import Keys, is_refused
from tests.service.http.access.tenants import BODY, UNKNOWN, tenant
from tests.service.server import Server
from tests.waiting import wait_until

PUBLISHED = {"requests": rows(), "publish": True}
DECISION = {"request": {"model": "llama-3.1-8b-instruct", "prompt": "x", "max_tokens": 8}}


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
    tenants_server: Server,
    tenants_keys: Keys,
    prefix: str,
    method: str,
    path: str,
    body: Any,
    allowed: set[str],
) -> None:
    for scope in SCOPES:
        answer = tenant(tenants_server, tenants_keys, scope).ask(method, prefix + path, body)
        if scope in allowed:
            assert answer.status_code not in {401, 403}, (scope, answer.text)
        else:
            assert is_refused(answer, 403, "forbidden"), (scope, answer.text)
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
            assert all(one in answer.headers["www-authenticate"] for one in allowed)


def test_a_key_without_the_scope_policy_publishes_nothing(
    tenants_server: Server, tenants_keys: Keys
) -> None:
    planner, everything = (tenant(tenants_server, tenants_keys, name) for name in ("plan", "a"))
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


def test_the_command_makes_keys_of_scopes_and_owners(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> int:
        capsys.readouterr()
        return main(["keys", *arguments, "--file", str(tmp_path / "keys.yaml")])

    assert run("add", "x", "--scopes", "plan, read", "--owner", "team") == 0
    assert run("add", "y") == 0
    assert run("list") == 0
    rows = capsys.readouterr().out.strip().splitlines()[4:]
    assert [row.split()[-2:] for row in rows] == [
        ["read,plan", "team"],
        ["read,plan,policy", "y"],
    ]
    assert run("add", "z", "--scopes", "plan,write") == 2
    words = "error: --scopes: Expected read, plan, policy, one or several, got plan,write.\n"
    assert capsys.readouterr().err == words
