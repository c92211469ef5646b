"""Ctrl-C that ends the program at once, whatever the solver is doing.

While it searches, the solver takes SIGINT for itself and ends only its search. So the signal is
kept from every thread and waited for by one.
"""

from __future__ import annotations

import os
import signal
import sys
from threading import Thread

INTERRUPTED = 130
"""What a shell reports of a program that SIGINT ended: 128 + 2."""
_SHOW_CURSOR = "\x1b[?25h"


def end_on_interrupt() -> None:
    """End this process with status 130 at the first SIGINT from now on.

    Threads that are started later do not see the signal either: call it before any is.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    Thread(target=_wait, name="interrupt", daemon=True).start()


def _wait() -> None:
    signal.sigwait({signal.SIGINT})
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), f"{_SHOW_CURSOR}\n".encode())
    os._exit(INTERRUPTED)
