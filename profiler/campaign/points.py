"""Points of the grid that a campaign may measure, and the anchors that it begins with."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from profiler.errors import UnusableInputError

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
MAX_LEVELS = 12


@dataclass(frozen=True, order=True)
class Point:
    """What one window is asked for.

    Attributes
    ----------
    input_tokens, output_tokens
        Tokens of each request; of windows of mixed lengths, the means.
    concurrency
        Requests in flight.
    mixed
        Whether lengths are drawn from a log-normal mix.
    """

    input_tokens: int
    output_tokens: int
    concurrency: int
    mixed: bool = False


@dataclass(frozen=True)
class Axes:
    """Levels of each axis, each rising and of at least one.

    Attributes
    ----------
    input_tokens, output_tokens, concurrency
        Each 1 or more.
    """

    input_tokens: tuple[int, ...]
    output_tokens: tuple[int, ...]
    concurrency: tuple[int, ...]

    def points(self, max_context_tokens: int | None) -> list[Point]:
        """Return the grid, without what the server's context cannot hold with a token to spare.

        Raises
        ------
        UnusableInputError
            If nothing is left.
        """
        limit = max_context_tokens or np.inf
        found = [
            Point(*levels)
            for levels in itertools.product(self.input_tokens, self.output_tokens, self.concurrency)
            if levels[0] + levels[1] < limit
        ]
        if not found:
            shortest = self.input_tokens[0] + self.output_tokens[0]
            msg = f"Expected requests within the server's {limit} tokens, got {shortest} at least."
            raise UnusableInputError(msg)
        return found


def levels(text: str, name: str) -> tuple[int, ...]:
    """Read the levels of an axis.

    Parameters
    ----------
    text
        ``LOW..HIGH`` for doubling levels from one to the other, or a list such as ``1,4,16``.
    name
        Name of the option, for the message.

    Raises
    ------
    UnusableInputError
        If the text is anything else.

    Examples
    --------
    >>> levels("32..200", "--input-tokens")
    (32, 64, 128, 200)
    >>> levels("1,4", "--concurrency")
    (1, 4)
    """
    match = _RANGE.fullmatch(text.strip())
    if match:
        low, high = int(match[1]), int(match[2])
        doubling = [low << power for power in range(32) if 1 <= low << power < high] if low else []
        found = (*doubling, high) if 1 <= low <= high else ()
        # A last step much shorter than a doubling would be the same point twice.
        if len(found) > 1 and found[-1] < 1.25 * found[-2]:
            found = (*found[:-2], found[-1])
    else:
        parts = text.split(",")
        found = tuple(sorted({int(part) for part in parts if part.strip().isdigit()}))
        found = found if all(part.strip().isdigit() for part in parts) else ()
    if not found or found[0] < 1 or len(found) > MAX_LEVELS:
        msg = (
            f"Expected {name} as LOW..HIGH or A,B,C of 1 or more with at most {MAX_LEVELS} "
            f"levels, got {text!r}."
        )
        raise UnusableInputError(msg)
    return found


def anchors(candidates: Sequence[Point]) -> list[Point]:
    """Choose the points that distinguish the phases before anything is fitted.

    For each concurrency of the least, the middle and the largest: long prompts with middling
    answers, short prompts with long answers, and long prompts with short answers. Without them an
    adaptive design stops falsely sure (arXiv 2407.04014's seven LLMs: up to 14 % of energy).

    Parameters
    ----------
    candidates
        The grid; at least one point.

    Returns
    -------
    list of Point
        Distinct, from the candidates.
    """
    grid = as_array(candidates)
    batches = _at_shares(grid[:, 2], (0.0, 0.5, 1.0))
    shares = [(1.0, 0.625), (0.0, 0.875), (1.0, 0.0)]
    chosen = []
    for place, batch in enumerate(batches):
        here = [point for point in candidates if point.concurrency == batch]
        of_batch = as_array(here)
        # The middle concurrency shows the curve of decoding alone.
        for input_share, output_share in shares[1:2] if 0 < place < len(batches) - 1 else shares:
            wanted = (
                _at_shares(of_batch[:, 0], (input_share,))[0],
                _at_shares(of_batch[:, 1], (output_share,))[0],
            )
            chosen.append(_nearest(here, of_batch, wanted))
    return list(dict.fromkeys(chosen))


def as_array(points: Sequence[Point]) -> FloatArray:
    """Return points as an array of shape (n, 3): input tokens, output tokens, concurrency."""
    rows = [(one.input_tokens, one.output_tokens, one.concurrency) for one in points]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _at_shares(values: FloatArray, shares: Sequence[float]) -> list[float]:
    distinct = np.unique(values)
    places = [round(share * (len(distinct) - 1)) for share in shares]
    return [float(distinct[place]) for place in dict.fromkeys(places)]


def _nearest(points: Sequence[Point], grid: FloatArray, wanted: tuple[float, float]) -> Point:
    apart = np.abs(np.log(np.maximum(grid[:, :2], 1.0)) - np.log(np.maximum(wanted, 1.0)))
    return points[int(np.argmin(apart.sum(axis=1)))]
