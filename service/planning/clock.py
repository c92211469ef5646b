"""The solver's clock: the only one in planning."""

from __future__ import annotations

import time


class Deadline:
    """Counts down from a number of seconds, and remembers whether anything was cut short."""

    def __init__(self, seconds: float) -> None:
        self._start = time.perf_counter()
        self._seconds = seconds
        self.cut = False

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    @property
    def left_s(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._seconds - self.elapsed_s)

    def passed(self) -> bool:
        """Whether no time is left; if so, work is cut short and the answer will say so."""
        if self.left_s == 0.0:
            self.cut = True
        return self.cut
