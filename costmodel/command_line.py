"""What the command lines of both applications are made of."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from textwrap import fill
from typing import Any

WIDTH = 78
"""Columns of a line of text, as argparse has them on a terminal of 80."""


def run_for_a_reader(command: Callable[[], int]) -> int:
    """Run a command and return its status, 0 where whoever reads standard output had enough.

    What is printed is flushed here, help and versions included: the interpreter complains when it
    flushes to a closed pipe at exit.
    """
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class VerbParser(argparse.ArgumentParser):
    """The parser of one verb.

    It refuses unknown options with the verb's own usage, and prints the epilog as it is written:
    argparse leaves unknown options to the parser that chose the verb, which then prints a usage
    that has none of the verb's options. It also wraps epilogs, examples of commands among them.
    """

    def __init__(self, *, description: str, **settings: Any) -> None:  # noqa: ANN401  argparse's
        super().__init__(
            description=fill(description, WIDTH),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **settings,
        )

    def parse_known_args(
        self,
        args: Iterable[str] | None = None,
        namespace: Any = None,  # noqa: ANN401  argparse's
    ) -> tuple[Any, list[str]]:
        """Parse arguments; end the process with status 2 where some are unknown."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            # What follows an unknown option shifts the other words: they are not to blame.
            options = [word for word in unknown if word.startswith("-")]
            self.error(f"unrecognized arguments: {' '.join(options or unknown)}")
        return parsed, unknown


def number(text: str) -> float:
    """Return the number that an option is given.

    Raises
    ------
    ArgumentTypeError
        If the text is no number.
    """
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r:.60}") from None


def whole_number(text: str) -> int:
    """Return the whole number that an option is given.

    Raises
    ------
    ArgumentTypeError
        If the text is no whole number, or one of thousands of digits.
    """
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r:.60}") from None
