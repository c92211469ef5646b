"""Tokens of prompts as calls state them, one number or several for each request, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from costmodel.arrays import IntArray
from costmodel.prompt_lengths import PromptLengths


def _whole(values: Sequence[int]) -> IntArray:
    return np.array(values, dtype=np.int64)


def lengths_of(
    stated: Sequence[Any], whole: Callable[[list[Any]], IntArray] = _whole
) -> tuple[IntArray, PromptLengths | None]:
    """Return the input tokens of requests, and their prompts where some hold several.

    Parameters
    ----------
    stated
        For each request the tokens of its prompt, or a list of those of its prompts, not empty.
    whole
        What makes an array of numbers, shape (m,), and raises where it finds others.

    Returns
    -------
    tuple of ndarray of int64, shape (n,), and PromptLengths or None

    Examples
    --------
    >>> lengths_of([3, [5, 7]])[0].tolist()
    [3, 12]
    """
    if list not in set(map(type, stated)):
        return whole(list(stated)), None
    # An empty list is no number, which `whole` sees to.
    listed = [(one or [None]) if isinstance(one, list) else [one] for one in stated]
    lengths = whole(list(chain.from_iterable(listed)))
    return from_lists(lengths, np.fromiter(map(len, listed), np.int64, len(listed)))


def from_lists(lengths: IntArray, counts: IntArray) -> tuple[IntArray, PromptLengths | None]:
    """Return the same of arrays: the tokens of all prompts, and how many each request holds."""
    if (counts == 1).all():
        return lengths, None
    prompts = PromptLengths.of(lengths, counts)
    return prompts.totals, prompts
