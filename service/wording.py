"""Refusals in the words of this service: what was expected, what came, and what would mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.number_texts import NumberKind, ending

MAX_SHOWN = 60
"""Characters of a value that is quoted."""
MAX_BITS = 128
"""Bits of a whole number that is quoted: Python refuses to write thousands of digits."""

_EXPECTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "string_unicode": "text in UTF-8",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "greater_than": "a number above {gt:.15g}",
    "greater_than_equal": "at least {ge:.15g}",
    "less_than": "a number below {lt:.15g}",
    "less_than_equal": "at most {le:.15g}",
    "timezone_aware": "a moment with its zone",
    "recursion_loop": "nothing that holds itself",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "string_too_short": "a length of at least {min_length}",
    "string_too_long": "a length of at most {max_length}",
    "too_short": "a length of at least {min_length}",
    "too_long": "a length of at most {max_length}",
}
"""What was expected, by the type of an error, with what its context has."""
_NUMBERS: Mapping[str, NumberKind] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), NumberKind.COUNT),
    **dict.fromkeys(("float_type", "float_parsing"), NumberKind.OTHER),
}
"""Errors that a text in the place of a number makes."""
_SHARES = ("quality", "zeta", "gap", "confidence")
"""Ends of the names of what is between 0 and 1."""
_UNEXPECTED: Mapping[str, str] = {
    "missing": "Expected a value, got none.",
    "extra_forbidden": "Expected nothing of this name: it is not known here.",
}


def words_of_error(found: Mapping[str, Any]) -> str:
    """Return what pydantic says of one of `ValidationError.errors()`, in the words of this service.

    Its input is quoted where it is there: leave it out where it may be secret.

    Examples
    --------
    >>> words_of_error({"type": "value_error", "loc": ("a",), "msg": "Value error, Expected b."})
    'Expected b.'
    >>> words_of_error({"type": "new", "loc": ("a",), "msg": "Input should ^[a-z]", "input": 1})
    'Expected another value, got 1.'
    >>> words_of_error({"type": "int_type", "loc": ("seed",), "msg": "", "input": None})
    'Expected a whole number, got null.'
    >>> limits = {"type": "less_than_equal", "loc": (), "msg": "", "ctx": {"le": 10_000_000}}
    >>> words_of_error(limits), words_of_error({**limits, "input": 10**12})
    ('Expected at most 10000000.', 'Expected at most 10000000, got 1000000000000.')
    >>> ten = {"type": "float_type", "loc": ("deadline_seconds",), "msg": "", "input": "10m"}
    >>> words_of_error(ten)
    "Expected seconds as a number, got '10m': write 600."
    """
    kind = found["type"]
    if kind in _UNEXPECTED:
        return _UNEXPECTED[kind]
    if kind == "value_error":
        # Said by a schema of this service.
        return str(found["msg"]).removeprefix("Value error, ")
    expected = _EXPECTED.get(kind, "another value").format_map(found.get("ctx") or {})
    given = found.get("input")
    if isinstance(given, str) and kind in _NUMBERS:
        wanted = _wanted(found)
        if wanted is NumberKind.SECONDS:
            expected = f"seconds as {expected}"
        return f"Expected {expected}{_got(found, counted=False)}{ending(given, wanted)}"
    return f"Expected {expected}{_got(found, counted='_too_' in f'_{kind}')}."


def _wanted(found: Mapping[str, Any]) -> NumberKind:
    """Return what number belongs where the error is."""
    if _NUMBERS[found["type"]] is NumberKind.COUNT:
        return NumberKind.COUNT
    name = next((part for part in reversed(found["loc"]) if isinstance(part, str)), "")
    if name.endswith("seconds"):
        return NumberKind.SECONDS
    return NumberKind.SHARE if name.endswith(_SHARES) else NumberKind.OTHER


def _got(found: Mapping[str, Any], *, counted: bool) -> str:
    if "input" not in found:
        return ""
    given = found["input"]
    if counted and hasattr(given, "__len__"):
        return f", got {len(given)}"
    return f", got {shown_value(given)}"


def shown_value(value: object) -> str:
    """Return a value as JSON has it, cut where it is long; of lists and objects that they are."""
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, Mapping):
        return "an object"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return "one of far more digits"
    if isinstance(value, str):
        return repr(value if len(value) <= MAX_SHOWN else f"{value[:MAX_SHOWN]}...")
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


@dataclass(frozen=True)
class Spelling:
    """What options are called: in a body, in the query, or on the command line.

    Attributes
    ----------
    report
        The option to report what cannot be planned, and plan the rest.
    any_llm
        The option to let any LLM serve any line of a batch file.
    output_tokens
        The option of an estimate for lines that state no limit of their output.
    column
        The option to say which column of a table is meant; None where there is none.
    """

    report: str
    any_llm: str
    output_tokens: str
    column: str | None


BODY = Spelling('"on_unplaceable": "report"', '"llms": null', '"output_tokens"', None)
QUERY = Spelling("on_unplaceable=report", "llms=any", "output_tokens", None)
COMMAND = Spelling("--report-unplaceable", "--llms any", "--output-tokens", "--column")
