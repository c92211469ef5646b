"""The requests of a call as arrays."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from costmodel.arrays import FloatArray, IntArray
from costmodel.bases import ExpectedTokenTerms, SummedTokenTerms, TokenTerms
from costmodel.errors import InvalidCostModelError
from costmodel.output_lengths import OutputLengths
from costmodel.prompt_lengths import PromptLengths

_ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Workload:
    """Tokens of each request, in the order of the call.

    Attributes
    ----------
    input_tokens : ndarray of int64, shape (n,)
        Tokens of the prompts, at least 0; of all prompts of a request together.
    output_tokens : ndarray of int64, shape (n,)
        Tokens of the answers, estimated, at least 1: rounded means where `lengths` are given.
    lengths : OutputLengths, optional
        What is known of the lengths of the answers; None where they are taken as certain.
    choices : ndarray of int64, shape (n,), optional
        Answers that each request wants of a prompt, at least 1; None where all want one.
        Tokens of an answer are those of one choice.
    prompts : PromptLengths, optional
        Prompts of requests that hold several, each of which the server takes for a request of its
        own; None where all hold one.

    Raises
    ------
    InvalidCostModelError
        If the arrays differ in length, are not whole numbers or out of range.

    Examples
    --------
    >>> len(Workload(np.array([812, 15]), np.array([154, 3])))
    2
    """

    input_tokens: IntArray
    output_tokens: IntArray
    lengths: OutputLengths | None = None
    choices: IntArray | None = None
    prompts: PromptLengths | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_tokens", _tokens(self.input_tokens, "input_tokens", 0))
        object.__setattr__(self, "output_tokens", _tokens(self.output_tokens, "output_tokens", 1))
        if self.input_tokens.size != self.output_tokens.size:
            msg = (
                "Expected as many input_tokens as output_tokens, "
                f"got {self.input_tokens.size} and {self.output_tokens.size}."
            )
            raise InvalidCostModelError(msg)
        if self.lengths is not None and len(self.lengths) != self.output_tokens.size:
            msg = f"Expected {self.output_tokens.size} lengths, got {len(self.lengths)}."
            raise InvalidCostModelError(msg)
        if self.choices is not None:
            object.__setattr__(self, "choices", _tokens(self.choices, "choices", 1))
            if self.choices.size != self.output_tokens.size:
                msg = f"Expected {self.output_tokens.size} choices, got {self.choices.size}."
                raise InvalidCostModelError(msg)
        if self.prompts is not None and not np.array_equal(self.prompts.totals, self.input_tokens):
            msg = "Expected input_tokens that are the totals of the prompts, got others."
            raise InvalidCostModelError(msg)

    @classmethod
    def expected(
        cls,
        input_tokens: IntArray,
        lengths: OutputLengths,
        choices: IntArray | None = None,
        prompts: PromptLengths | None = None,
    ) -> Self:
        """Return the workload of answers whose lengths are distributions."""
        means = np.maximum(1, np.rint(lengths.moments[:, 0])).astype(np.int64)
        uncertain = None if lengths.certain.all() else lengths
        return cls(input_tokens, means, uncertain, choices, prompts)

    def take(self, indices: IntArray | slice) -> Self:
        """Return some of the requests."""
        lengths = None if self.lengths is None else self.lengths.take(indices)
        return replace(
            self,
            input_tokens=self.input_tokens[indices],
            output_tokens=self.output_tokens[indices],
            lengths=lengths,
            choices=None if self.choices is None else self.choices[indices],
            prompts=None if self.prompts is None else self.prompts.take(indices),
        )

    def terms(self, rows: IntArray | slice = _ALL) -> TokenTerms:
        """Return the functions of the tokens of some requests that features are made of.

        Sums over the prompts of each request.
        Means over the lengths of the answers where those are distributions: features are linear
        in these terms, so predictions are then means too.
        """
        if self.prompts is None:
            return self._terms_of(self.input_tokens[rows].astype(np.float64), rows)
        prompts = self.prompts.take(rows)
        low, high = prompts.pair()
        return SummedTokenTerms((self._terms_of(low, rows), self._terms_of(high, rows)), prompts)

    def _terms_of(self, inputs: FloatArray, rows: IntArray | slice) -> TokenTerms:
        """Return the functions of the tokens of one prompt of each of some requests."""
        choices = None if self.choices is None else self.choices[rows].astype(np.float64)
        if self.lengths is None:
            return TokenTerms(inputs, self.output_tokens[rows].astype(np.float64), choices)
        return ExpectedTokenTerms(inputs, self.lengths.moments[rows], choices)

    @property
    def sequences(self) -> IntArray | None:
        """Answers of each request, all choices of all its prompts; None where all have one.

        On a device each holds a slot of its own for the tokens of one answer. Shape (n,).
        """
        if self.prompts is None:
            return self.choices
        return self.prompts.counts if self.choices is None else self.prompts.counts * self.choices

    @property
    def generated_tokens(self) -> IntArray:
        """Tokens of all answers of each request together, shape (n,)."""
        sequences = self.sequences
        return self.output_tokens if sequences is None else self.output_tokens * sequences

    @property
    def context_tokens(self) -> IntArray:
        """Tokens of the longest prompt of each request and one answer to it, shape (n,)."""
        prompt = self.input_tokens if self.prompts is None else self.prompts.longest
        return prompt + self.output_tokens

    @property
    def size(self) -> int:
        """How many requests."""
        return self.input_tokens.size

    def __len__(self) -> int:
        return self.size


def _tokens(values: IntArray, name: str, minimum: int) -> IntArray:
    array = np.asarray(values)
    if array.ndim != 1 or not (array.dtype.kind in "iu" or array.size == 0):
        msg = f"Expected {name} as whole numbers in one dimension, got {array.dtype} {array.shape}."
        raise InvalidCostModelError(msg)
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        msg = f"Expected {name} below 2**63, got {array.max()}."
        raise InvalidCostModelError(msg)
    if array.size and array.min() < minimum:
        index = int(np.argmax(array < minimum))
        msg = f"Expected {name} of at least {minimum}, got {array[index]} at index {index}."
        raise InvalidCostModelError(msg)
    # A view, so that what the caller passed stays writable without a copy of a million tokens.
    view = array.astype(np.int64, copy=False).view()
    view.flags.writeable = False
    return view
