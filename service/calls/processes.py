"""How processes are started that a terminal's Ctrl-C does not reach."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from threading import current_thread, main_thread


def start_shielded(process: BaseProcess) -> None:
    """Start a process from which SIGINT is kept.

    A terminal sends it to all processes of a command, those too that are importing yet and have no
    words for it. It is for the one that started them to end them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        with _interrupts_held():
            # To start what comes with the first process lets the signal through in this thread.
            resource_tracker.ensure_running()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let a SIGINT wait for the end of the block: a process that is half told what to do fails."""
    if current_thread() is not main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            # Of the process, as it came: who waits for it may be another thread.
            os.kill(os.getpid(), signal.SIGINT)
