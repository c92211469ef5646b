"""Work that ends when its time is up, wherever it is: in the middle of an array, if need be.

A check between two steps comes too late where a step takes seconds, and how long one takes depends
on what is in the body. So a second thread watches the clock and sends the first a signal, whose
handler raises. Work that can be cut keeps what it has found where a single assignment puts it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from planner.time_budget import TimeBudget

SIGNAL = signal.SIGURG
"""A signal that means nothing where nobody waits for it: one that comes late does no harm."""
MAX_SIGNALS = 20
REPEAT_S = 0.25
"""An exception that is raised while an object is destroyed is lost, and is raised again."""

GRACE_SHARE, GRACE_S = 0.05, 0.2
"""Share of a limit, and seconds, after it in which work that looks at the clock ends by itself."""

Found = TypeVar("Found")
Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class TimeIsUpError(BaseException):
    """Raised in the middle of work whose time is up; never leaves `run_within`.

    No `Exception`, so that nothing on the way takes it for a failure of what it called.
    """


def run_within(budget: TimeBudget, work: Callable[[], Found]) -> Found | None:
    """Return what `work` returns; None, and the budget is marked as cut, where its time ran out.

    Work runs in this thread; whatever it calls in C goes on until it returns. May be used within
    itself: the inner work ends with the outer budget too.
    """
    interruption = _Interruption(budget.left_s)
    try:
        try:
            interruption.arm()
            return work()
        finally:
            interruption.disarm()
    except TimeIsUpError:
        interruption.disarm()
        if not budget.spent():
            raise
        return None


def with_grace(seconds: float) -> TimeBudget:
    """Return the time at which work is cut that has so many seconds: somewhat more.

    Most work looks at the clock between its steps and then ends with something to show.
    """
    return TimeBudget((1.0 + GRACE_SHARE) * seconds + GRACE_S)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Cut nothing within, only right after it: for what must not be left half done.

    Half a message in a pipe spoils all that follow, and a library in C that called back may not
    survive an exception. What is within must be short, or have a limit of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _held.depth += 1
    try:
        yield
    finally:
        _held.depth -= 1
        if _held.due and not _held.depth:
            _held.due = False
            signal.raise_signal(SIGNAL)


@dataclass
class _Held:
    """How deep the main thread is in what must not be cut, and whether a cut waits for its end."""

    depth: int = 0
    due: bool = False


_held = _Held()


class _Interruption:
    """Raises `TimeIsUpError` in the main thread once some seconds have passed, unless disarmed.

    In other threads nothing can be raised, and work ends where it looks at the clock by itself.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds
        self._over = threading.Event()
        self._disarmed = False
        self._armed = False
        self._before: Handler = None

    def arm(self) -> None:
        main = threading.main_thread()
        if threading.current_thread() is main:
            self._before = signal.signal(SIGNAL, self._on_signal)
            self._armed = True
            threading.Thread(
                target=self._signal_when_due, args=(main.ident,), name="time-limit", daemon=True
            ).start()

    def disarm(self) -> None:
        # First, for a cut that struck within the event would leave its lock taken for ever.
        self._disarmed = True
        self._over.set()
        if self._armed:
            self._armed = False
            signal.signal(SIGNAL, self._before)

    def _signal_when_due(self, thread: int) -> None:
        pause_s = self._end - time.perf_counter()
        for _ in range(MAX_SIGNALS):
            if self._over.wait(max(0.0, pause_s)):
                return
            signal.pthread_kill(thread, SIGNAL)
            pause_s = REPEAT_S

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if _held.depth:
            _held.due = True
            return
        if not self._disarmed and time.perf_counter() >= self._end:
            raise TimeIsUpError
        if callable(self._before):
            self._before(number, frame)
