"""`python -m service`: serve, print the settings, plan a file, or keep API keys."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from commandline.ending import refuse, run

if TYPE_CHECKING:
    import argparse

    from commandline.parser import CommandParser

PROGRAM = "python -m service"
_PRINT_CONFIG = "print the settings as JSON and stop"
_SHOW_CURSOR = "\x1b[?25h"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Serve until the end is asked for, or do what another verb says.

    Returns
    -------
    int
        0 after serving, printing, planning or keeping keys, 1 where there is no plan or a new key
        cannot be shown, 2 where the settings or the input are wrong, or libraries are not
        installed.

    Raises
    ------
    OutputError
        If standard output cannot be written; `commandline.ending.run` ends the process with 1.
    """
    # A worker process imports this module before it does anything: it must stay light.
    from commandline.distribution import lacking  # noqa: PLC0415
    from commandline.verbs import SERVICE  # noqa: PLC0415

    given = sys.argv[1:] if arguments is None else list(arguments)
    needed = lacking(SERVICE, program, given)
    if needed is not None:
        return refuse(needed)
    options = parser(program).parse_args(given)
    if options.command == "keys":
        from service.cli.keys_command import keep_keys  # noqa: PLC0415

        return keep_keys(options)
    if options.command == "plan":
        return _plan(options)
    from service.serving import print_settings, read_settings, serve  # noqa: PLC0415

    settings = read_settings()
    if settings is None:
        return 2
    return print_settings(settings) if options.print_config else serve(settings)


def parser(program: str = PROGRAM) -> CommandParser:
    """Return what reads the arguments of the command, for a program started by that name."""
    from commandline.parser import CommandParser, PrintVersion  # noqa: PLC0415
    from service.cli.arguments import add_plan  # noqa: PLC0415
    from service.cli.keys_arguments import add_keys  # noqa: PLC0415

    top = CommandParser(prog=program, description="The planning service. Without a verb it serves.")
    top.add_argument("--version", action=PrintVersion)
    top.add_argument("--print-config", action="store_true", help=_PRINT_CONFIG)
    verbs = top.add_subparsers(dest="command", metavar="VERB")
    _add_serve(verbs)
    add_plan(verbs)
    add_keys(verbs)
    return top


def _add_serve(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    import argparse  # noqa: PLC0415

    parser = verbs.add_parser(
        "serve",
        help="answer calls over HTTP until told to stop",
        description="Answers calls over HTTP until SIGTERM or Ctrl-C. Settings are environment "
        "variables, logs go to standard error, and /docs documents the calls.",
        epilog="example:\n  JOULEPLAN_PORT=8081 %(prog)s\n\n"
        "Exit status: 0 after serving or printing; 2 where a setting is wrong;\n"
        "another where it could not start, such as on a port that is taken.",
    )
    # The default would take the place of the same option before the verb.
    parser.add_argument(
        "--print-config", action="store_true", default=argparse.SUPPRESS, help=_PRINT_CONFIG
    )


def _plan(options: argparse.Namespace) -> int:
    end_on_interrupt()
    from service.cli.plan_command import plan_file  # noqa: PLC0415
    from service.serving import read_settings  # noqa: PLC0415

    # A command listens nowhere, so where the service would is no matter.
    settings = read_settings(host="127.0.0.1")
    return 2 if settings is None else plan_file(options, settings)


def end_on_interrupt() -> None:
    """End this process by the first SIGINT from now on, with the cursor of its terminal shown.

    A thread that is in the solver would see to it only after the search. So the signal is kept
    from every thread, those that are started later included, and waited for by one. Where whoever
    started this process lets it ignore SIGINT, it goes on to do so.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    threading.Thread(target=_wait_for_interrupt, name="interrupt", daemon=True).start()


def _wait_for_interrupt() -> None:
    signal.sigwait({signal.SIGINT})
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), f"{_SHOW_CURSOR}\n".encode())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.raise_signal(signal.SIGINT)
    # Where a process is being started, the signal is held, and is sent again after that.
    threading.Event().wait()


def process() -> NoReturn:
    """Run the command line of this process, and end the process."""
    run(main)


if __name__ == "__main__":
    process()
