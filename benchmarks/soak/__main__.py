"""Decisions for minutes, at half the rate that is possible, while everything around them breaks.

    python -m benchmarks.soak [--minutes N] [--rate N]

As root: a worker is killed every 20 s, the disk of the actuals (a tmpfs of its own) is full twice
for a tenth of the time each, the artefacts are replaced every 15 s, the fleet file, an
artefact and the keys cannot be used for half of each 20 s, and a worker is stopped every 30 s.
Reported at the end: decisions that failed, actuals that were acknowledged and are not in the file,
and the memory of the service. The exit status is 1 where the service or a part of the soak ended
before its time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.decision_speed import bodies
from benchmarks.open_load import load_from_a_process, post
from benchmarks.soak.report import FORECASTS, report
from benchmarks.soak.run import KEYS, Pace, Soak
from benchmarks.timing import machine
from examples.local_service import await_answer, free_port
from service.environment import embedded_models_dir
from service.http.access.keys import digest_of, new_key

DISK_BYTES = 512 * 1024 * 1024
STOPPED_WITHIN_S = 60.0
LOG_LINES = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak a service and print what happened.

    Returns
    -------
    int
        0 after the whole time, 1 where something ended before it.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=None, help="a second; half the largest")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        parser.error(f"Expected root, who may mount a disk to fill, got user {os.geteuid()}.")
    # What is mounted goes away with a soak that is told to stop, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seconds = 60.0 * options.minutes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(embedded_models_dir(), folder / "models")
        headers = _keys(folder / KEYS)
        with small_disk(folder / "disk") as disk:
            with _service(folder, disk, seconds) as (port, process):
                rate = options.rate or _half_of_the_largest(port, headers)
                soak = Soak(port, process, folder, Pace(rate, seconds), headers)
                record = asyncio.run(soak.run())
            if record.broken:
                print(*_last_lines(folder / "log"), sep="\n", file=sys.stderr)
            stored = _stored(disk / "actuals.sqlite3")
    print(machine(), end="\n\n")
    print(report(record, stored, rate, seconds))
    return 1 if record.broken else 0


@contextmanager
def small_disk(path: Path, size_bytes: int = DISK_BYTES) -> Iterator[Path]:
    """Mount a disk that can be filled at a new folder, and unmount it whatever happens.

    Raises
    ------
    subprocess.CalledProcessError
        If it cannot be mounted.
    """
    path.mkdir()
    size = f"size={size_bytes}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


@contextmanager
def _service(
    folder: Path, disk: Path, seconds: float
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run the service; give its port and its process."""
    port = free_port()
    settings = {
        "JOULEPLAN_PORT": str(port),
        "JOULEPLAN_MODELS_DIR": str(folder / "models"),
        "JOULEPLAN_ACTUALS_PATH": str(disk / "actuals.sqlite3"),
        "JOULEPLAN_API_KEYS_FILE": str(folder / KEYS),
        "JOULEPLAN_MAX_ACTUALS": "10000000",
        "JOULEPLAN_STORE_PATH": ":memory:",
        "JOULEPLAN_FORECAST_SECONDS": str(seconds / FORECASTS),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"], env={**os.environ, **settings}, stderr=log
        )
        try:
            await_answer(f"http://127.0.0.1:{port}/readyz", process)
            yield port, process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _stored(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {str(row[0]) for row in connection.execute("SELECT id FROM actuals")}


def _last_lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()[-LOG_LINES:]


def _keys(path: Path) -> str:
    """Write a file of one key, and return the header that has it."""
    key = new_key("soak")
    path.touch(mode=0o600)
    path.write_text(f"keys: [{{name: soak, sha256: {digest_of(key.encode()).hex()}}}]\n")
    return f"x-api-key: {key}\r\n"


def _half_of_the_largest(port: int, headers: str) -> float:
    url = f"http://127.0.0.1:{port}/decision"
    asked = [post(url, body, headers) for body in bodies(3000)]
    return load_from_a_process(port, asked, None).per_s / 2.0


if __name__ == "__main__":
    sys.exit(main())
