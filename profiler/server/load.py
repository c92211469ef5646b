"""Requests kept in flight: as soon as one ends, its slot sends the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Self

import httpx

from profiler.server.completion import Completion, complete
from profiler.server.endpoint import Endpoint, LoadGauges, read_gauges
from profiler.server.prompts import PromptMaker

Lengths = Callable[[], tuple[int, int]]
"""Draws the input and output tokens of the next request."""

QUIET_POLL_S = 0.1
QUIET_POLLS = 100
SETTLE_S = 0.5
DRAIN_S = 120.0


class LoadGenerator:
    """A closed loop of requests, in an ``async with`` block, at whose end those in flight end too.

    The first request of each slot is cut to a share of its length, another for each slot, so that
    uniform requests do not run in step: prefill and decode then mix as they do in service.

    Parameters
    ----------
    client, endpoint, maker
        The server, and what writes its prompts.
    lengths
        Called for each request.
    in_flight
        Slots, 1 or more.
    random
        Source of the prompts.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoint: Endpoint,
        maker: PromptMaker,
        lengths: Lengths,
        in_flight: int,
        random: Random,
    ) -> None:
        self._client, self._endpoint, self._maker = client, endpoint, maker
        self._lengths, self._in_flight, self._random = lengths, in_flight, random
        self._ended: asyncio.Queue[Completion | Exception] = asyncio.Queue()
        self._firsts: asyncio.Queue[Completion | Exception] = asyncio.Queue()
        self._slots: list[asyncio.Task[None]] = []
        self._ending = False

    async def steady(self) -> float:
        """Wait until every slot has ended its first request.

        Returns
        -------
        float
            Seconds to the first token of the request that was alone on the server.

        Raises
        ------
        ServerError
            If a request fails.
        """
        alone_s = _checked(await self._firsts.get()).ttft_s
        for _ in range(self._in_flight - 1):
            _checked(await self._firsts.get())
        return alone_s

    def forget(self) -> None:
        """Let go of the requests that have ended so far.

        Raises
        ------
        ServerError
            If one of them failed.
        """
        while not self._ended.empty():
            _checked(self._ended.get_nowait())

    async def next(self) -> Completion:
        """Wait for the next request to end.

        Raises
        ------
        ServerError
            If that request failed.
        """
        return _checked(await self._ended.get())

    async def __aenter__(self) -> Self:
        """Send the first requests, one of them alone."""
        self._slots = [asyncio.create_task(self._keep_sending(0))]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let what is in flight end, break off what takes too long, and wait until all is quiet.

        Not all engines free at once what a broken-off request held: llama.cpp's HTTP threads run
        out after some twenty. After an error, or when cancelled, nothing is waited for.
        """
        self._ending = True
        if kind is None and self._slots:
            await asyncio.wait(self._slots, timeout=DRAIN_S)
        for slot in self._slots:
            slot.cancel()
        await asyncio.gather(*self._slots, return_exceptions=True)
        if kind is None:
            await quiet(self._client, self._endpoint)

    async def _keep_sending(self, slot: int) -> None:
        ended = self._firsts
        try:
            while not self._ending:
                input_tokens, output_tokens = self._lengths()
                if ended is self._firsts:
                    output_tokens = max(1, round(output_tokens * slot / self._in_flight))
                prompt = self._maker.prompt(input_tokens, self._random)
                done = await complete(self._client, self._endpoint, prompt, output_tokens)
                ended.put_nowait(done)
                if slot == 0 and ended is self._firsts:
                    self._fill()
                ended = self._ended
        except Exception as error:  # noqa: BLE001, RUF100 (handed to whoever waits)
            self._firsts.put_nowait(error)
            self._ended.put_nowait(error)

    def _fill(self) -> None:
        self._slots += [
            asyncio.create_task(self._keep_sending(slot)) for slot in range(1, self._in_flight)
        ]


async def quiet(client: httpx.AsyncClient, endpoint: Endpoint) -> None:
    """Wait until nothing runs on the server, as far as it reports."""
    if not endpoint.reports_load:
        await asyncio.sleep(SETTLE_S)
        return
    for _ in range(QUIET_POLLS):
        gauges = await read_gauges(client)
        if gauges is None or gauges.running + gauges.waiting == 0:
            return
        await asyncio.sleep(QUIET_POLL_S)


class GaugeSampler:
    """Means of the server's own counts of running and waiting requests, in an ``async with`` block.

    Parameters
    ----------
    client, endpoint
        The server; one without such metrics gives no means.
    period_s
        Seconds between two readings [s].
    """

    def __init__(
        self, client: httpx.AsyncClient, endpoint: Endpoint, period_s: float = 0.5
    ) -> None:
        self._client, self._endpoint, self._period_s = client, endpoint, period_s
        self._read: list[LoadGauges] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def mean(self) -> LoadGauges | None:
        """Means since the last `restart`; None where the server has no such metrics."""
        if not self._read:
            return None
        count = len(self._read)
        running = sum(one.running for one in self._read) / count
        return LoadGauges(running, sum(one.waiting for one in self._read) / count)

    def restart(self) -> None:
        """Forget what was read before."""
        self._read = []

    async def __aenter__(self) -> Self:
        """Begin to read."""
        if self._endpoint.reports_load:
            self._task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            gauges = await read_gauges(self._client)
            if gauges is not None:
                self._read.append(gauges)


def _checked(ended: Completion | Exception) -> Completion:
    if isinstance(ended, Exception):
        raise ended
    return ended
