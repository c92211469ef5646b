"""The process that reads Parquet: files cut under it, Ctrl-C, and whose end it shares."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.calls.batch_files.parquet_process import ParquetProcess
from service.calls.batch_files.parquet_sizes import ParquetLimits, ParquetRefusal
from tests.service.parquet_files import SMALL, written
from tests.service.server import ROOT
from tests.waiting import wait_until


def test_a_file_that_is_cut_off_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(written(SMALL))
    with path.open("r+b") as file, ParquetProcess(file, ParquetLimits()) as process:
        process.head()
        os.truncate(path, 0)
        with pytest.raises(ParquetRefusal, match=r"crashed \(SIGBUS\)"):
            process.values(list(SMALL))


def test_ctrl_c_does_not_reach_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(written(SMALL))
    with path.open("rb") as file, ParquetProcess(file, ParquetLimits()) as process:
        process.head()
        os.kill(int(process._process.pid or 0), signal.SIGINT)
        assert set(process.values(list(SMALL))) == set(SMALL)


READING = """
import subprocess, sys, time
from service.calls.batch_files.parquet_process import ParquetProcess
from service.calls.batch_files.parquet_sizes import ParquetLimits
with open(sys.argv[1], "rb") as file, ParquetProcess(file, ParquetLimits()) as process:
    process.head()
    # It holds the connection, so that the reader is not told by that who is gone.
    holder = subprocess.Popen(["sleep", "600"], stdin=process._connection.fileno())
    print(process._process.pid, holder.pid, flush=True)
    time.sleep(600)
"""


def test_a_reader_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(written(SMALL))
    command = [sys.executable, "-c", READING, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        reader, holder = map(int, starter.stdout.readline().split())
        starter.kill()
    try:
        wait_until(lambda: has_ended(reader))
    finally:
        os.kill(holder, signal.SIGKILL)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or has nothing left but a status that nobody asked for."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
