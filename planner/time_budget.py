"""The time that planning may take: its only clock."""

from __future__ import annotations

import time


class TimeBudget:
    """Counts down from a number of seconds, and remembers whether anything was cut short.

    As long as nothing was found the budget is `extended_s`, if larger; `end_extension` ends that.
    """

    def __init__(self, seconds: float, extended_s: float = 0.0) -> None:
        self._start = time.perf_counter()
        self._seconds, self._until_s = seconds, max(seconds, extended_s)
        self.cut = False

    def end_extension(self) -> None:
        """Go back to the first number of seconds, which is all that a better plan is worth."""
        self._until_s = self._seconds

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    @property
    def left_s(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._until_s - self.elapsed_s)

    def spent(self) -> bool:
        """Whether no time is left; if so, work is cut short and the answer will say so."""
        if self.left_s == 0.0:
            self.cut = True
        return self.cut
