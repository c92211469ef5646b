"""A live server with a meter, as what a campaign measures with."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Self

from costmodel.bases import BASES
from profiler.campaign.points import Axes, Point
from profiler.campaign.rig import Measured, Rig
from profiler.campaign.trial import EXTRA_COLUMNS, WARM_UP, Trial
from profiler.campaign.windows import Window, measure_window
from profiler.errors import UnusableInputError
from profiler.meters.meter import Joules, Meter
from profiler.server.connection import connect
from profiler.server.load import GaugeSampler, Lengths, LoadGenerator, quiet

MIX_SIGMA = 0.8
"""Spread of the log-normal mix: about that of production chat traces (Azure 2023)."""
MIXED_WINDOWS = 2
IDLE_SETTLE_S = 2.0
"""Seconds until the power of an accelerator has fallen after its last request."""
WARM_UP_S = 1.0
"""Long enough for any counter to rise."""


@dataclass(frozen=True)
class Subject:
    """What is profiled, as the rows name it.

    Attributes
    ----------
    llm, device, num_gpus, kv_cache, source
        As in observations.
    facts
        Text of further columns: engine, hardware, driver, task; what is not in it, the server and
        the meter report.
    """

    llm: str
    device: str
    num_gpus: int
    kv_cache: str
    source: str
    facts: Mapping[str, str]


class LiveRig(Rig):
    """Measures a server over HTTP, in a ``with`` block.

    Parameters
    ----------
    url, headers
        Address and headers of the server.
    served_name
        Which LLM, where it serves several.
    meter
        Open.
    subject
        What is profiled.
    axes
        The grid.
    window_s
        Windows are at least that long, and as long as the meter needs [s].
    seed
        Seed of prompts and mixed lengths.
    mixed
        Whether windows of mixed lengths are measured too.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        served_name: str | None,
        meter: Meter,
        subject: Subject,
        axes: Axes,
        window_s: float,
        seed: int,
        *,
        mixed: bool = True,
    ) -> None:
        self._url, self._headers, self._served_name = url, headers, served_name
        self._meter, self._subject, self._axes = meter, subject, axes
        self._window_s = max(window_s, meter.min_window_s)
        self._seed, self._mixed = seed, mixed
        self._runner = asyncio.Runner()
        self._spent_from = meter.mark()
        self.basis = BASES["kv_on" if subject.kv_cache == "on" else "kv_off"]

    def __enter__(self) -> Self:
        """Find the server and how it takes prompts.

        Raises
        ------
        ServerError
            If the server does not answer as one must to be measured.
        """
        self._runner.__enter__()
        try:
            self._client, self.endpoint, self._maker = self._runner.run(
                connect(
                    self._url,
                    self._headers,
                    self._served_name,
                    maximum=self._axes.concurrency[-1],
                    random=Random(self._seed),
                )
            )
        except BaseException:
            self._runner.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._runner.run(self._client.aclose())
        self._runner.close()

    def candidates(self) -> list[Point]:
        """Return the grid within the server's context."""
        return self._axes.points(self.endpoint.max_context_tokens)

    def max_windows(self, point: Point) -> int | None:
        """Return the windows of a mix; of other points there can be any number."""
        return MIXED_WINDOWS if point.mixed else None

    def mixes(self) -> list[Point]:
        """Return a mix at the least, a middle and the largest concurrency."""
        if not self._mixed:
            return []
        batches = self._axes.concurrency
        chosen = (batches[0], batches[len(batches) // 2], batches[-1])
        means = [_middle(self._axes.input_tokens), _middle(self._axes.output_tokens)]
        return [Point(means[0], means[1], batch, mixed=True) for batch in dict.fromkeys(chosen)]

    def cost_s(self, point: Point, device_seconds: float, windows: int) -> float:
        """Return the seconds to a steady state and of the windows."""
        latency_s = device_seconds * point.concurrency
        return latency_s + windows * max(self._window_s, latency_s)

    def windows(self, point: Point, stage: str, done: int) -> Generator[Measured, None, None]:
        """Measure window after window of one load, until closed."""
        random = Random(f"{self._seed}/{point}/{stage}/{done}")
        load = LoadGenerator(
            self._client,
            self.endpoint,
            self._maker,
            self._lengths(point, random),
            point.concurrency,
            # Lengths are drawn from the seed; prompts never, or a server that ran an earlier
            # campaign would find them in its prefix cache.
            Random(),
        )
        gauges = GaugeSampler(self._client, self.endpoint)
        self._runner.run(_enter(load, gauges))
        ended: type[BaseException] | None = None
        try:
            alone_s = self._runner.run(load.steady())
            while True:
                least_s = self._window_s if stage != WARM_UP else WARM_UP_S
                window = self._runner.run(
                    measure_window(load, gauges, self._meter, point, least_s, alone_s)
                )
                yield self._measured(point, stage, window)
        except GeneratorExit:
            raise
        except BaseException as error:
            ended = type(error)
            raise
        finally:
            self._runner.run(_exit(load, gauges, ended))

    def idle(self, seconds: float) -> tuple[float, Joules]:
        """Meter the server without requests.

        Parameters
        ----------
        seconds
            Seconds to wait [s].

        Returns
        -------
        tuple
            Seconds metered, and joules.
        """
        self._runner.run(quiet(self._client, self.endpoint))
        time.sleep(IDLE_SETTLE_S)
        begin = self._meter.mark()
        time.sleep(max(seconds, self._meter.min_window_s))
        end = self._meter.mark()
        return end.at_s - begin.at_s, self._meter.between(begin, end)

    def refuse_others(self, cells: Mapping[str, str]) -> None:
        """Refuse to go on with rows of another engine, driver or hardware: no fit would take both.

        Parameters
        ----------
        cells
            Cells of the campaign's last row.

        Raises
        ------
        UnusableInputError
            If anything differs; it says what.
        """
        now = self._facts()
        for name in ("engine", "hardware", "driver", "energy_scope"):
            if cells[name] != now.get(name, ""):
                msg = (
                    f"Expected {name} {cells[name]!r} as the campaign has it, got "
                    f"{now.get(name, '')!r}: begin another file."
                )
                raise UnusableInputError(msg)

    def _facts(self) -> dict[str, str]:
        return {
            "energy_scope": self._meter.scope,
            "engine": self.endpoint.engine or "",
            **self._meter.facts(),
            **self._subject.facts,
        }

    def _lengths(self, point: Point, random: Random) -> Lengths:
        shortest = self._maker.shortest
        if not point.mixed:
            return lambda: (max(shortest, point.input_tokens), point.output_tokens)
        ends = self._axes.input_tokens, self._axes.output_tokens
        limit = self.endpoint.max_context_tokens or math.inf

        def draw() -> tuple[int, int]:
            while True:
                tin, tout = (
                    round(min(max(mean * math.exp(random.gauss(0.0, MIX_SIGMA)), one[0]), one[-1]))
                    for mean, one in zip(
                        (point.input_tokens, point.output_tokens), ends, strict=True
                    )
                )
                if tin + tout < limit:
                    return max(shortest, tin), tout

        return draw

    def _measured(self, point: Point, stage: str, window: Window) -> Measured:
        subject = self._subject
        now = window.end
        spent_s = now.at_s - self._spent_from.at_s
        # The wait for a steady state draws about what the window draws.
        spent_j = window.joules.total_j * spent_s / window.seconds
        self._spent_from = now
        cells = dict.fromkeys(EXTRA_COLUMNS, "") | {
            "llm": subject.llm,
            "device": subject.device,
            "num_gpus": str(subject.num_gpus),
            "kv_cache": subject.kv_cache,
            "source": subject.source,
            "warmup": "1" if stage == WARM_UP else "0",
            "stage": stage,
            "asked_input_tokens": str(point.input_tokens),
            "asked_output_tokens": str(point.output_tokens),
            "asked_concurrency": str(point.concurrency),
            "spent_s": f"{spent_s:.9g}",
            "spent_j": f"{spent_j:.9g}",
            "meter": self._meter.name,
            "max_context_tokens": str(self.endpoint.max_context_tokens or ""),
            **self._facts(),
            **window.cells(point),
        }
        return Measured(Trial(point, stage, cells), window.requests())


async def _enter(load: LoadGenerator, gauges: GaugeSampler) -> None:
    await load.__aenter__()
    await gauges.__aenter__()


async def _exit(
    load: LoadGenerator, gauges: GaugeSampler, ended: type[BaseException] | None
) -> None:
    await gauges.__aexit__(ended, None, None)
    await load.__aexit__(ended, None, None)


def _middle(values: tuple[int, ...]) -> int:
    return round(math.sqrt(values[0] * values[-1]))
