"""`python -m service plan` on what it cannot read: told by its place, with status 2."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service.plan_files import batch_line, write_json


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "a.json: Expected JSON"),
        ("a.json", "[]", "a.json: Expected a JSON object, got a list."),
        ("a.json", '{"requests": []}', "/requests"),
        ("a.json", '{"requests": [{"input_tokens": 1}]}', "/requests/0/output_tokens"),
        ("a.csv", "", "a.csv: Expected a column input_tokens"),
        ("a.csv", "input_tokens,output_tokens\n", "a.csv: Expected at least one row"),
        ("a.csv", "input_tokens,output_tokens,color\n1,2,red\n", "got color"),
        ("a.csv", "input_tokens,output_tokens\n1,2\n3\n", "row 3: Expected 2 cells, got 1."),
        (
            "a.csv",
            "input_tokens,output_tokens\n1,2\n3,many\n",
            "row 3, column output_tokens: Expected a whole number, got 'many",
        ),
        ("a.csv", "input_tokens,output_tokens\n1,2.5\n", "row 2, column output_tokens: "),
        ("a.csv", "input_tokens,output_tokens,llms\n1,2,x;y\n", "row 2, column llms: "),
        ("a.csv", "input_tokens,output_tokens,id\n1,2,\n", "row 2, column id: "),
        (
            "a.csv",
            "id,input_tokens,output_tokens\na,1,2\n\nb,1,2\na,1,2\n",
            "row 5, column id: Expected ids that differ, got 'a' as in row 2, column id.",
        ),
        (
            "a.json",
            '[{"id": "a", "input_tokens": 1, "output_tokens": 2}, {"id": "a", "input_tokens": 1, '
            '"output_tokens": 2}]',
            "row 2, column id: Expected ids that differ, got 'a' as in row 1, column id.",
        ),
        ("a.parquet", "no parquet", "a.parquet: Expected Parquet, got"),
        ("a.jsonl", "{}", "a.jsonl: line 1: Expected an object with custom_id"),
        ("a.jsonl", "\n" + batch_line(1), "line 2: Expected max_completion_tokens or max_tokens"),
        (
            "a.jsonl",
            batch_line(1, max_tokens=0.5),
            "line 1, body.max_tokens: Expected a whole number, got 0.5.",
        ),
        ("a.jsonl", batch_line(1, max_tokens=9, model="x/Y"), "line 1, body.model: "),
        ("a.jsonl", batch_line(1, max_tokens=9, n=0), "from 1 to 1024, got 0."),
        (
            "a.jsonl",
            batch_line(1, max_tokens=9, n=5_000),
            "line 1, body.n: Expected a whole number from 1 to 1024",
        ),
        ("a.jsonl", '{"custom_id": "a", "params": {}}', "got custom_id, params."),
        ("a.json", f"[{batch_line(1)}]", "on a line of its own"),
        (
            "a.jsonl",
            batch_line(1, max_tokens="9"),
            "line 1, body.max_tokens: Expected a whole number",
        ),
        ("a.jsonl", batch_line(1).replace("/chat/", "/embed/"), "line 1: Expected url"),
        ("a.txt", "", "a.txt: Expected a name that ends in"),
    ],
)
def test_bad_input_is_reported_by_its_place(
    planned_here: Callable[..., Any], tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    status, printed = planned_here(name)
    assert (status, printed.out) == (2, "")
    assert message in printed.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--zeta", "2"), "--zeta: "),
        (("--gap", "nan"), "--gap: "),
        (("--time-limit", "0"), "--time-limit: "),
        (("--fleet", "missing.yaml"), "missing.yaml"),
        (("--out", "/proc/nowhere/out.json"), "cannot be written"),
        (("--characters-per-token", "0"), "--characters-per-token above 0"),
    ],
)
def test_bad_options_are_reported_by_name(
    planned_here: Callable[..., Any], tmp_path: Path, options: tuple[str, str], message: str
) -> None:
    write_json(tmp_path / "batch.json")
    status, printed = planned_here("batch.json", *options)
    assert status == 2
    assert message in printed.err


def test_an_option_that_is_no_number_is_reported(plan: Callable[..., Any]) -> None:
    done = plan("batch.json", "--seed", "x")
    assert (done.returncode, "--seed: expected a whole number, got " in done.stderr) == (2, True)
    done = plan("batch.json", "--deadline-seconds", "10x")
    assert (
        "--deadline-seconds: expected seconds, or a length of time such as 10m, got '10x'"
        in done.stderr
    )


def test_a_file_that_is_not_there_is_reported(plan: Callable[..., Any]) -> None:
    done = plan("nowhere.csv")
    assert (done.returncode, "No such file" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("setting", "names", "why"),
    [
        ("JOULEPLAN_MODELS_DIR", "absent", "there is no such folder."),
        ("JOULEPLAN_MODELS_DIR", "empty", "there is none in it."),
        ("JOULEPLAN_FLEET", "absent.yaml", "No such file or directory."),
    ],
)
def test_settings_that_name_nothing_are_reported_and_no_body_is_asked_for(
    plan: Callable[..., Any], tmp_path: Path, setting: str, names: str, why: str
) -> None:
    (tmp_path / "empty").mkdir()
    write_json(tmp_path / "batch.json")
    done = plan("batch.json", **{setting: str(tmp_path / names)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / names) in done.stderr
    assert why in done.stderr


def test_one_mistake_is_one_line_and_several_are_counted(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "one.csv").write_text("input_tokens,output_tokens\n1,x\n")
    (tmp_path / "two.csv").write_text("input_tokens,output_tokens\n1,x\n2,3\nx,3\n")
    _, one = planned_here("one.csv")
    _, two = planned_here("two.csv")
    assert one.err.startswith("error: one.csv: row 2, column output_tokens: Expected")
    assert one.err.count("\n") == 1
    assert two.err.startswith("error: two.csv: 2 things to mend:\n  row 4, column input_tokens: ")
    assert two.err.count("\n") == 3


def test_each_of_many_mistakes_is_counted_once(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    rows = "".join(f"{'xyz'[number % 3]},3\n" for number in range(3000))
    (tmp_path / "many.csv").write_text(f"input_tokens,output_tokens\n{rows}")
    _, many = planned_here("many.csv")
    head, *listed, last = many.err.splitlines()
    assert head == "error: many.csv: 3,000 things to mend:"
    alike = sum(int(found) for found in re.findall(r"\(and (\d+) more alike", many.err))
    assert last == f"  and {3000 - len(listed) - alike:,} more"


def test_what_an_infeasible_batch_needs_is_stated_once(
    planned_here: Callable[..., Any], tmp_path: Path
) -> None:
    write_json(tmp_path / "batch.json")
    status, printed = planned_here("batch.json", "--deadline-seconds", "0.001")
    assert status == 1
    assert printed.err.startswith("error: batch.json: No plan keeps this limit: deadline_seconds.")
    assert printed.err.count("0.001 -> ") == 1
