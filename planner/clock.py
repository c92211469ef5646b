"""The solver's clock: the only one in planning."""

from __future__ import annotations

import time


class Deadline:
    """Counts down from a number of seconds, and remembers whether anything was cut short.

    Parameters
    ----------
    seconds
        Until the time is up.
    at_most_s
        Until it is up as long as nobody has called `settle`; not sooner than `seconds`.
    """

    def __init__(self, seconds: float, at_most_s: float = 0.0) -> None:
        self._start = time.perf_counter()
        self._seconds, self._until_s = seconds, max(seconds, at_most_s)
        self.cut = False

    def settle(self) -> None:
        """Something was found: no more than the first number of seconds is worth it."""
        self._until_s = self._seconds

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    @property
    def left_s(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._until_s - self.elapsed_s)

    def passed(self) -> bool:
        """Whether no time is left; if so, work is cut short and the answer will say so."""
        if self.left_s == 0.0:
            self.cut = True
        return self.cut
