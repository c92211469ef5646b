"""The arguments of commands: refused in words, with what was probably meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, NoReturn

from commandline.distribution import NAME, running_version
from commandline.ending import refuse

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

WIDTH = 78
"""Columns of a line of text, as argparse has them on a terminal of 80."""


def expected_one_of(known: Iterable[str], given: str) -> str:
    """Return the refusal of a word that is not among those that are known.

    Examples
    --------
    >>> expected_one_of(["plan", "serve"], "Plna")
    "Expected plan, serve, got 'Plna'. Did you mean plan?"
    >>> expected_one_of(["plan", "serve"], "dance")
    "Expected plan, serve, got 'dance'."
    """
    words = list(known)
    return f"Expected {', '.join(words)}, got {given!r:.100}.{_hint(given, words)}"


def _hint(given: str, known: Iterable[str]) -> str:
    near = get_close_matches(given.lower(), known, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _is_option(word: str) -> bool:
    """Return whether argparse takes a word for an option: no number, and nothing with a blank."""
    if len(word) < 2 or not word.startswith("-") or " " in word:
        return False
    try:
        float(word)
    except ValueError:
        return True
    return False


class CommandParser(argparse.ArgumentParser):
    """The parser of a command, or of one verb of it.

    What argparse does otherwise: it leaves unknown options to the parser that chose the verb, whose
    usage has none of the verb's options; wraps epilogs, examples of commands among them; begins
    each refusal with another name; takes options that are cut short; and says nothing where help
    cannot be printed.
    """

    def __init__(self, *, description: str, **settings: Any) -> None:  # noqa: ANN401  argparse's
        super().__init__(
            allow_abbrev=False,
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
        words = sys.argv[1:] if args is None else list(args)
        # What follows an unknown option shifts the other words: they are not to blame.
        self._refuse_unknown(self._unknown_options(words))
        parsed, unknown = super().parse_known_args(words, namespace)
        self._refuse_unknown(unknown)
        return parsed, unknown

    def _unknown_options(self, words: Sequence[str]) -> list[str]:
        """Return the options that this parser has not; none where it is asked for help."""
        own = list(takewhile(lambda word: word != "--", words))
        if self._subparsers is not None:
            # From the verb on, it is the verb's parser that knows.
            own = list(takewhile(_is_option, own))
        if {"-h", "--help"} & set(own):
            return []
        known = self._option_string_actions
        return [
            word
            for word in own
            if _is_option(word) and word.partition("=")[0] not in known and word[:2] not in known
        ]

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        if words:
            hint = _hint(words[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(words)}.{hint}")

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong; end the process with status 2."""
        self.print_usage(sys.stderr)
        self.exit(refuse(message))

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401  argparse's
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, expected_one_of(action.choices, value))

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        (sys.stderr if file is None else file).write(message)


class PrintVersion(argparse.Action):
    """An option that prints the version and ends the process."""

    def __init__(self, option_strings: list[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and stop")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it."""
        sys.stdout.write(version_line())
        parser.exit()


def version_line() -> str:
    """Return the line that says which version runs."""
    return f"{NAME} {running_version()}\n"


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


def path(text: str) -> Path:
    """Return the path that an option is given.

    Raises
    ------
    ArgumentTypeError
        If the text is empty, as a variable that is not set leaves it.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got an empty text")
    return Path(text)


def file_path(text: str) -> Path:
    """Return the path of a file to write, that an option is given.

    Raises
    ------
    ArgumentTypeError
        If the text is empty or ends on no name, as ``.`` and ``..`` do.
    """
    found = path(text)
    if found.name in {"", ".."} or text.endswith("/"):
        raise argparse.ArgumentTypeError(f"expected the path of a file, got {text!r:.100}")
    return found
