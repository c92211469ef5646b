"""The progress of a call, as its worker publishes it through the pipe: seldom, but each phase."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter

import orjson

from planner.progress import Progress
from service.calls.messages import PROGRESS, OnUpdate, Update

logger = logging.getLogger("service.worker")

SHORTEST_PAUSE_S = 0.1
"""Ten updates a second are more than an eye follows; a search finds better plans far faster."""


class ProgressUpdates:
    """A `planner.progress.OnProgress` that publishes `Update` messages of kind ``progress``.

    A new phase is published at once. Within a phase the newest state is, at most ten times a
    second; what was held back comes with the next state. What cannot be published is logged,
    and the plan goes on: it is worth more than the news of it. `clock` counts seconds from any
    start.
    """

    def __init__(self, publish: OnUpdate, clock: Callable[[], float] = perf_counter) -> None:
        self._publish = publish
        self._clock = clock
        self._started = clock()
        self._phase = ""
        self._published_s = -SHORTEST_PAUSE_S

    def __call__(self, progress: Progress) -> None:
        """Publish how far the plan is, or hold it back."""
        elapsed_s = self._clock() - self._started
        if progress.phase == self._phase and elapsed_s - self._published_s < SHORTEST_PAUSE_S:
            return
        self._phase, self._published_s = progress.phase, elapsed_s
        try:
            self._publish(Update(PROGRESS, progress_body(progress, elapsed_s)))
        except Exception:
            logger.exception("The progress of a plan was not published: %s", progress)


def progress_body(progress: Progress, elapsed_s: float) -> bytes:
    """Return progress as JSON: ``phase, incumbent, lower_bound, gap, elapsed_seconds``.

    Examples
    --------
    >>> progress_body(Progress("bounding", 2.0, None, None, 0.0), 1.5)
    b'{"phase":"bounding","incumbent":2.0,"lower_bound":null,"gap":null,"elapsed_seconds":1.5}'
    """
    return orjson.dumps(
        {
            "phase": progress.phase,
            "incumbent": progress.incumbent,
            "lower_bound": progress.lower_bound,
            "gap": progress.gap,
            "elapsed_seconds": elapsed_s,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
