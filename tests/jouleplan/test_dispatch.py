"""`jouleplan VERB` leads to the application that has the verb, and loads no other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from commandline.distribution import missing
from commandline.verbs import VERBS, overview
from jouleplan.__main__ import main
from profiler.__main__ import main as profiler_main
from service.__main__ import main as service_main
from tests.jouleplan.command import BIN, PARSERS, PROGRAM, jouleplan, parse
from tests.service.server import ROOT

HELP_LINE = re.compile(r"^    (\w+) +(\S.*)$", re.MULTILINE)
LOADED = """
import sys
from jouleplan.__main__ import main
try:
    main(sys.argv[2:])
except SystemExit:
    pass
print(sorted({name.split(".")[0] for name in sys.modules} & set(sys.argv[1].split(","))))
"""


@pytest.mark.parametrize("application", VERBS)
def test_the_verbs_are_those_of_the_application_in_its_words(
    application: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    listed = HELP_LINE.findall(PARSERS[application]().format_help())
    assert dict(listed) == VERBS[application]


def test_no_verb_prints_the_overview_as_an_error_and_help_prints_it_as_a_result() -> None:
    alone, asked = jouleplan(), jouleplan("--help")
    assert (alone.returncode, alone.stdout, alone.stderr) == (2, "", overview())
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, overview(), "")
    assert max(map(len, overview().splitlines())) <= 100


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--dead", "10", "x.json"),
        ("show", "--dead", "10", "x.json"),
        ("anova", "x.csv", "--dead", "10"),
        ("keys", "add", "--dead", "10", "gateway"),
        ("fit", "x.csv", "--dead", "10"),
        ("import", "--dead", "10", "csv", "x.csv", "--out", "o.csv"),
        ("keys", "--dead", "10", "list"),
        ("serve", "--dead", "10"),
    ],
)
def test_an_unknown_option_is_blamed_and_no_word_after_it(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    problem = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2
    assert "--dead" in problem
    assert {"10", "x.json", "x.csv", "gateway"}.isdisjoint(problem.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "x.json", "--dead", "--help"),
        ("fit", "--help", "--dead"),
        ("keys", "--dead", "--help"),
    ],
)
def test_help_is_printed_whatever_else_is_asked(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: jouleplan {arguments[0]} [-h]")


@pytest.mark.parametrize("text", ["-1", "-0.5", "-"])
def test_a_negative_number_is_no_unknown_option(text: str) -> None:
    assert parse(["plan", text, "--min-mean-quality", text.replace("-", "-1")]).file == text


def test_the_version_is_that_of_the_distribution() -> None:
    done = jouleplan("--version")
    assert (done.returncode, done.stdout) == (0, f"jouleplan {version('jouleplan')}\n")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("plna", "plan"),
        ("Measure", "measure"),
        ("server", "serve"),
        ("key", "keys"),
        ("--verison", "--version"),
        ("--hlep", "--help"),
        ("-plan", "plan"),
        ("dance", None),
        ("", None),
        ("\udcff", None),
    ],
)
def test_an_unknown_verb_is_met_with_the_nearest(
    given: str, meant: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([given]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.findall(r"Did you mean ([\w-]+)\?", captured.err) == (
        [] if meant is None else [meant]
    )
    assert all(verb in captured.err for verbs in VERBS.values() for verb in verbs)


@pytest.mark.parametrize(
    ("application", "verb", "arguments"),
    [
        ("service", "plan", []),
        ("service", "plan", ["a.json", "--bogus"]),
        ("service", "keys add", ["a", "--bogus"]),
        ("service", "serve", ["--port", "1"]),
        ("profiler", "show", ["a", "b"]),
        ("profiler", "check", ["a", "--models-dir"]),
    ],
)
def test_a_refusal_shows_the_usage_of_the_verb_as_it_was_started(
    application: str, verb: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"service": service_main, "profiler": profiler_main}[application]
    for run, program in ((main, "jouleplan"), (own, f"python -m {application}")):
        with pytest.raises(SystemExit) as ended:
            run([*verb.split(), *arguments])
        assert ended.value.code == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"usage: {program} {verb} [-h]")
        assert "\nerror: " in captured.err


def test_the_settings_are_printed_however_it_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    asked = (
        (service_main, ["--print-config"]),
        (service_main, ["--print-config", "serve"]),
        (main, ["serve", "--print-config"]),
    )
    printed = set()
    for run, arguments in asked:
        assert run(arguments) == 0
        printed.add(capsys.readouterr().out)
    assert len(printed) == 1
    assert "port" in json.loads(printed.pop())


@pytest.mark.parametrize(
    ("arguments", "others"),
    [
        (("--help",), "service,profiler,costmodel,numpy"),
        (("plna",), "service,profiler,costmodel,numpy"),
        (("plan", "examples/chat_1000.json", "--time-limit=1", "--quiet"), "profiler,scipy"),
        (("serve", "--print-config"), "profiler,scipy"),
        (("show", "models/llama-2-7b-chat__m1-pro.json"), "service,planner,pydantic"),
    ],
)
def test_a_verb_loads_nothing_of_the_other_application(
    arguments: tuple[str, ...], others: str
) -> None:
    command = [sys.executable, "-c", LOADED, others, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout[-300:] + done.stderr[-300:]


def test_libraries_of_an_extra_that_are_not_there_are_named_with_what_installs_them(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "jouleplan-0.1.0.dist-info"
    folder.mkdir()
    requirements = (
        "rich>=1; extra == 'profiler'",
        "absent-one>=1.2; extra == 'profiler'",
        "Absent.two[x]>=1; extra == 'profiler'",
        "elsewhere>=1; (sys_platform == 'win32') and extra == 'profiler'",
        "others; extra == 'service'",
    )
    required = "".join(f"Requires-Dist: {one}\n" for one in requirements)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: jouleplan\n{required}")
    done = jouleplan("fit", "o.csv", "--models-dir", "m", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "jouleplan fit needs libraries that are not installed: absent-one, Absent.two.\n" in (
        done.stderr
    )
    assert "pip install 'jouleplan[profiler]'" in done.stderr
    asked = jouleplan("fit", "--help", PYTHONPATH=str(tmp_path))
    assert asked.returncode == 0
    assert asked.stdout.startswith("usage: jouleplan fit ")


@pytest.mark.parametrize("extra", VERBS)
def test_every_library_of_an_extra_is_looked_for(
    extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = map(Requirement, project["optional-dependencies"][extra])
    everywhere = {one.name for one in wanted if one.marker is None}
    assert len(everywhere) > 4
    assert missing(extra) == []
    monkeypatch.setattr("commandline.distribution._is_installed", lambda name: False)
    assert set(missing(extra)) == everywhere


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", ["--help", "--version", "serve --print-config", "plan --help"]
)
def test_a_reader_that_had_enough_ends_the_command_quietly(arguments: str, unbuffered: str) -> None:
    script = f"{BIN / PROGRAM} {arguments} | (exec <&-); exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
