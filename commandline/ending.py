"""How a command ends: with which status, and with a sentence and no traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn

from commandline.streams import OutputError, use_standard_streams

DONE, FAILED, BAD_INPUT = 0, 1, 2


class Terminated(KeyboardInterrupt):
    """A signal other than SIGINT asks the process to end; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = signal.Signals(number)


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command as this process, and end the process with the status that it returns.

    The status is 0 where whoever reads standard output had enough, 1 where it cannot be written.
    Ctrl-C ends the process at once, without a word, but where `raising_on_interrupt` is in force.
    The process then ends by the signal itself all the same: a shell reports 130, 143 or 129 of it,
    and a loop in a script ends with it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    use_standard_streams()
    try:
        sys.exit(_status(main))
    except KeyboardInterrupt as interrupt:
        number, words = signal.SIGINT, "interrupted"
        if isinstance(interrupt, Terminated):
            number = interrupt.number
            words = f"ended by {number.name}"
        say("; ".join([words, *getattr(interrupt, "__notes__", ())]))
        _end_by(number)


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


def _end_by(number: signal.Signals) -> NoReturn:
    """End this process by a signal, as if nobody had caught it."""
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.raise_signal(number)
    raise AssertionError(number)


@contextmanager
def raising_on_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at what would end the process while the block runs.

    For work that must be put in order before the process ends: at Ctrl-C, and at a polite SIGTERM
    or SIGHUP, of which `Terminated` says which one came. A signal that whoever started the process
    lets it ignore stays ignored.
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
                # Of its own handler asyncio knows that its loops may take the place.
                own = signal.default_int_handler if number == signal.SIGINT else _terminate
                signal.signal(number, own)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    raise Terminated(number)


def say(*sentences: str) -> None:
    """Write sentences on standard error, a line each."""
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")


def refuse(message: str, status: int = BAD_INPUT) -> int:
    """Say on standard error why the command does not do its work, and return its status."""
    say(f"error: {message}")
    return status
