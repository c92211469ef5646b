"""The arguments of the verb `keys`."""

from __future__ import annotations

import argparse
import os

from commandline.parser import CommandParser, number, path, whole_number

_LIMITS = (
    (
        "--requests-per-second",
        number,
        "RATE",
        "calls that the key may make in a second on average; default: no limit",
    ),
    (
        "--burst",
        whole_number,
        "N",
        "calls that the key may make at once after a pause; default: those of one second",
    ),
    (
        "--max-concurrent",
        whole_number,
        "N",
        "calls of the key that may run at a time; default: no limit",
    ),
    (
        "--scopes",
        str,
        "SCOPES",
        "what the key may do: read, plan and policy, joined by commas; default: all",
    ),
    ("--owner", str, "NAME", "whose plans the key makes and sees; default: the name of the key"),
    ("--expires-in-days", number, "DAYS", "days after which the key is refused; default: never"),
)


def add_keys(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    """Add the verb ``keys``, with verbs of its own."""
    parser = verbs.add_parser(
        "keys",
        help="add, list or remove API keys of the service",
        description="Changes the file of API keys. A running service takes the change over.",
        epilog="example:\n  %(prog)s add gateway --file keys.yaml --requests-per-second 50\n\n"
        "Exit status: 0 when it is done; 2 where the file or an argument is refused.",
    )
    own = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_add(own)
    _add_list(own)
    _add_remove(own)


def _add_add(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    parser = verbs.add_parser(
        "add",
        help="make a key and print it once",
        description="Makes a key and prints it once. The file keeps only its hash.",
        epilog="example:\n  %(prog)s nightly --file keys.yaml --scopes plan --expires-in-days 90",
    )
    parser.add_argument(
        "name", metavar="NAME", help="name of the key, for logs: letters, digits, _ and -"
    )
    for flag, kind, metavar, text in _LIMITS:
        parser.add_argument(flag, type=kind, metavar=metavar, help=text)
    _add_file(parser)


def _add_list(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    parser = verbs.add_parser(
        "list",
        help="print the names and limits of all keys",
        description="Prints the names, limits, expiry, scopes and owners of all keys.",
        epilog="example:\n  %(prog)s --file keys.yaml",
    )
    _add_file(parser)


def _add_remove(verbs: argparse._SubParsersAction[CommandParser]) -> None:
    parser = verbs.add_parser(
        "remove",
        help="remove a key, which is refused from then on",
        description="Removes a key. A running service refuses it from then on.",
        epilog="example:\n  %(prog)s gateway --file keys.yaml",
    )
    parser.add_argument("name", metavar="NAME", help="name of the key")
    _add_file(parser)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--file",
        type=path,
        metavar="FILE",
        default=os.environ.get("JOULEPLAN_API_KEYS_FILE") or None,
        help="the file of keys; default: JOULEPLAN_API_KEYS_FILE of the environment",
    )
