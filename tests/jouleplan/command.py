"""The command `jouleplan`, run as a process, and the parsers that it leads to."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from commandline.verbs import APPLICATION_OF, SERVICE
from jouleplan.__main__ import PROGRAM
from profiler.cli import parser as profiler_parser
from service.__main__ import parser as service_parser

BIN = Path(sys.executable).parent
PARSERS = {"service": service_parser, "profiler": profiler_parser}


def jouleplan(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the console script, in lines of 200 columns."""
    return subprocess.run(
        [BIN / PROGRAM, *arguments],
        env=os.environ | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return what the application of a verb makes of arguments; SystemExit where it refuses."""
    is_service = APPLICATION_OF[arguments[0]] == SERVICE
    return (service_parser if is_service else profiler_parser)(PROGRAM).parse_args(arguments)


def verb_parsers(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Give the parser of each verb, and of each verb of a verb."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for parser in action.choices.values():
                yield parser
                yield from verb_parsers(parser)
