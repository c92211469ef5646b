"""`python -m profiler`: results on standard output, all else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from commandline.ending import refuse, run
from commandline.verbs import PROFILER

PROGRAM = f"python -m {PROFILER}"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run one verb.

    Parameters
    ----------
    arguments
        Without the program's name; None for those of the process.
    program
        How the command was started, for the usage.

    Returns
    -------
    int
        0 when it did its work, whatever the errors found; 2 on bad input, or where libraries are
        not installed.

    Raises
    ------
    OutputError
        If standard output cannot be written; `commandline.ending.run` ends the process with 1.
    KeyboardInterrupt
        If Ctrl-C, SIGTERM or SIGHUP came; all is put in order, and the process is to end by it.
    """
    from commandline.distribution import lacking  # noqa: PLC0415

    given = sys.argv[1:] if arguments is None else list(arguments)
    needed = lacking(PROFILER, program, given)
    if needed is not None:
        return refuse(needed)
    from profiler.cli import run_verb  # noqa: PLC0415

    return run_verb(given, program)


def process() -> NoReturn:
    """Run the command line of this process, and end the process."""
    run(main)


if __name__ == "__main__":
    process()
