"""A thread that calls a reading in equal steps, for what has to be watched between two marks."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Sampler:
    """Calls a function every so often until it is stopped.

    Parameters
    ----------
    sample
        Called in a thread of its own; what it raises is kept and raised by `check`.
    period_s
        Seconds between two calls [s].
    """

    def __init__(self, sample: Callable[[], None], period_s: float) -> None:
        self._sample, self._period_s = sample, period_s
        self._stopping = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)

    def start(self) -> None:
        """Begin, with a first call in this thread."""
        self._sample()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; harmless twice, or before `start`."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self) -> None:
        """Raise what a call has raised."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while not self._stopping.wait(self._period_s):
            try:
                self._sample()
            except Exception as error:  # noqa: BLE001, RUF100 (kept for the caller's thread)
                self._error = error
                return
