"""Tokens as calls state them, of prompts and of answers, as the workload that the planner takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any

import numpy as np

from costmodel.arrays import IntArray
from costmodel.output_lengths import OutputLengths
from costmodel.prompt_lengths import PromptLengths
from costmodel.workload import Workload


def _to_array(values: Sequence[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def lengths_of(
    stated: Sequence[Any], to_array: Callable[[list[Any]], IntArray] = _to_array
) -> tuple[IntArray, PromptLengths | None]:
    """Return the input tokens of requests, shape (n,), and their prompts where some hold several.

    `stated` has for each request the tokens of its prompt, or a list of those of its prompts,
    not empty. `to_array` makes an array, shape (m,), of numbers, and raises where it finds
    others.

    Examples
    --------
    >>> lengths_of([3, [5, 7]])[0].tolist()
    [3, 12]
    """
    if list not in set(map(type, stated)):
        return to_array(list(stated)), None
    # An empty list is no number, which `to_array` sees to.
    listed = [(one or [None]) if isinstance(one, list) else [one] for one in stated]
    lengths = to_array(list(itertools.chain.from_iterable(listed)))
    return from_lists(lengths, np.fromiter(map(len, listed), np.int64, len(listed)))


def from_lists(lengths: IntArray, counts: IntArray) -> tuple[IntArray, PromptLengths | None]:
    """Return the same of arrays: the tokens of all prompts, and how many each request holds."""
    if (counts == 1).all():
        return lengths, None
    prompts = PromptLengths.of(lengths, counts)
    return prompts.totals, prompts


Quantiles = Mapping[str, float]
Estimates = Sequence[int] | Sequence[int | Quantiles] | Mapping[str, Sequence[float]]
"""Counts; counts and quantiles mixed; or quantiles as columns, `{"p50": [...], "p90": [...]}`."""


def probability(name: str) -> float:
    """Return the probability of a quantile.

    Examples
    --------
    >>> probability("p05")
    0.05
    """
    return int(name[1:]) / 100.0


def estimates_of(given: Estimates) -> IntArray | Estimates:
    """Return counts as an array, shape (n,), and anything with quantiles as it is."""
    if isinstance(given, Mapping) or any(isinstance(entry, Mapping) for entry in given):
        return given
    return np.array(given, dtype=np.int64)


def columns_of(estimates: IntArray | Estimates) -> list[tuple[tuple[str, ...], Sized]]:
    """Return the arrays that estimates are made of, each with its path below the field."""
    if isinstance(estimates, Mapping):
        return [((name,), column) for name, column in estimates.items()]
    return [((), estimates)]


def falling(estimates: IntArray | Estimates) -> list[tuple[str, str, int]]:
    """Return where quantile columns fall: the lower quantile, the higher one, the request."""
    if not isinstance(estimates, Mapping):
        return []
    return [
        (lower, upper, int(index))
        for lower, upper in itertools.pairwise(sorted(estimates))
        for index in np.flatnonzero(np.less(estimates[upper], estimates[lower]))
    ]


def workload_of(
    input_tokens: IntArray,
    estimates: IntArray | Estimates,
    choices: IntArray | None = None,
    prompts: PromptLengths | None = None,
) -> Workload:
    """Return the workload of n valid estimates and of input tokens, shape (n,).

    `choices`, shape (n,), are the answers that each request wants of a prompt; None for one.
    """
    if choices is not None and (choices == 1).all():
        choices = None
    if isinstance(estimates, Mapping):
        lengths = _from_columns(estimates)
        return Workload.expected(input_tokens, lengths, choices, prompts)
    if isinstance(estimates, np.ndarray):
        return Workload(input_tokens, estimates, choices=choices, prompts=prompts)
    return Workload.expected(input_tokens, _from_mixed(estimates), choices, prompts)


def _from_columns(columns: Mapping[str, Sequence[float]]) -> OutputLengths:
    return OutputLengths.from_quantiles(
        {probability(name): column for name, column in columns.items()}
    )


def _from_mixed(estimates: Sequence[int | Quantiles]) -> OutputLengths:
    alike: dict[tuple[str, ...], list[int]] = {}
    counts = np.ones(len(estimates), dtype=np.int64)
    for index, estimate in enumerate(estimates):
        if isinstance(estimate, Mapping):
            alike.setdefault(tuple(sorted(estimate)), []).append(index)
        else:
            counts[index] = estimate
    parts = []
    for names, indices in alike.items():
        rows = [[estimates[i][name] for name in names] for i in indices]  # type: ignore[index]
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        parts.append((np.array(indices), _from_columns(columns)))
    return OutputLengths.merge(parts, counts)
