"""Which columns of a file are which of a batch: ours, those that are named, those of known traces.

Names are compared without regard to case, spaces, hyphens and underscores around their words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costmodel.nearest import listed, nearest, shown
from planner.result import PlanWarning
from service.calls.batch_files.batch_file import COLUMNS, BatchFileError
from service.wording import COMMAND, Spelling

NEEDED = ("input_tokens", "output_tokens")
_GAP = re.compile(r"[\s_-]+")
# What pandas calls the column of an index that was written without a name.
_UNNAMED = re.compile(r"(?:unnamed:_?\d+(?:_level_\d+)?|)")


@dataclass(frozen=True)
class Layout:
    """The columns of a kind of file that others write: theirs for each of ours, and unused ones."""

    title: str
    columns: Mapping[str, str]
    unused: tuple[str, ...] = ()


LAYOUTS = (
    Layout(
        "a trace of Azure's LLM inference",
        {"input_tokens": "ContextTokens", "output_tokens": "GeneratedTokens"},
        ("TIMESTAMP",),
    ),
    Layout(
        "a trace of BurstGPT",
        {"input_tokens": "Request tokens", "output_tokens": "Response tokens"},
        ("Timestamp", "Session ID", "Elapsed time", "Model", "Total tokens", "Log Type"),
    ),
    Layout(
        "a trace of Mooncake",
        {"input_tokens": "input_length", "output_tokens": "output_length"},
        ("timestamp", "hash_ids"),
    ),
    Layout(
        "usage as OpenAI's API tells it",
        {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"},
        ("total_tokens",),
    ),
)
"""Azure: 2023 and 2024, github.com/Azure/AzurePublicDataset. BurstGPT: github.com/HPMLL/BurstGPT.
Mooncake: github.com/kvcache-ai/Mooncake, traces of FAST '25."""


@dataclass(frozen=True)
class RecognisedColumns:
    """The columns of a file that a batch takes.

    `origin` has the index of the file's column for each of ours. `layout` is None for our own
    columns and for those that the caller named. `unnamed` columns have no name: a written
    index, as a rule.
    """

    origin: Mapping[str, int]
    layout: Layout | None
    unnamed: tuple[int, ...]
    warnings: tuple[PlanWarning, ...]


def canonical(name: str) -> str:
    """Return a column's name as it is compared.

    Examples
    --------
    >>> canonical(" Request tokens"), canonical("INPUT-TOKENS")
    ('request_tokens', 'input_tokens')
    """
    return _GAP.sub("_", name.strip().lower())


def recognise(
    names: Sequence[str], renamed: Mapping[str, str], spelling: Spelling = COMMAND
) -> RecognisedColumns:
    """Return which columns of a file are which of a batch.

    `renamed` has their column for each of ours that the caller named, and `spelling` how the
    caller would name one. A BatchFileError is raised where a column is unknown, missing or
    there twice.
    """
    keys = [canonical(name) for name in names]
    unnamed = tuple(index for index, key in enumerate(keys) if _UNNAMED.fullmatch(key))
    origin = {ours: _named(ours, theirs, names) for ours, theirs in renamed.items()}
    left = [i for i in range(len(names)) if i not in unnamed and i not in origin.values()]
    at = {keys[index]: index for index in reversed(left)}
    twice = [names[index] for index in left if at[keys[index]] != index]
    if twice:
        raise BatchFileError(f"Expected each column once, got {listed(list(map(shown, twice)))}.")
    origin |= {ours: at[ours] for ours in COLUMNS if ours in at and ours not in origin}
    layout = None if set(NEEDED) & set(origin) else _layout(at)
    if layout is not None:
        origin |= {ours: at[canonical(theirs)] for ours, theirs in layout.columns.items()}
    rest = [index for index in left if index not in origin.values()]
    _check(names, origin, [] if renamed or layout is not None else rest, spelling)
    return RecognisedColumns(origin, layout, unnamed, tuple(_warnings(names, layout, rest)))


def known_count(names: Sequence[str], renamed: Mapping[str, str]) -> int:
    """Return how many of some names are columns that are known: the more, the better they fit."""
    known = {*COLUMNS, *map(canonical, renamed.values())}
    for layout in LAYOUTS:
        known |= {canonical(name) for name in (*layout.columns.values(), *layout.unused)}
    return len(known & {canonical(name) for name in names})


def _named(ours: str, theirs: str, names: Sequence[str]) -> int:
    """Return the index of the column that the caller named."""
    if ours not in COLUMNS:
        raise BatchFileError(
            f"Expected --column with one of {', '.join(COLUMNS)}, got {shown(ours)}."
        )
    if theirs in names:
        return names.index(theirs)
    alike = [i for i, name in enumerate(names) if canonical(name) == canonical(theirs)]
    if len(alike) == 1:
        return alike[0]
    near = nearest(theirs, names, 1)
    hint = f" Nearest: {shown(near[0])}." if near else ""
    got = listed([shown(name) for name in names]) or "none"
    raise BatchFileError(f"Expected a column {shown(theirs)} for {ours}, got {got}.{hint}")


def _layout(at: Mapping[str, int]) -> Layout | None:
    return next(
        (one for one in LAYOUTS if all(canonical(name) in at for name in one.columns.values())),
        None,
    )


def _check(
    names: Sequence[str], origin: Mapping[str, int], unknown: Sequence[int], spelling: Spelling
) -> None:
    got = listed([shown(name) for name in names]) or "none"
    option = spelling.column
    for needed in NEEDED:
        if needed not in origin:
            hint = f"Say which it is with {option} {needed}=THEIRS." if option else "Rename it."
            raise BatchFileError(f"Expected a column {needed}, got {got}. {hint}")
    if unknown:
        got = listed([shown(names[index]) for index in unknown])
        hint = (
            f"With {option} OURS=THEIRS for those that are meant, others are left out."
            if option
            else "Rename those that are meant, and leave the others out."
        )
        raise BatchFileError(f"Expected columns out of {', '.join(COLUMNS)}, got {got}. {hint}")


def _warnings(
    names: Sequence[str], layout: Layout | None, rest: Sequence[int]
) -> Sequence[PlanWarning]:
    warnings = []
    unused = [shown(names[index]) for index in rest]
    if layout is not None:
        message = f"Read as {layout.title}: " + ", ".join(
            f"{ours} from {theirs}" for ours, theirs in layout.columns.items()
        )
        message += "; a plan places all requests at once, whenever they came."
        warnings.append(PlanWarning("columns_recognised", message))
    if unused:
        warnings.append(PlanWarning("columns_not_used", f"Not used: {listed(unused)}."))
    return warnings
