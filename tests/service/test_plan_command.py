"""`python -m service plan`: every kind of file, every exit status, a terminal, Ctrl-C."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.calls.schemas.answers import PlanAnswer
from service.cli.progress import shown_progress
from tests.service.answers import checked
from tests.service.bodies import a100_fleet, columns, rows
from tests.service.plan_files import COUNT, CSV, FILES, batch_line, write_csv, write_json
from tests.service.server import ROOT
from tests.waiting import PATIENCE_S


@pytest.mark.parametrize(("name", "write"), FILES, ids=[name for name, _ in FILES])
def test_every_kind_of_file_is_planned(
    plan: Callable[..., Any], tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / name)
    done = plan(name, "--json", "--out", "answer.json")
    assert done.returncode == 0, done.stderr
    answer = checked(json.loads(done.stdout), PlanAnswer)
    assert sum(placement["requests"] for placement in answer["placements"]) == COUNT
    assert json.loads((tmp_path / "answer.json").read_text()) == json.loads(done.stdout)
    *progress, fleet = done.stderr.splitlines()
    assert fleet.startswith("fleet: /")
    assert fleet.endswith("/fleet.yaml")
    phases = [line.split()[2] for line in progress]
    assert phases[:3] == ["reading", "predicting", "relaxing"]
    assert phases[-1] == "writing"


@pytest.mark.parametrize(
    ("solver", "arguments", "limit_s"),
    [
        ({"time_limit_seconds": 2.5}, [], 2.5),
        ({"time_limit_seconds": 2.5}, ["--time-limit", "3"], 3.0),
        ({}, [], 10.0),
        ({"time_limit_seconds": "soon"}, [], 10.0),
    ],
)
def test_the_bar_is_full_at_the_time_limit_of_option_or_file(
    plan: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    solver: Any,
    arguments: list[str],
    limit_s: float,
) -> None:
    full_at_s: list[float] = []

    def shown(at_s: float, *, quiet: bool) -> Any:
        full_at_s.append(at_s)
        return shown_progress(at_s, quiet=quiet)

    monkeypatch.setattr("service.cli.plan_command.shown_progress", shown)
    (tmp_path / "batch.json").write_text(json.dumps({"columns": columns(4), "solver": solver}))
    plan("batch.json", *arguments)
    assert full_at_s == [limit_s]


def test_a_plan_over_an_llm_without_a_score_says_why_no_saving_is_known(
    plan: Callable[..., Any], tmp_path: Path
) -> None:
    body = {"requests": rows(2), "fleet": a100_fleet() | {"quality": {}}}
    (tmp_path / "batch.json").write_text(json.dumps(body))
    said = plan("batch.json", "--quiet").stdout
    assert "saving    not known at equal mean quality: an LLM of the plan has no score" in said


def test_the_table_reports_placements_totals_gap_saving_and_warnings(
    plan: Callable[..., Any], tmp_path: Path
) -> None:
    write_csv(tmp_path / "batch.csv")
    done = plan("batch.csv", "--quiet", "--min-mean-quality", "0.6", "--gap", "0")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for expected in (
        "Where the requests run", "qwen3-30b-a3b-instruct-2507", f"for {COUNT} requests",
        "makespan", "quality   0.", "gap ", "no plan below", "query_blind_split", "saving",
        "warning   mixed_lengths_unknown",
    ):  # fmt: skip
        assert expected in done.stdout, expected


def test_the_command_gives_the_plan_that_the_service_gives(
    plan: Callable[..., Any], tmp_path: Path, planner_service: Any
) -> None:
    from tests.service.bodies import call

    body = {"columns": columns(30), "solver": {"seed": 3, "relative_gap": 0.0}}
    body["constraints"] = {"min_mean_quality": 0.7}
    _, served, _ = call(planner_service, body)
    (tmp_path / "batch.json").write_text(json.dumps({"columns": columns(30)}))
    options = ("--seed", "3", "--gap", "0", "--min-mean-quality", "0.7", "--json")
    printed = json.loads(plan("batch.json", *options).stdout)
    assert printed["objective"] == served["objective"]
    assert printed["columns"]["placement"] == served["columns"]["placement"]


def test_options_stand_above_the_body_and_a_fleet_file_above_its_fleet(
    plan: Callable[..., Any], tmp_path: Path
) -> None:
    body = {"requests": rows(COUNT), "fleet": a100_fleet(), "solver": {"seed": 7}}
    (tmp_path / "batch.json").write_text(json.dumps(body))
    own = plan("batch.json", "--json", "--quiet")
    assert {p["pool"] for p in json.loads(own.stdout)["placements"]} == {"a100", "4xa100"}
    (tmp_path / "fleet.yaml").write_text(
        "pools:\n"
        "- {name: only, device: 1xh100, concurrency: [32], llms: [llama-3.1-8b-instruct],\n"
        "   resident: [llama-3.1-8b-instruct]}\n"
        "quality: {llama-3.1-8b-instruct: 0.5}\n"
    )
    other = plan("batch.json", "--json", "--quiet", "--fleet", "fleet.yaml", "--zeta", "0.5")
    assert other.returncode == 0, other.stderr
    assert [p["pool"] for p in json.loads(other.stdout)["placements"]] == ["only"]


def test_what_is_estimated_from_an_openai_batch_is_said(
    plan: Callable[..., Any], tmp_path: Path
) -> None:
    lines = [batch_line(0, max_completion_tokens=50), batch_line(1, max_tokens=60, n=2)]
    (tmp_path / "two.ndjson").write_text("\n".join([*lines, batch_line(2)]))
    done = plan(
        "two.ndjson",
        "--json",
        "--output-tokens",
        "70",
        "--characters-per-token",
        "5",
        "--keep-llms",
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    messages = {w["code"]: w["message"] for w in answer["warnings"]}
    assert "at 5 characters a token" in messages["tokens_estimated"]
    assert "70 where they state none" in messages["tokens_estimated"]
    assert "2 parts" in messages["prompt_parts_not_counted"]
    used = {p["llm"] for p in answer["placements"] if p["requests"]}
    assert used == {"qwen3-30b-a3b-instruct-2507"}
    assert answer["columns"]["id"] == ["c0", "c1", "c2"]


def test_standard_input_is_a_body_unless_a_format_is_named(plan: Callable[..., Any]) -> None:
    body = json.dumps({"requests": rows(3)})
    assert plan("-", "--json", "--quiet", stdin=body).returncode == 0
    assert plan("-", "--format", "csv", "--quiet", stdin=CSV).returncode == 0


def test_an_infeasible_batch_is_explained_in_words(
    plan: Callable[..., Any], tmp_path: Path
) -> None:
    write_json(tmp_path / "batch.json")
    done = plan("batch.json", "--deadline-seconds", "0.01", "--quiet")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No plan keeps this limit: deadline_seconds" in done.stderr
    assert "deadline_seconds: 0.01 -> " in done.stderr
    assert "proven" in done.stderr


def test_requests_that_fit_no_placement_are_named(plan: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "batch.csv").write_text("input_tokens,output_tokens,min_quality\n1,2,\n1,2,0.99\n")
    done = plan("batch.csv", "--quiet")
    assert done.returncode == 1
    assert "row 3: below the request's min_quality" in done.stderr
    others = plan("batch.csv", "--quiet", "--report-unplaceable")
    assert others.returncode == 0
    assert "left out  1 request: " in others.stdout


def test_settings_of_the_server_do_not_matter(plan: Callable[..., Any], tmp_path: Path) -> None:
    write_json(tmp_path / "batch.json")
    done = plan("batch.json", "--quiet", "--time-limit", "200", JOULEPLAN_HOST="0.0.0.0")  # noqa: S104
    assert done.returncode == 0, done.stderr


def test_a_terminal_is_shown_a_bar_with_the_incumbent_and_its_gap(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "batch.json").write_text(json.dumps({"columns": columns(400)}))
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "plan", str(tmp_path / "batch.json"), "--gap", "0",
         "--min-mean-quality", "0.6", "--time-limit", "3"],
        cwd=ROOT,
        env={**environment, "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.DEVNULL,
        stderr=end,
    )  # fmt: skip
    os.close(end)
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:
        pass  # the terminal of a process that has ended
    os.close(terminal)
    assert process.wait(timeout=PATIENCE_S) == 0
    assert b"objective" in shown
    assert b"gap" in shown
    assert "━".encode() in shown


def test_serving_loads_neither_what_draws_nor_what_reads_parquet() -> None:
    program = (
        "import sys, service.app, service.serving, service.__main__; "
        "print([name for name in ('rich', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_all_text_that_the_server_reads_counts_as_prompt(
    plan: Callable[..., Any], tmp_path: Path
) -> None:
    llm = "meta-llama/Llama-3.1-8B-Instruct"
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": 4_000 * "x"}}
    history = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    tools = [{"type": "function", "function": {"name": "f", "description": 750_000 * "d"}}]
    lines = [
        batch_line(0, max_tokens=50, model=llm),
        batch_line(1, max_tokens=50, model=llm, messages=history),
        batch_line(2, max_tokens=50, model=llm, tools=tools),
    ]
    (tmp_path / "calls.jsonl").write_text("\n".join(lines))
    done = plan("calls.jsonl", "--json", "--quiet", "--report-unplaceable")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [one["id"] for one in answer["unplaceable"]] == ["c2"]
    assert "context" in answer["unplaceable"][0]["reason"]
    assert answer["columns"]["id"] == ["c0", "c1"]


def test_choices_want_the_context_and_the_time_of_one(
    plan: Callable[..., Any], tmp_path: Path
) -> None:
    llm = "meta-llama/Llama-3.1-8B-Instruct"

    def answer(*counts: int) -> dict[str, Any]:
        lines = [batch_line(i, max_tokens=32_768, model=llm, n=n) for i, n in enumerate(counts)]
        (tmp_path / "n.jsonl").write_text("\n".join(lines))
        done = plan("n.jsonl", "--json", "--quiet", "--zeta", "1")
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    together, apart = answer(5), answer(1, 1, 1, 1, 1)
    assert together["energy_joules"]["value"] == pytest.approx(
        apart["energy_joules"]["value"], rel=0.01
    )
    assert together["makespan_seconds"] == pytest.approx(apart["makespan_seconds"], rel=0.01)
    # Prompts are requests of their own, but for the place.
    lines = [batch_line(0, max_tokens=32_768, model=llm, prompt=["x" * 40, [1, 2], "y" * 9_000])]
    lines[0] = lines[0].replace('"messages"', '"former"')
    (tmp_path / "n.jsonl").write_text(lines[0])
    done = plan("n.jsonl", "--json", "--quiet", "--zeta", "1")
    listed = json.loads(done.stdout)
    rows = [{"input_tokens": tokens, "output_tokens": 32_768} for tokens in (10, 2, 2_250)]
    (tmp_path / "rows.json").write_text(
        json.dumps({"requests": [row | {"llms": [llm]} for row in rows]})
    )
    done = plan("rows.json", "--json", "--quiet", "--zeta", "1")
    of_rows = json.loads(done.stdout)
    for figure in ("value", "low", "high"):
        assert listed["energy_joules"][figure] == pytest.approx(of_rows["energy_joules"][figure])
    assert listed["makespan_seconds"] == pytest.approx(of_rows["makespan_seconds"])
    best = {"n": 1, "best_of": 5}
    (tmp_path / "best.jsonl").write_text(batch_line(0, max_tokens=32_768, model=llm, **best))
    done = plan("best.jsonl", "--json", "--quiet")
    assert json.loads(done.stdout)["energy_joules"] == together["energy_joules"]
