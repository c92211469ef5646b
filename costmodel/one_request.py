"""One request in plain floats: what `costmodel.bases` and `costmodel.intervals` have for arrays.

A handful of multiplications is quicker than one call of numpy, which this module does not import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import exp
from typing import NamedTuple

from costmodel.formulas import context_square_sum, context_sum
from costmodel.meter_noise import MAX_EXPONENT, log_residual_sigma

Weights = tuple[tuple[str, float], ...]
"""Weight of each function of the tokens, by its name in `costmodel.bases`."""


class Prompts(NamedTuple):
    """What costs need of the prompts of a request, as `costmodel.prompt_lengths` has it.

    Attributes
    ----------
    size
        How many, at least 1: the server takes each for a request of its own.
    tokens, squares
        Sums of their tokens and of the squares of these.
    shortest, longest
        Tokens of one.
    """

    size: int
    tokens: float
    squares: float
    shortest: float
    longest: float

    @classmethod
    def of(cls, *tokens: float) -> Prompts:
        """Return prompts of so many tokens each, at least one.

        Examples
        --------
        >>> Prompts.of(3.0, 5.0)
        Prompts(size=2, tokens=8.0, squares=34.0, shortest=3.0, longest=5.0)
        """
        if len(tokens) == 1:
            one = tokens[0]
            return cls(1, one, one * one, one, one)
        squares = sum(one * one for one in tokens)
        return cls(len(tokens), sum(tokens), squares, min(tokens), max(tokens))

    @classmethod
    def alike(cls, size: int, tokens: float) -> Prompts:
        """Return so many prompts of the same length, of so many tokens together."""
        one = tokens / size
        return cls(size, tokens, one * tokens, one, one)

    def scaled(self, tokens: float) -> Prompts:
        """Return prompts as many and in proportion as these, of so many tokens together."""
        if not self.tokens:
            return Prompts.alike(self.size, tokens)
        by = tokens / self.tokens
        return Prompts(
            self.size, tokens, by * by * self.squares, by * self.shortest, by * self.longest
        )


@dataclass(frozen=True)
class Terms:
    """The functions of the tokens that cost models are made of.

    Attributes
    ----------
    prompts
        Prompts of one request.
    output_tokens
        Tokens of one answer to it.
    choices
        Answers that it wants of each prompt.
    """

    prompts: Prompts
    output_tokens: float
    choices: int = 1

    @property
    def sequences(self) -> int:
        """Answers to all prompts: each holds a slot of its own."""
        return self.prompts.size * self.choices

    @property
    def generated_tokens(self) -> float:
        """Tokens of all answers together."""
        return self.output_tokens * self.sequences

    @property
    def tokens(self) -> float:
        """Tokens of all prompts and all answers together."""
        return self.prompts.tokens + self.generated_tokens

    @property
    def context_tokens(self) -> float:
        """Tokens of the longest prompt and one answer to it."""
        return self.prompts.longest + self.output_tokens

    def total(self, weights: Weights) -> float:
        """Return the weighted sum of the functions."""
        values = self._values
        return sum(weight * values[name] for name, weight in weights)

    @cached_property
    def _values(self) -> Mapping[str, float]:
        number, tin, tin_squares, _, _ = self.prompts
        tout, each = self.output_tokens, self.choices
        steps, squares = context_sum(0.0, tout), context_square_sum(0.0, tout)
        return {
            "1": float(number),
            "tin": tin,
            "tin^2": tin_squares,
            "tout": each * number * tout,
            "tin*tout": each * tin * tout,
            "S1": each * (tin * tout + number * steps),
            "S2": each * (tin_squares * tout + 2.0 * tin * steps + number * squares),
        }


def interval(value: float, quantile: float | None, runtime_s: float) -> tuple[float, float] | None:
    """Return the 90 % interval of a prediction, as `ConformalInterval.bounds` does for arrays.

    Parameters
    ----------
    value
        Joules or seconds.
    quantile
        Half width in units of the residual's scale; None where the cost model has no interval.
    runtime_s
        Seconds from sending the request to its last token.
    """
    if quantile is None:
        return None
    factor = exp(min(MAX_EXPONENT, quantile * log_residual_sigma(runtime_s)))
    return value / factor, value * factor
