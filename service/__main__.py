"""`python -m service`: serve, print the settings, plan a file, or keep API keys."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from service.cli.arguments import add_keys_arguments, add_plan_arguments
from service.cli.interrupts import end_on_interrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop.

    Returns
    -------
    int
        0 after serving, printing, planning or keeping keys, 1 where there is no plan, 2 where the
        settings or the input are wrong.
    """
    options = parser().parse_args(arguments)
    if options.command == "keys":
        from service.cli.keys_command import keep_keys  # noqa: PLC0415

        return keep_keys(options)
    if options.command == "plan":
        return _plan(options)
    # A worker process imports this module before it does anything: it must stay light.
    from service.serving import print_settings, read_settings, serve  # noqa: PLC0415

    settings = read_settings()
    if settings is None:
        return 2
    return print_settings(settings) if options.print_config else serve(settings)


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments of the command."""
    top = argparse.ArgumentParser(
        allow_abbrev=False, prog="python -m service", description="The planning service."
    )
    top.add_argument("--print-config", action="store_true", help="print the settings and stop")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    add_plan_arguments(
        commands.add_parser("plan", allow_abbrev=False, help="plan a file, without a server")
    )
    add_keys_arguments(
        commands.add_parser("keys", allow_abbrev=False, help="add, list or remove API keys")
    )
    return top


def _plan(options: argparse.Namespace) -> int:
    end_on_interrupt()
    from service.cli.plan_command import plan_file  # noqa: PLC0415
    from service.serving import read_settings  # noqa: PLC0415

    # A command listens nowhere, so where the service would is no matter.
    settings = read_settings(host="127.0.0.1")
    return 2 if settings is None else plan_file(options, settings)


if __name__ == "__main__":
    sys.exit(main())
