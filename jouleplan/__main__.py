"""`jouleplan VERB`: give the arguments to the application that has the verb.

Neither application is imported before it is known which one is asked for, so that each runs where
only its own extra is installed, and starts without the other's libraries.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from commandline.ending import BAD_INPUT, DONE, refuse, run

PROGRAM = "jouleplan"
_HELP = ("-h", "--help")
_OPTIONS = ("--help", "--version")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb of the given arguments, without the program's name, and return its exit status.

    The status is 0 after the overview or the version was asked for; 2 where no verb or an
    unknown one is given, or where the libraries of the verb are not installed.
    """
    from commandline.verbs import APPLICATION_OF, SERVICE, overview  # noqa: PLC0415

    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given:
        sys.stderr.write(overview())
        return BAD_INPUT
    verb = given[0]
    if verb in _HELP:
        sys.stdout.write(overview())
        return DONE
    if verb == "--version":
        from commandline.parser import version_line  # noqa: PLC0415

        sys.stdout.write(version_line())
        return DONE
    if verb not in APPLICATION_OF:
        from commandline.parser import expected_one_of  # noqa: PLC0415

        known = [*APPLICATION_OF, *_OPTIONS] if verb.startswith("-") else APPLICATION_OF
        return refuse(f"{expected_one_of(known, verb)}\n{PROGRAM} --help says what each does.")
    if APPLICATION_OF[verb] == SERVICE:
        from service.__main__ import main as run_verb  # noqa: PLC0415
    else:
        from profiler.__main__ import main as run_verb  # noqa: PLC0415
    return run_verb(given, PROGRAM)


def process() -> NoReturn:
    """Run the command line of this process, and end the process."""
    run(main)


if __name__ == "__main__":
    process()
