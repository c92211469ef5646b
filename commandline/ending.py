"""How a command ends: with which status, and with a sentence and no traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import NoReturn

from commandline.streams import OutputError, use_standard_streams

DONE, FAILED, BAD_INPUT = 0, 1, 2
INTERRUPTED = 128 + signal.SIGINT
"""The status that a shell reports of a program that SIGINT ended."""


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command as this process, and end the process with the status that it returns.

    The status is 0 where whoever reads standard output had enough, 1 where it cannot be written.
    Ctrl-C ends the process at once, without a word, but where `raising_on_interrupt` is in force.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    use_standard_streams()
    sys.exit(_status(main))


def _status(main: Callable[[], int]) -> int:
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except OutputError as error:
        if error.reason is None:
            return DONE
        return refuse(f"Standard output cannot be written: {error.reason}.", FAILED)
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED


@contextmanager
def raising_on_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at what would end the process while the block runs.

    For work that must be put in order before the process ends: at Ctrl-C, and at a polite SIGTERM
    or SIGHUP. A signal that whoever started the process lets it ignore stays ignored.
    """
    if current_thread() is not main_thread():
        # Signals are the main thread's to handle.
        yield
        return
    before = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(*sentences: str) -> None:
    """Write sentences on standard error, a line each."""
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")


def refuse(message: str, status: int = BAD_INPUT) -> int:
    """Say on standard error why the command does not do its work, and return its status."""
    say(f"error: {message}")
    return status
