"""Words that no message to a caller or an operator may have: those of a library or a language."""

from __future__ import annotations

import re

NOT_PLAIN = re.compile(
    r"""
    Value\ error | Assertion\ failed | Input\ should | Traceback | pydantic | NoneType
    | \b(?:dict|str|int|float|bool|tuple|ndarray|dtype)\b | <class | object\ at\ 0x
    | \b[A-Z]\w*(?:Error|Exception|Spec|Schema)\b                     # names of classes
    | \\[wdsbB] | \(\? | \[(?:\^|A-Z|a-z|0-9) | \{\d+,\d*\} | \$(?:\W|$)  # regular expressions
    """,
    re.VERBOSE,
)


def foreign_words(text: str) -> str | None:
    """Return what of a message is a regular expression, a type, a class or a library's phrase."""
    found = NOT_PLAIN.search(text)
    return None if found is None else found[0]
