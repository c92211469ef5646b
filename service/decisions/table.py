"""The cost models of the service's own fleet as plain numbers, cheap enough for each request.

Built in a worker (`service.fleet.decision_table`), sent with its description, evaluated here
without numpy: a handful of multiplications is quicker than one call of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import NamedTuple

from costmodel.intervals import single_half_width
from service.decisions.profiled import Profiled

Weights = tuple[tuple[str, float], ...]


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
        Of one request.
    output_tokens
        Of one answer to it.
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
        steps = tout * (tout - 1.0) / 2.0
        squares = tout * (tout - 1.0) * (2.0 * tout - 1.0) / 6.0
        return {
            "1": float(number),
            "tin": tin,
            "tin^2": tin_squares,
            "tout": each * number * tout,
            "tin*tout": each * tin * tout,
            "S1": each * (tin * tout + number * steps),
            "S2": each * (tin_squares * tout + 2.0 * tin * steps + number * squares),
        }


@dataclass(frozen=True)
class Row:
    """One placement.

    Attributes
    ----------
    index
        As in `GET /placements`.
    llm, pool, device, concurrency
        Of the placement.
    devices
        Equal devices of the pool.
    quality
        Score of the LLM, 0 to 1; None where unknown.
    max_context_tokens
        Input and output together; None where unknown.
    energy, seconds
        Weights of joules and device-seconds at that concurrency.
    energy_quantile, seconds_quantile
        Half widths of the 90 % intervals; None where there are none.
    idle_watts
        Of a device that serves nothing; None where it was not measured.
    cost_model
        Identity of the cost model: another one where it predicts otherwise.
    profiled
        Lengths that its predictions interpolate; None for none.
    """

    index: int
    llm: str
    pool: str
    device: str
    concurrency: int
    devices: int
    quality: float | None
    max_context_tokens: int | None
    energy: Weights
    seconds: Weights
    energy_quantile: float | None
    seconds_quantile: float | None
    idle_watts: float | None = None
    cost_model: str = ""
    profiled: Profiled | None = None

    def extrapolates(self, prompts: Prompts, output_tokens: float) -> bool:
        """Say whether what is predicted of a request lies outside what was profiled.

        Of several prompts it is so where it is of one: what lies between two inside is inside.
        """
        profiled = self.profiled
        if profiled is None or not profiled.holds(prompts.longest, output_tokens):
            return True
        return prompts.size > 1 and not profiled.holds(prompts.shortest, output_tokens)


@dataclass(frozen=True)
class Cost:
    """What one request takes of a placement.

    Attributes
    ----------
    row
        The placement.
    energy_j, device_seconds
        Predicted, corrections included.
    energy_factor, runtime_factor
        What the cost model's own predictions were multiplied by; 1 for none.
    sequences
        Answers that it wants.
    """

    row: Row
    energy_j: float
    device_seconds: float
    energy_factor: float = 1.0
    runtime_factor: float = 1.0
    sequences: int = 1

    @property
    def runtime_s(self) -> float:
        """Seconds from its start to its last token.

        Its answers run side by side, each in a slot of its own, by turns where slots are fewer.
        """
        turns = ceil(self.sequences / self.row.concurrency)
        return self.device_seconds * self.row.concurrency / self.sequences * turns

    def energy_bounds(self) -> tuple[float, float] | None:
        """Return the 90 % interval of the joules; None where the cost model has none."""
        return _bounds(self.energy_j, self.row.energy_quantile, self.runtime_s)

    def runtime_bounds(self) -> tuple[float, float] | None:
        """Return the 90 % interval of the runtime; None where the cost model has none."""
        return _bounds(self.runtime_s, self.row.seconds_quantile, self.runtime_s)


def cost_of(row: Row, terms: Terms, energy: float = 1.0, runtime: float = 1.0) -> Cost:
    """Return what a request takes of a placement, the predictions multiplied by these factors."""
    joules, seconds = terms.total(row.energy), terms.total(row.seconds)
    return Cost(row, energy * joules, runtime * seconds, energy, runtime, terms.sequences)


def _bounds(value: float, quantile: float | None, runtime_s: float) -> tuple[float, float] | None:
    if quantile is None:
        return None
    factor = single_half_width(quantile, runtime_s)
    return value / factor, value * factor
