"""How commands end: at full and closed streams, and at Ctrl-C, with a sentence and no traceback."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from examples.local_service import free_port
from service.http.access.key_file import read_keys
from tests.jouleplan.command import BIN, PROGRAM, jouleplan
from tests.service.bodies import endless
from tests.service.server import ROOT
from tests.waiting import PATIENCE_S

PRINTING = (
    "--help",
    "--version",
    "plan --help",
    "serve --print-config",
    "show models/llama-2-7b-chat__m1-pro.json",
    "errors --models-dir models",
    'plan - --quiet <<< \'{"requests": [{"input_tokens": 8, "output_tokens": 5}]}\'',
    'plan - --quiet --json <<< \'{"requests": [{"input_tokens": 8, "output_tokens": 5}]}\'',
)


def in_shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("arguments", PRINTING)
@pytest.mark.parametrize(
    ("redirection", "why"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_a_result_that_cannot_be_printed_is_reported(
    arguments: str, redirection: str, why: str
) -> None:
    done = in_shell(f"{BIN / PROGRAM} {arguments} {redirection}")
    assert done.returncode == 1
    assert done.stderr == f"error: Standard output cannot be written: {why}.\n"


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "<&-", "2> >(exec <&-)"])
def test_a_result_is_printed_whatever_becomes_of_what_is_said_beside_it(redirection: str) -> None:
    done = in_shell(f"{BIN / PROGRAM} plan examples/chat_1000.json --time-limit 1 {redirection}")
    assert done.returncode == 0
    assert "Where the requests run" in done.stdout


def test_a_slow_reader_of_a_pipe_that_does_not_block_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    whole = json.loads(jouleplan("serve", "--print-config").stdout)
    # One page takes less than is printed.
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b" " * 4096)
    process = subprocess.Popen(
        [BIN / PROGRAM, "serve", "--print-config"], stdout=writer, stderr=writer
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=3)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert json.loads(pipe.read()) == whole
    assert process.wait(timeout=60) == 0


def test_closed_standard_input_is_refused_as_a_file_that_cannot_be_read() -> None:
    done = in_shell(f"{BIN / PROGRAM} plan - <&-")
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard input: Expected a file that can be read")


@pytest.mark.parametrize("shown", ["| (exec <&-); exit ${PIPESTATUS[0]}", ">/dev/full", ">&-"])
def test_a_key_that_nobody_was_shown_is_not_kept(tmp_path: Path, shown: str) -> None:
    path = tmp_path / "keys.yaml"
    assert jouleplan("keys", "add", "first", "--file", str(path)).returncode == 0
    done = in_shell(f"{BIN / PROGRAM} keys add second --file {path} {shown}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: The key could not be shown")
    assert [row.name for row in read_keys(path).keys] == ["first"]


@pytest.mark.parametrize("application", ["service", "profiler"])
def test_an_application_by_itself_says_what_the_one_command_does(application: str) -> None:
    run = f"{sys.executable} -m {application}"
    assert in_shell(f"{run} --version").stdout == jouleplan("--version").stdout
    unknown = in_shell(f"{run} {'plna' if application == 'service' else 'ftt'}")
    assert unknown.returncode == 2
    assert f"Did you mean {'plan' if application == 'service' else 'fit'}?" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["plan", "a.json", "--tiem-limit", "3"], "--time-limit"),
        (["plan", "a.json", "--format", "jsno"], "json"),
        (["keys", "ad"], "add"),
        (["import", "cvs"], "csv"),
    ],
)
def test_an_unknown_word_is_met_with_the_nearest(arguments: list[str], meant: str) -> None:
    done = jouleplan(*arguments)
    assert done.returncode == 2
    assert done.stderr.endswith(f" Did you mean {meant}?\n")


@pytest.fixture
def lasting(tmp_path: Path) -> dict[str, list[str]]:
    """Commands that last longer than any test waits for them."""
    body = tmp_path / "hard.json"
    body.write_text(json.dumps(endless()))
    never_written = tmp_path / "never.csv"
    os.mkfifo(never_written)
    program = str(BIN / PROGRAM)
    return {
        "plan": [program, "plan", str(body)],
        "serve": [program, "serve"],
        "fit": [program, "fit", str(never_written), "--models-dir", str(tmp_path)],
        "demo": [sys.executable, "-m", "examples.demo"],
    }


@pytest.mark.parametrize("after_s", [0.4, 1.0])
@pytest.mark.parametrize("name", ["plan", "serve", "fit", "demo"])
def test_ctrl_c_ends_a_command_at_any_moment(
    lasting: dict[str, list[str]], name: str, after_s: float
) -> None:
    own = {
        "JOULEPLAN_PORT": str(free_port()),
        "JOULEPLAN_ACTUALS_PATH": ":memory:",
        "JOULEPLAN_STORE_PATH": ":memory:",
    }
    command = lasting[name]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    # Whatever it does at that moment: a terminal tells all processes of the command.
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    # A service that was told to end has done its work.
    assert process.returncode in ({-signal.SIGINT, 0} if name == "serve" else {-signal.SIGINT})
    assert "Traceback" not in said


def until_it_waits(process: subprocess.Popen[str], fifo: Path) -> int:
    """Return a descriptor of a FIFO that a process has opened to read; it gets nothing of it."""
    end = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < end:
        assert process.poll() is None
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.02)
    raise AssertionError(fifo)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, "interrupted\n"),
        (signal.SIGTERM, "ended by SIGTERM\n"),
        (signal.SIGHUP, "ended by SIGHUP\n"),
    ],
)
def test_a_verb_of_the_profiler_ends_by_the_signal_that_came(
    lasting: dict[str, list[str]], tmp_path: Path, number: signal.Signals, words: str
) -> None:
    process = subprocess.Popen(lasting["fit"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    descriptor = until_it_waits(process, tmp_path / "never.csv")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    os.close(descriptor)
    assert (process.returncode, said) == (-number, words)


@pytest.mark.parametrize("name", ["plan", "fit"])
def test_ctrl_c_ends_a_loop_of_a_script_and_not_one_round_of_it(
    lasting: dict[str, list[str]], name: str
) -> None:
    command = shlex.join(lasting[name])
    process = subprocess.Popen(
        ["bash", "-c", f"for i in 1 2 3; do echo round; {command}; done; echo over"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "round\n"
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert (process.returncode, printed) == (-signal.SIGINT, "")


def test_the_demonstration_says_in_a_line_that_its_service_cannot_start(tmp_path: Path) -> None:
    none = str(tmp_path / "keys.yaml")
    done = in_shell(f"{sys.executable} -m examples.demo", JOULEPLAN_API_KEYS_FILE=none)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {none}: cannot be read: No such file or directory.\n"
        "error: Expected a running server, got exit status 2.\n"
    )
