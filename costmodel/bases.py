"""The bases: named vectors of features of tokens and concurrency.

Every feature is a function of the tokens times a power of the concurrency. Predicting at one
concurrency folds those powers into the coefficients, and one `TokenTerms` serves every placement.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from costmodel.arrays import FloatArray
from costmodel.formulas import (
    context_square_sum,
    context_sum,
    expected_context_square_sum,
    expected_context_sum,
)
from costmodel.prompt_lengths import PromptLengths

_TOKEN_TERMS: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = MappingProxyType(
    {
        "1": lambda tin, tout: np.ones(np.broadcast_shapes(tin.shape, tout.shape)),
        "tin": lambda tin, _: tin,
        "tin^2": lambda tin, _: tin * tin,
        "tout": lambda _, tout: tout,
        "tin*tout": lambda tin, tout: tin * tout,
        "S1": context_sum,
        "S2": context_square_sum,
    }
)


_OF_THE_PROMPT = frozenset(("1", "tin", "tin^2"))
"""Functions of a request that do not grow with its choices: they share one prompt."""


class TokenTerms:
    """The functions of the tokens that features are made of, each computed once.

    Parameters
    ----------
    input_tokens, output_tokens : ndarray of float64, shape (n,)
        Tokens of each request. Input tokens may be nan where no basis in use needs them.
    choices : ndarray of float64, shape (n,), optional
        Answers that each request wants of its one prompt: what decoding takes counts so often.

    Attributes
    ----------
    input_extremes : tuple of ndarray of float64, shape (n,)
        Input tokens between which those of all prompts of each request lie.
    """

    def __init__(
        self,
        input_tokens: FloatArray,
        output_tokens: FloatArray,
        choices: FloatArray | None = None,
    ) -> None:
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.input_extremes: tuple[FloatArray, ...] = (input_tokens,)
        self._choices = choices
        self._computed: dict[str, FloatArray] = {}

    def __getitem__(self, term: str) -> FloatArray:
        """Return one function of the tokens, shape (n,), such as ``"S1"``."""
        if term not in self._computed:
            self._keep(term, _TOKEN_TERMS[term](self.input_tokens, self.output_tokens))
        return self._computed[term]

    def _keep(self, term: str, of_one: FloatArray) -> None:
        if self._choices is None or term in _OF_THE_PROMPT:
            self._computed[term] = of_one
        else:
            self._computed[term] = of_one * self._choices


class ExpectedTokenTerms(TokenTerms):
    """The means of the same functions where the lengths of the answers are distributions.

    Parameters
    ----------
    input_tokens : ndarray of float64, shape (n,)
        Tokens of each request.
    moments : ndarray of float64, shape (n, 3)
        Means of the output tokens, of their squares and of their cubes.
    choices : ndarray of float64, shape (n,), optional
        The same as of `TokenTerms`.
    """

    def __init__(
        self, input_tokens: FloatArray, moments: FloatArray, choices: FloatArray | None = None
    ) -> None:
        mean, square, cube = moments.T
        super().__init__(input_tokens, mean, choices)
        self._keep("S1", expected_context_sum(input_tokens, mean, square))
        self._keep("S2", expected_context_square_sum(input_tokens, mean, square, cube))


class SummedTokenTerms(TokenTerms):
    """The sums of the same functions over the prompts of each request.

    Parameters
    ----------
    pair : tuple of TokenTerms
        Terms of two requests of one prompt each, whose mean is that of all prompts of a request.
    prompts : PromptLengths
        Prompts of n requests.
    """

    def __init__(self, pair: tuple[TokenTerms, TokenTerms], prompts: PromptLengths) -> None:
        super().__init__(prompts.totals.astype(np.float64), pair[0].output_tokens)
        self.input_extremes = tuple(
            tokens.astype(np.float64) for tokens in (prompts.shortest, prompts.longest)
        )
        self._pair, self._half = pair, prompts.counts * 0.5

    def __getitem__(self, term: str) -> FloatArray:
        """Return one function of the tokens, summed, shape (n,), such as ``"S1"``."""
        if term not in self._computed:
            low, high = self._pair
            self._computed[term] = self._half * (low[term] + high[term])
        return self._computed[term]


@dataclass(frozen=True)
class Basis:
    """A named vector of features.

    Attributes
    ----------
    name : str
        Name as artefacts have it.
    terms : tuple of str
        One name for each feature, in the order of the coefficients.
    factors : tuple of (str, float)
        For each feature, its function of the tokens and its power of the concurrency.
    needs_input : bool
        Whether any feature depends on the input tokens.
    """

    name: str
    terms: tuple[str, ...]
    factors: tuple[tuple[str, float], ...]
    needs_input: bool

    def features(
        self,
        input_tokens: npt.ArrayLike,
        output_tokens: npt.ArrayLike,
        concurrency: npt.ArrayLike,
    ) -> FloatArray:
        """Return the features of each request, for fitting.

        Parameters
        ----------
        input_tokens, output_tokens : array_like, shape (n,)
            Tokens; input tokens may be nan where `needs_input` is false.
        concurrency : array_like, scalar or shape (n,)
            Requests that share the device, at least 1.

        Returns
        -------
        ndarray of float64, shape (n, p)
            One column for each of `terms`.
        """
        tokens = TokenTerms(
            np.atleast_1d(np.asarray(input_tokens, dtype=np.float64)),
            np.atleast_1d(np.asarray(output_tokens, dtype=np.float64)),
        )
        return self.features_of(tokens, concurrency)

    def features_of(self, tokens: TokenTerms, concurrency: npt.ArrayLike) -> FloatArray:
        """Return `features` of requests, or of windows, given by the functions of their tokens."""
        batch = np.asarray(concurrency, dtype=np.float64)
        columns = [tokens[term] * batch**power for term, power in self.factors]
        return np.stack(np.broadcast_arrays(*columns), axis=-1)

    def evaluate(
        self, coefficients: Sequence[float], tokens: TokenTerms, concurrency: float | FloatArray
    ) -> FloatArray:
        """Return ``features @ coefficients`` without building the features.

        Parameters
        ----------
        coefficients : sequence of float, length p
            One for each of `terms`.
        tokens : TokenTerms
            Terms of n requests.
        concurrency : float or ndarray of float64, shape (n,)
            Requests that share the device, at least 1.

        Returns
        -------
        ndarray of float64, shape (n,)
            Values in the unit that the coefficients were fitted in.
        """
        shape = tokens.output_tokens.shape
        if not isinstance(concurrency, float):
            shape = np.broadcast_shapes(shape, np.shape(concurrency))
        total = np.zeros(shape)
        for term, weight in self.weights(coefficients, concurrency).items():
            total += weight * tokens[term]
        return total

    def weights(
        self, coefficients: Sequence[float], concurrency: float | FloatArray
    ) -> dict[str, float | FloatArray]:
        """Return what each function of the tokens is multiplied by at a concurrency.

        Parameters as `evaluate`; functions without a weight are left out.
        """
        weights: dict[str, float | FloatArray] = {}
        for coefficient, (term, power) in zip(coefficients, self.factors, strict=True):
            if coefficient:
                weights[term] = weights.get(term, 0.0) + coefficient * concurrency**power
        return weights


def _basis(name: str, *factors: tuple[str, str, float]) -> Basis:
    return Basis(
        name=name,
        terms=tuple(term for term, _, _ in factors),
        factors=tuple((token_term, power) for _, token_term, power in factors),
        needs_input=any(token_term not in ("1", "tout") for _, token_term, _ in factors),
    )


BASES: Mapping[str, Basis] = MappingProxyType(
    {
        basis.name: basis
        for basis in (
            # The form of arXiv 2407.04014: the control of every report, never a cost model.
            _basis(
                "bilinear",
                ("tin", "tin", 0.0),
                ("tout", "tout", 0.0),
                ("tin*tout", "tin*tout", 0.0),
            ),
            _basis(
                "kv_off",
                ("1", "1", 0.0),
                ("tout", "tout", 0.0),
                ("S1", "S1", 0.0),
                ("S2", "S2", 0.0),
            ),
            _basis(
                "kv_on",
                ("1/B", "1", -1.0),
                ("tin", "tin", 0.0),
                ("tin^2", "tin^2", 0.0),
                ("tout", "tout", 0.0),
                ("tout/B", "tout", -1.0),
                ("tout/sqrt(B)", "tout", -0.5),
                ("S1", "S1", 0.0),
            ),
            _basis(
                "kv_on_decode",
                ("tout", "tout", 0.0),
                ("tout/B", "tout", -1.0),
                ("tout/sqrt(B)", "tout", -0.5),
            ),
        )
    }
)
CONTROL_BASIS = "bilinear"
