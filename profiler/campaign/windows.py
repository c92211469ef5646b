"""From a load in flight and a meter to one measured window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.moments import written
from profiler.campaign.points import Point
from profiler.campaign.trial import (
    LENGTHS_NOT_FORCED,
    PROMPT_CACHED,
    SERVER_LIMITED,
)
from profiler.length_mix import MIXED_FLAG, mean_cells
from profiler.meters.meter import Joules, Mark, Meter
from profiler.observations import flags_text
from profiler.server.completion import Completion
from profiler.server.endpoint import LoadGauges
from profiler.server.load import GaugeSampler, LoadGenerator
from profiler.short_windows import SHORT_WINDOW, STEADY_S

MIN_FORCED_SHARE = 0.99
"""Answers of less than this share of what was asked for were not forced."""
MIN_WAITING_SHARE = 0.05
"""Share of the requests in flight that waits, from which the server's own limit set the batch."""
MIXED_ROUNDS = 3
"""Requests that each slot ends in a window of mixed lengths, so that its mix is met."""
MIN_BUSY_SHARE = 0.9
"""Share of the slots that are busy in a window which the server's limit does not bound."""
MIN_COUNTED_SHARE = 0.6
"""The same share by the server's own counts, whose mean over a few readings is coarse."""
MAX_WAIT_RATIO = 3.0
"""Times a lone request's time to its first token, beyond which requests waited for a slot."""


@dataclass(frozen=True)
class Window:
    """What was seen between two marks.

    Attributes
    ----------
    begin, end
        Marks, each as a request ended.
    joules
        Joules between the marks.
    ended
        Requests that ended after the first mark, up to the second.
    gauges
        Means of the server's own counts; None where it has none.
    alone_s
        Seconds to the first token of such a request alone on the server.
    """

    begin: Mark
    end: Mark
    joules: Joules
    ended: Sequence[Completion]
    gauges: LoadGauges | None
    alone_s: float

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return self.end.at_s - self.begin.at_s

    def cells(self, point: Point) -> dict[str, str]:
        """Write the window's figures as cells of its row.

        Every slot has a request in flight all the time, so the concurrency is the number of slots
        unless the server's own limit keeps some of them waiting; then it is the number that runs.
        Device-seconds are the window's seconds over the requests that ended in it, and by Little's
        law the runtime of a request, without the wait, is that times the concurrency.
        """
        count = len(self.ended)
        limited, concurrency = self._achieved(point.concurrency)
        tin, tout = (
            np.array([getattr(one, name) for one in self.ended], dtype=np.float64)
            for name in ("input_tokens", "output_tokens")
        )
        steps = [one.itl_s for one in self.ended if one.itl_s is not None]
        gpu_j, cpu_j = self.joules.gpu_j, self.joules.cpu_j
        return {
            "concurrency": _text(concurrency),
            "runtime_s": _text(self.seconds / count * concurrency),
            "energy_gpu_j": _text((gpu_j or 0.0) / count),
            "energy_cpu_j": "" if cpu_j is None else _text(cpu_j / count),
            "flags": flags_text(
                MIXED_FLAG * point.mixed, *self.joules.flags, *self._flags(limited=limited)
            ),
            "requests": str(count),
            "window_s": _text(self.seconds),
            "ttft_s": _text(float(np.mean([one.ttft_s for one in self.ended]))),
            "itl_s": _text(float(np.mean(steps))) if steps else "",
            "latency_s": _text(float(np.mean([one.latency_s for one in self.ended]))),
            "running": "" if self.gauges is None else _text(self.gauges.running),
            "waiting": "" if self.gauges is None else _text(self.gauges.waiting),
            **mean_cells(tin, tout),
            "started_at": written(self.begin.clock_s),
            "counters_begin": _counters(self.begin),
            "counters_end": _counters(self.end),
        }

    def requests(self) -> list[tuple[object, ...]]:
        """Write a row for each request, as the journal keeps them."""
        return [
            (
                one.input_tokens,
                one.output_tokens,
                one.asked_tokens,
                _text(one.sent_s - self.begin.at_s),
                _text(one.ttft_s),
                "" if one.itl_s is None else _text(one.itl_s),
                _text(one.latency_s),
            )
            for one in self.ended
        ]

    def _achieved(self, slots: int) -> tuple[bool, float]:
        """Say whether the server's limit set the concurrency, and what that was."""
        if self.gauges is not None and self.gauges.waiting > MIN_WAITING_SHARE * slots:
            return True, max(1.0, self.gauges.running)
        # Without the server's counts, or where requests wait before it counts them: those that wait
        # have long seen no first token, and never are all of them at work at once.
        waited = float(np.mean([one.ttft_s for one in self.ended]))
        latency = float(np.mean([one.latency_s for one in self.ended]))
        if self.gauges is None:
            few = _most_at_once(self.ended) <= MIN_BUSY_SHARE * slots
        else:
            few = self.gauges.running <= MIN_COUNTED_SHARE * slots
        limited = slots > 1 and few and waited > MAX_WAIT_RATIO * self.alone_s + 0.1 * latency
        running = slots * (1.0 - max(0.0, waited - self.alone_s) / latency)
        return limited, max(1.0, running) if limited else float(slots)

    def _flags(self, *, limited: bool) -> list[str]:
        short = any(one.output_tokens < MIN_FORCED_SHARE * one.asked_tokens for one in self.ended)
        cached = any(one.cached_tokens > 0.5 * one.input_tokens for one in self.ended)
        named = {
            SERVER_LIMITED: limited,
            LENGTHS_NOT_FORCED: short,
            PROMPT_CACHED: cached,
            SHORT_WINDOW: self.seconds < STEADY_S,
        }
        return [flag for flag, raised in named.items() if raised]


async def measure_window(
    load: LoadGenerator,
    gauges: GaugeSampler,
    meter: Meter,
    point: Point,
    least_s: float,
    alone_s: float,
) -> Window:
    """Measure one window of a load in its steady state.

    Parameters
    ----------
    load, gauges, meter
        All open.
    point
        What is in flight.
    least_s
        The window is at least that long, and longer until each slot has ended a request.
    alone_s
        Seconds to the first token of a request alone on the server.

    Returns
    -------
    Window
        Window from the end of one request to the end of another.

    Raises
    ------
    ServerError, MeterError
        If a request fails, or the meter sees nothing.
    """
    # What ended while nobody looked (a meter that waits, a row being written) is of no window.
    load.forget()
    await load.next()
    begin = meter.mark()
    gauges.restart()
    wanted = point.concurrency * (MIXED_ROUNDS if point.mixed else 1)
    ended: list[Completion] = []
    while True:
        ended.append(await load.next())
        if ended[-1].last_s - begin.at_s >= least_s and len(ended) >= wanted:
            break
    end = meter.mark()
    # A meter on another host may have to wait for what it is to see; the load goes on.
    joules = await asyncio.to_thread(meter.between, begin, end)
    return Window(begin, end, joules, ended, gauges.mean, alone_s)


def _most_at_once(ended: Sequence[Completion]) -> int:
    changes = [(one.first_s, 1) for one in ended] + [(one.last_s, -1) for one in ended]
    return int(max(np.cumsum([change for _, change in sorted(changes)])))


def _counters(mark: Mark) -> str:
    return " ".join(f"{name}={value:.15g}" for name, value in mark.counters.items())


def _text(value: float) -> str:
    return f"{value:.9g}"
