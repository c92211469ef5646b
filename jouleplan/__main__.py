"""`jouleplan VERB`: give the arguments to the application that has the verb.

Neither application is imported before it is known which one is asked for, so that each runs where
only its own extra is installed, and starts without the other's libraries.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from jouleplan.verbs import APPLICATION_OF, SERVICE, overview

PROGRAM = "jouleplan"
BAD_INPUT = 2
_HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb of the given arguments, without the program's name, and return its exit status.

    The status is 0 after the overview or the version was asked for; 2 where no verb or an
    unknown one is given, or where the libraries of the verb are not installed.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given:
        return _refuse(overview())
    verb = given[0]
    if verb in _HELP:
        return _print(overview())
    if verb == "--version":
        from service.environment import running_version  # noqa: PLC0415

        return _print(f"{PROGRAM} {running_version()}\n")
    if verb not in APPLICATION_OF:
        return _refuse(_unknown(verb))
    return _run(APPLICATION_OF[verb], given)


def _run(application: str, arguments: Sequence[str]) -> int:
    from jouleplan.extras import missing  # noqa: PLC0415

    # The help needs none of the libraries, and tells whether they are worth installing.
    if not set(_HELP) & set(arguments) and (absent := missing(application)):
        return _refuse(
            f"error: {PROGRAM} {arguments[0]} needs libraries that are not installed: "
            f"{', '.join(absent)}.\nInstall them: pip install '{PROGRAM}[{application}]' "
            "(in a checkout: make setup)\n"
        )
    if application == SERVICE:
        from service.__main__ import main as run  # noqa: PLC0415
    else:
        from profiler.cli import main as run  # noqa: PLC0415
    return run(arguments, PROGRAM)


def _unknown(verb: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(verb.lower(), APPLICATION_OF, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return (
        f"error: Expected a verb, got {verb!r:.100}.{hint}\n"
        f"{PROGRAM} --help lists the verbs: {', '.join(APPLICATION_OF)}.\n"
    )


def _print(words: str) -> int:
    try:
        sys.stdout.write(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader had enough; the interpreter would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _refuse(words: str) -> int:
    sys.stderr.write(words)
    return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
