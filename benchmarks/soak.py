"""Decisions for minutes, at half the rate that is possible, while everything around them breaks.

    python -m benchmarks.soak [--minutes N] [--rate N]

As root: a worker is killed every 20 s, the disk of the actuals is full for a fifth of the time (a
tmpfs of its own), and the artefacts are replaced every 15 s. Told at the end: decisions that
failed, actuals that were acknowledged and are not in the file, and the memory of the service.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import orjson

from benchmarks.decision_speed import CANDIDATES, LLM, bodies
from benchmarks.open_load import CONNECTIONS, Connection, load_from_a_process, post
from benchmarks.timing import machine
from examples.local_service import await_answer, free_port
from service.fleet.embedded import embedded_models_dir

KILL_S, REPLACE_S = 20.0, 15.0
FULL_FROM, FULL_UNTIL = 0.4, 0.6
"""Shares of the time between which the disk is full."""
TOGETHER = 50
"""Actuals in one call."""
DISK_BYTES = 512 * 1024 * 1024
WARM = 0.2
"""Share of the time after which memory is to stay."""


@dataclass
class Told:
    """What happened.

    Attributes
    ----------
    seconds
        Latency of each decision.
    failed
        Decisions without status 200, by status; 0 for a broken connection.
    acknowledged
        Ids of actuals that were answered with 200.
    refused_actuals
        Calls of /actuals that were not, by status.
    memory_mb
        Resident memory of the service, second by second.
    killed, replaced
        Workers and sets of artefacts.
    """

    seconds: list[float] = field(default_factory=list)
    failed: dict[int, int] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    refused_actuals: dict[int, int] = field(default_factory=dict)
    memory_mb: list[float] = field(default_factory=list)
    killed: int = 0
    replaced: int = 0


class Soak:
    """One run against a service.

    Parameters
    ----------
    port
        Of the service.
    process
        Of the service.
    folder
        With its cost models, and its disk.
    rate
        Decisions a second.
    seconds
        Of the whole.
    """

    def __init__(
        self, port: int, process: subprocess.Popen[bytes], folder: Path, rate: float, seconds: float
    ) -> None:
        self._port, self._process, self._folder = port, process, folder
        self._rate, self._seconds = rate, seconds
        self._url = f"http://127.0.0.1:{port}"
        self._to_tell: asyncio.Queue[str] = asyncio.Queue()
        self._templates = [orjson.loads(body) for body in bodies(1000)]
        self.told = Told()

    async def run(self) -> Told:
        """Return what happened."""
        began = perf_counter()
        around = [
            asyncio.create_task(one)
            for one in (self._kill(), self._replace(), self._fill(), self._weigh())
        ]
        tellers = [asyncio.create_task(self._tell()) for _ in range(2)]
        due: asyncio.Queue[tuple[float, int]] = asyncio.Queue()
        askers = [asyncio.create_task(self._ask(due)) for _ in range(CONNECTIONS)]
        for index in range(int(self._rate * self._seconds)):
            at = began + index / self._rate
            if at > perf_counter():
                await asyncio.sleep(at - perf_counter())
            due.put_nowait((at, index))
            if index % int(self._rate * 30) == 0:
                print(
                    f"{perf_counter() - began:4.0f} s: {len(self.told.seconds):,} decided",
                    file=sys.stderr,
                )
        await due.join()
        for one in around:
            one.cancel()
        await self._to_tell.join()
        for one in (*askers, *tellers):
            one.cancel()
        return self.told

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(Connection, "127.0.0.1", self._port)
        try:
            yield connection
        finally:
            transport.close()

    async def _ask(self, due: asyncio.Queue[tuple[float, int]]) -> None:
        async with self._connected() as connection:
            while True:
                at, index = await due.get()
                body = {**self._templates[index % len(self._templates)], "id": str(index)}
                status = await connection.ask(post(f"{self._url}/decision", orjson.dumps(body)))
                if status == 200:
                    self.told.seconds.append(perf_counter() - at)
                    self._to_tell.put_nowait(str(index))
                else:
                    self.told.failed[status] = self.told.failed.get(status, 0) + 1
                due.task_done()

    async def _tell(self) -> None:
        async with self._connected() as connection:
            while True:
                names = [await self._to_tell.get()]
                while len(names) < TOGETHER and not self._to_tell.empty():
                    names.append(self._to_tell.get_nowait())
                body = orjson.dumps({"actuals": [_actual(name) for name in names]})
                status = await connection.ask(post(f"{self._url}/actuals", body))
                while status != 200:
                    refused = self.told.refused_actuals
                    refused[status] = refused.get(status, 0) + 1
                    await asyncio.sleep(0.5)
                    status = await connection.ask(post(f"{self._url}/actuals", body))
                self.told.acknowledged += names
                for _ in names:
                    self._to_tell.task_done()
                await asyncio.sleep(0.02)

    async def _kill(self) -> None:
        while True:
            await asyncio.sleep(KILL_S)
            found = subprocess.run(
                ["pgrep", "-P", str(self._process.pid), "-f", "multiprocessing.spawn"],
                capture_output=True,
                text=True,
                check=False,
            )
            pids = [int(line) for line in found.stdout.split()]
            if pids:
                os.kill(pids[self.told.killed % len(pids)], 9)
                self.told.killed += 1

    async def _replace(self) -> None:
        while True:
            await asyncio.sleep(REPLACE_S)
            for path in sorted(embedded_models_dir().iterdir()):
                ours = self._folder / "models" / path.name
                fresh = ours.with_suffix(ours.suffix + ".new")
                shutil.copy(path, fresh)
                fresh.replace(ours)
            self.told.replaced += 1

    async def _fill(self) -> None:
        await asyncio.sleep(FULL_FROM * self._seconds)
        filler = self._folder / "disk" / "filler"
        try:
            with filler.open("wb") as file:
                while True:
                    file.write(bytes(1024 * 1024))
        except OSError:
            pass
        await asyncio.sleep((FULL_UNTIL - FULL_FROM) * self._seconds)
        filler.unlink()

    async def _weigh(self) -> None:
        while True:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
            kib = next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]
            self.told.memory_mb.append(int(kib) / 1024)
            await asyncio.sleep(1.0)


def _actual(name: str) -> dict[str, object]:
    number = int(name)
    return {
        "decision_id": name,
        "llm": LLM,
        "pool": CANDIDATES[number % 2]["pool"],
        "route": "chat",
        "input_tokens": 100 + number % 400,
        "output_tokens": 50 + number % 150,
        "runtime_seconds": 1.0 + (number % 10) / 10,
        "energy_joules": 20.0 + number % 30,
    }


def report(told: Told, stored: set[str], rate: float) -> str:
    """Say what happened."""
    warm = told.memory_mb[int(WARM * len(told.memory_mb)) :]
    p50, p99, most = np.quantile(told.seconds, [0.5, 0.99, 1.0]) * 1e3
    lost = len(set(told.acknowledged) - stored)
    return "\n".join(
        [
            f"{len(told.seconds):,} decisions at {rate:.0f}/s: failed {told.failed or 'none'}; "
            f"p50 {p50:.2f} ms, p99 {p99:.1f} ms, longest {most:.0f} ms",
            f"{len(told.acknowledged):,} actuals acknowledged, lost {lost}; calls refused "
            f"{told.refused_actuals or 'none'}",
            f"workers killed {told.killed}, artefacts replaced {told.replaced} times",
            f"memory after a fifth of the time {warm[0]:.1f} MB, at the end {warm[-1]:.1f} MB "
            f"({100 * (warm[-1] / warm[0] - 1):+.1f} %), most {max(told.memory_mb):.1f} MB",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Soak a service and print what happened."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=None, help="a second; half the largest")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        disk = folder / "disk"
        disk.mkdir()
        shutil.copytree(embedded_models_dir(), folder / "models")
        size = f"size={DISK_BYTES}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], check=True)
        port = free_port()
        settings = {
            "JOULEPLAN_PORT": str(port),
            "JOULEPLAN_MODELS_DIR": str(folder / "models"),
            "JOULEPLAN_ACTUALS_PATH": str(disk / "actuals.sqlite3"),
            "JOULEPLAN_MAX_ACTUALS": "10000000",
            "JOULEPLAN_STORE_PATH": ":memory:",
        }
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "service"], env={**os.environ, **settings}, stderr=log
            )
            try:
                await_answer(f"http://127.0.0.1:{port}/readyz", process)
                rate = options.rate or _half_of_the_largest(port)
                told = asyncio.run(Soak(port, process, folder, rate, 60.0 * options.minutes).run())
            finally:
                process.terminate()
                process.wait(timeout=60)
        with sqlite3.connect(disk / "actuals.sqlite3") as connection:
            stored = {str(row[0]) for row in connection.execute("SELECT id FROM actuals")}
        connection.close()
        subprocess.run(["umount", disk], check=True)
    print(machine(), end="\n\n")
    print(report(told, stored, rate))


def _half_of_the_largest(port: int) -> float:
    url = f"http://127.0.0.1:{port}/decision"
    asked = [post(url, body) for body in bodies(3000)]
    return load_from_a_process(port, asked, None).per_s / 2.0


if __name__ == "__main__":
    main()
