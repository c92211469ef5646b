"""The query parameters of `POST /plan` with an OpenAI batch file as its body."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from service.calls.prompts.members import CHARACTERS_PER_TOKEN
from service.calls.schemas.fields import (
    MAX_SECONDS,
    WHOLE,
    OutputTokens,
    PlanLimits,
    Score,
)
from service.calls.schemas.names import LlmName, PoolName, matching, read_llm
from service.number_texts import seconds_of
from service.wording import COMMAND, QUERY, Spelling

ANY = "any"
QUERY_POINTER = "query"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?")
_LISTS = ("llms", "pools")
_REPEATED = (*_LISTS, "served_name")
_SECTIONS = {
    "objective": ("minimise", "zeta"),
    "constraints": tuple(PlanLimits.model_fields),
    "solver": ("time_limit_seconds", "relative_gap", "seed"),
}
_PLAIN = ("on_unplaceable", "allow_mixed_provenance")


@dataclass(frozen=True)
class TokenRule:
    """How the lines of an OpenAI batch are read.

    `characters_per_token` estimates a prompt's tokens; `output_tokens` stands where a line
    states no limit, and such a line is refused where it is None. `llms` may serve any line: all
    LLMs where empty; where None, the one that the line names, and any where it names none.
    `reports_others` sets lines of other endpoints aside, to be reported, instead of refusing
    them. `spelling` is how one who asks states these.
    """

    characters_per_token: float = CHARACTERS_PER_TOKEN
    output_tokens: int | None = None
    llms: tuple[str, ...] | None = None
    reports_others: bool = False
    spelling: Spelling = COMMAND


ServedName = Annotated[
    str,
    AfterValidator(matching(r"[^:\x00-\x1f]{1,256}:[^\x00-\x1f]{1,512}", "llm:name")),
]


class BatchQuery(PlanLimits):
    """What may be said of the plan of a batch file; each may be left out."""

    min_quality: Annotated[
        Score | None, Field(description="Least quality score of the LLM of each line, 0 to 1.")
    ] = None
    minimise: Annotated[
        Literal["energy", "carbon", "money"] | None, Field(description="What is least.")
    ] = None
    zeta: Annotated[
        float | None, Field(ge=0, le=1, description="Weight of the cost against quality, 0 to 1.")
    ] = None
    time_limit_seconds: Annotated[
        float | None,
        Field(ge=0.01, le=MAX_SECONDS, description="Time for solving [s], at least 0.01."),
    ] = None
    relative_gap: Annotated[
        float | None, Field(ge=0, le=1, description="Stop when the gap is at most this, 0 to 1.")
    ] = None
    seed: Annotated[
        int | None, Field(ge=0, le=2**31 - 1, description="Same call, same seed, same plan."), WHOLE
    ] = None
    on_unplaceable: Annotated[
        Literal["refuse", "report"] | None,
        Field(description="What to do about lines that fit no placement: `report` shards them."),
    ] = None
    allow_mixed_provenance: Annotated[
        bool | None, Field(description="Plan over cost models that were not measured alike.")
    ] = None
    llms: Annotated[
        list[LlmName] | None,
        Field(
            min_length=1,
            max_length=256,
            description="LLMs that may serve every line, joined by commas, whatever LLM a line "
            "names; `any` for any. Where left out, a line runs on the LLM that it names.",
        ),
    ] = None
    pools: Annotated[
        list[PoolName] | None,
        Field(
            min_length=1,
            max_length=256,
            description="Pools that may serve every line, joined by commas.",
        ),
    ] = None
    output_tokens: Annotated[
        OutputTokens | None,
        Field(description="Tokens of the answer where a line states no limit of it, an estimate."),
    ] = None
    characters_per_token: Annotated[
        float | None,
        Field(ge=0.1, le=1000, description="Of a prompt's text, to estimate its tokens; 4."),
    ] = None
    served_name: Annotated[
        list[ServedName] | None,
        Field(
            min_length=1,
            max_length=256,
            description="`llm:name`, once for each LLM: the name under which its server knows it.",
        ),
    ] = None

    def rule(self) -> TokenRule:
        """Return how the lines are to be read."""
        chosen = None if self.llms is None else tuple(self.llms)
        return TokenRule(
            self.characters_per_token or CHARACTERS_PER_TOKEN,
            self.output_tokens,
            () if chosen == (ANY,) else chosen,
            self.on_unplaceable == "report",
            QUERY,
        )

    def served_names(self) -> dict[str, str]:
        """Return LLM to the name that its server has."""
        return dict(parted(pair) for pair in self.served_name or ())

    def members(self) -> dict[str, Any]:
        """Return the same as members of a body of `POST /plan`."""
        given = self.model_dump(exclude_none=True)
        body: dict[str, Any] = {name: given[name] for name in _PLAIN if name in given}
        for section, names in _SECTIONS.items():
            body[section] = {name: given[name] for name in names if name in given}
        return body


def parted(pair: str) -> tuple[str, str]:
    """Return the LLM, in its normal form, and the name of a pair.

    Examples
    --------
    >>> parted("Qwen3-8B:Qwen/Qwen3-8B")
    ('qwen3-8b', 'Qwen/Qwen3-8B')
    """
    llm, _, name = pair.partition(":")
    return read_llm(llm), name


def query_pointer(pointer: str) -> str:
    """Return where in the query the member of a body stands; empty where nowhere.

    Examples
    --------
    >>> query_pointer("/constraints/deadline_seconds"), query_pointer("/columns/pools/3/0")
    ('/query/deadline_seconds', '/query/pools')
    >>> query_pointer("/columns/id/3")
    ''
    """
    parts = pointer.split("/")[1:]
    names = [part for part in parts[:2] if part in BatchQuery.model_fields]
    return f"/{QUERY_POINTER}/{names[-1]}" if names else ""


def typed(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, Any], list[str]]:
    """Return query parameters as the schema takes them, and the names that stand twice.

    Numbers and true and false are read as in JSON; what is none stays text, for the schema to
    refuse. Lengths of time may have units.

    Examples
    --------
    >>> typed([("zeta", "0.5"), ("llms", "a,b"), ("llms", "c"), ("seed", "x"), ("seed", "2")])
    ({'zeta': 0.5, 'llms': ['a', 'b', 'c'], 'seed': 2}, ['seed'])
    >>> typed([("deadline_seconds", "10m")])
    ({'deadline_seconds': 600.0}, [])
    """
    values: dict[str, Any] = {}
    repeated = []
    for name, text in pairs:
        if name in _REPEATED:
            values.setdefault(name, []).extend(text.split(",") if name in _LISTS else [text])
            continue
        if name in values:
            repeated.append(name)
        values[name] = _value(name, text)
    return values, repeated


def _value(name: str, text: str) -> Any:  # noqa: ANN401  of whatever JSON has
    if text in {"true", "false"}:
        return text == "true"
    if _NUMBER.fullmatch(text) is None:
        length_s = seconds_of(text) if name.endswith("_seconds") else None
        return text if length_s is None else length_s
    return int(text) if text.lstrip("-").isdecimal() else float(text)
