"""Decisions and their actuals against a service, while everything around it breaks."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Coroutine
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson

from benchmarks.decision_speed import CANDIDATES, LLM, bodies
from benchmarks.open_load import CONNECTIONS, Line, post
from benchmarks.soak.processes import resident_mb, workers_of
from benchmarks.soak.report import KILL_S, Sample, SoakRecord
from service.environment import embedded_models_dir

REPORTERS = 2
TOGETHER = 50
"""Actuals in one call."""
ANSWER_S = 30.0
"""A call that has no answer by then has failed."""
SAY_S = 30.0
KEYS = "keys.yaml"


@dataclass(frozen=True)
class Pace:
    """When what happens.

    Attributes
    ----------
    rate
        Decisions a second.
    seconds
        Length of the whole soak.
    kill_s, replace_s
        Between two deaths of workers, and two replacements of the artefacts.
    outages
        When the disk is full, from and until, as shares of the whole.
    acknowledged_within_s
        What actuals have after the last decision.
    """

    rate: float
    seconds: float
    kill_s: float = KILL_S
    replace_s: float = 15.0
    outages: tuple[tuple[float, float], ...] = ((0.1, 0.2), (0.5, 0.6))
    acknowledged_within_s: float = 60.0


class ServiceEndedError(Exception):
    """The service ended before it was told to."""


class Soak:
    """One run against a service.

    Parameters
    ----------
    port
        Port of the service.
    process
        Process of the service.
    folder
        Folder of its cost models, its disk, and its keys where it has some.
    pace
        When what happens.
    headers
        Headers of each call, each with its end of line.
    """

    def __init__(
        self,
        port: int,
        process: subprocess.Popen[bytes],
        folder: Path,
        pace: Pace,
        headers: str = "",
    ) -> None:
        self._headers = headers
        self._port, self._process, self._folder, self._pace = port, process, folder, pace
        self._url = f"http://127.0.0.1:{port}"
        self._to_tell: asyncio.Queue[str] = asyncio.Queue()
        self._due: asyncio.Queue[tuple[float, int]] = asyncio.Queue()
        self._templates = [orjson.loads(body) for body in bodies(1000)]
        self._outages = 0
        self._began = perf_counter()
        self.record = SoakRecord()

    async def run(self) -> SoakRecord:
        """Return what happened, also where something that should not end did."""
        self._began = perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                endless = [group.create_task(one) for one in self._beside()]
                await self._drive()
                for one in endless:
                    one.cancel()
        except* Exception as errors:
            traceback.print_exception(errors)
            self.record.broken += [f"{type(one).__name__}: {one}" for one in errors.exceptions]
        self.record.took_s = perf_counter() - self._began
        return self.record

    def _beside(self) -> list[Coroutine[Any, Any, None]]:
        return [
            *(self._ask() for _ in range(CONNECTIONS)),
            *(self._report_actuals() for _ in range(REPORTERS)),
            *(self._kill(), self._stop_one(), self._spoil(), self._replace()),
            *(self._fill(), self._watch()),
        ]

    async def _drive(self) -> None:
        """Let each decision become due at its time, then wait for all and their actuals."""
        rate = self._pace.rate
        for index in range(int(rate * self._pace.seconds)):
            at = self._began + index / rate
            if at > perf_counter():
                await asyncio.sleep(at - perf_counter())
            self._due.put_nowait((at, index))
            self.record.asked += 1
            if index % max(1, int(rate * SAY_S)) == 0:
                self._say()
        await self._due.join()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.acknowledged_within_s):
                await self._to_tell.join()

    def _say(self) -> None:
        took_s = perf_counter() - self._began
        main_mb = resident_mb(self._process.pid)
        decided, acknowledged = len(self.record.seconds), len(self.record.acknowledged)
        counts = f"{decided:,} decided, {acknowledged:,} acknowledged"
        print(f"{took_s:4.0f} s: {counts}, main process {main_mb:.1f} MB", file=sys.stderr)

    def _post(self, path: str, body: object) -> bytes:
        return post(f"{self._url}{path}", orjson.dumps(body), self._headers)

    async def _ask(self) -> None:
        with closing(Line(self._port, ANSWER_S)) as line:
            while True:
                at, index = await self._due.get()
                body = {**self._templates[index % len(self._templates)], "id": str(index)}
                status = await line.ask(self._post("/decision", body))
                if status == 200:
                    self.record.seconds.append(perf_counter() - at)
                    self._to_tell.put_nowait(str(index))
                else:
                    self.record.failed[status] = self.record.failed.get(status, 0) + 1
                self._due.task_done()

    async def _report_actuals(self) -> None:
        with closing(Line(self._port, ANSWER_S)) as line:
            while True:
                names = [await self._to_tell.get()]
                while len(names) < TOGETHER and not self._to_tell.empty():
                    names.append(self._to_tell.get_nowait())
                asked = self._post("/actuals", {"actuals": [_actual(name) for name in names]})
                while (status := await line.ask(asked)) != 200:
                    refused = self.record.refused_actuals
                    refused[status] = refused.get(status, 0) + 1
                    await asyncio.sleep(0.5)
                self.record.acknowledged += names
                for _ in names:
                    self._to_tell.task_done()
                await asyncio.sleep(0.02)

    async def _kill(self) -> None:
        while True:
            await asyncio.sleep(self._pace.kill_s)
            pids = workers_of(self._process.pid)
            if pids:
                # One that has just been replaced is gone already.
                with suppress(ProcessLookupError):
                    os.kill(pids[self.record.killed % len(pids)], 9)
                    self.record.killed += 1

    async def _stop_one(self) -> None:
        """Stop a worker, which the service is to find and replace."""
        while True:
            await asyncio.sleep(1.5 * self._pace.kill_s)
            for pid in workers_of(self._process.pid)[:1]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    self.record.stopped += 1

    async def _spoil(self) -> None:
        """Write files that cannot be used, and mend them half a period later."""
        models = self._folder / "models"
        artefacts = sorted(models.glob("*.joblib"))[:1]
        spoiled = [*models.glob("fleet.yaml"), *artefacts, *self._folder.glob(KEYS)]
        while True:
            await asyncio.sleep(self._pace.kill_s / 2)
            good = {path: path.read_bytes() for path in spoiled}
            for path in spoiled:
                path.write_bytes(b"keys: [")
            self.record.spoiled += 1
            await asyncio.sleep(self._pace.kill_s / 2)
            for path, data in good.items():
                path.write_bytes(data)

    async def _replace(self) -> None:
        while True:
            await asyncio.sleep(self._pace.replace_s)
            await asyncio.to_thread(_replace_all, self._folder / "models")
            self.record.replaced += 1

    async def _fill(self) -> None:
        """Fill the disk, and make room again."""
        for begin, end in self._pace.outages:
            await self._until(begin * self._pace.seconds)
            filler = self._folder / "disk" / "filler"
            await asyncio.to_thread(_fill_up, filler)
            full_at = perf_counter()
            await self._until(end * self._pace.seconds)
            filler.unlink()
            self.record.full_s += perf_counter() - full_at
            self._outages += 1

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, self._began + at_s - perf_counter()))

    async def _watch(self) -> None:
        """Weigh the service every second.

        Raises
        ------
        ServiceEndedError
            If it has ended.
        """
        while True:
            status = self._process.poll()
            if status is not None:
                raise ServiceEndedError(f"Expected a running service, got exit status {status}.")
            pid = self._process.pid
            self.record.samples.append(
                Sample(
                    perf_counter() - self._began,
                    resident_mb(pid),
                    sum(resident_mb(worker) for worker in workers_of(pid)),
                    len(self.record.seconds),
                    len(self.record.acknowledged),
                    self._outages,
                )
            )
            await asyncio.sleep(1.0)


def _replace_all(models_dir: Path) -> None:
    for path in sorted(embedded_models_dir().iterdir()):
        ours = models_dir / path.name
        fresh = ours.with_suffix(ours.suffix + ".new")
        shutil.copy(path, fresh)
        fresh.replace(ours)


def _fill_up(filler: Path) -> None:
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024 * 1024))


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
