"""Names in bodies: as people write them, and in their normal form from here on.

A name that has no normal form stays as it was written. Nothing of a fleet is called so, and whoever
knows the fleet refuses it with the names that would do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from costmodel.errors import NameRefusedError
from costmodel.names import device_named, llm_name
from costmodel.nearest import shown

MAX_WRITTEN = 256
"""Characters of a name as people write it: longer than a normal one by where it was published."""

Value = TypeVar("Value")


@lru_cache(maxsize=4096)
def read_llm(written: str) -> str:
    """Return the normal form of an LLM's name; the name as written where it has none.

    Examples
    --------
    >>> read_llm("meta-llama/Llama-3.1-8B-Instruct"), read_llm("llama3.1:8b")
    ('llama-3.1-8b-instruct', 'llama3.1:8b')
    """
    try:
        return llm_name(written)
    except NameRefusedError:
        return written


def has_normal_form(name: str) -> bool:
    """Say whether an LLM's name, as `read_llm` returned it, is in its normal form."""
    try:
        return llm_name(name) == name
    except NameRefusedError:
        return False


def read_device(written: str) -> str:
    """Return the normal form of a device's name; the name as written where it has none.

    Examples
    --------
    >>> read_device("1xH100"), read_device("a fast one!")
    ('1xh100', 'a fast one!')
    """
    try:
        return device_named(written)
    except NameRefusedError:
        return written


class ByLlm(dict[str, Value]):
    """Values by the normal name of each LLM; `written` has each name as the caller wrote it."""

    def __init__(self, values: Mapping[str, Value] | Iterable[tuple[str, Value]] = ()) -> None:
        super().__init__()
        self.written: dict[str, str] = {}
        for written, value in dict(values).items():
            name = read_llm(written)
            if name in self:
                raise ValueError(
                    f"Expected each LLM once, got {shown(self.written[name])} and "
                    f"{shown(written)}, which are both {name}."
                )
            self[name], self.written[name] = value, written


def as_written(values: Mapping[str, object], name: str) -> str:
    """Return how the caller wrote a name of a mapping, which is what a pointer to it says.

    Examples
    --------
    >>> as_written(ByLlm({"Qwen/Qwen3-8B": 0.5}), "qwen3-8b")
    'Qwen/Qwen3-8B'
    """
    return values.written.get(name, name) if isinstance(values, ByLlm) else name


def matching(pattern: str, expected: str) -> Callable[[str], str]:
    """Return what refuses text that does not match, in words: nobody is shown a pattern."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(f"Expected {expected}, got {shown(text)}.")
        return text

    return check


WrittenName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_WRITTEN,
        description="Name of an LLM: the published name, in any case, with its organisation or "
        "without; answers say it after its last `/`, in lower case.",
        examples=["llama-2-7b-chat"],
    ),
]
LlmName = Annotated[WrittenName, AfterValidator(read_llm)]

_POOL = r"[A-Za-z0-9._-]+"
PoolName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="Name of a pool of the fleet.",
        examples=["a100"],
        json_schema_extra={"pattern": f"^{_POOL}$"},
    ),
    AfterValidator(matching(_POOL, "a name of letters, digits, '.', '_' and '-'")),
]
DeviceName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_WRITTEN,
        description="A kind of accelerator set that runs one LLM replica, in any case; answers say "
        "it in lower case.",
        examples=["1xa100-sxm4-40gb"],
    ),
    AfterValidator(read_device),
]
