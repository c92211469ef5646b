"""Ctrl-C ends `jouleplan plan` at once, but where it is to be ignored."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.bodies import endless
from tests.service.server import ROOT
from tests.waiting import PATIENCE_S, wait_until


def blocks_interrupts(pid: int) -> bool:
    """Whether a process keeps SIGINT for the thread that waits for it."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    return bool(int(mask, 16) & 1 << signal.SIGINT - 1)


@pytest.mark.parametrize("while_solving", [False, True])
def test_ctrl_c_ends_it_at_once(
    environment: dict[str, str], tmp_path: Path, *, while_solving: bool
) -> None:
    (tmp_path / "hard.json").write_text(json.dumps(endless()))
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "plan", str(tmp_path / "hard.json")],
        cwd=ROOT,
        env={**environment, "TERM": "xterm"},
        stdout=subprocess.DEVNULL,
        stderr=end,
    )
    wait_until(lambda: blocks_interrupts(process.pid))
    shown = b""
    while while_solving and b"bounding" not in shown:
        shown += os.read(terminal, 65_536)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == -signal.SIGINT, "it went on to the end"
    os.close(end)
    assert b"Traceback" not in shown + os.read(terminal, 1_000_000)
    os.close(terminal)


def test_a_plan_goes_on_where_ctrl_c_is_to_be_ignored(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "hard.json").write_text(json.dumps(endless()))
    command = 'trap "" INT; exec "$0" -m service plan "$1" --time-limit 8'
    process = subprocess.Popen(
        ["bash", "-c", command, sys.executable, str(tmp_path / "hard.json")],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        process.send_signal(signal.SIGINT)
        if "bounding" in line:
            break
    printed, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert "Where the requests run" in printed
