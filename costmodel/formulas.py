"""Closed forms of the work that attention does for one request.

Token ``j`` of the answer, counted from 0, sees ``input_tokens + j`` tokens before it. All is
computed in float64: exact below 2**53 and without overflow above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from costmodel.arrays import FloatArray

Tokens = TypeVar("Tokens", float, "FloatArray")
"""Tokens of one request, as a float, or of n requests, as an array."""


def context_sum(input_tokens: Tokens, output_tokens: Tokens) -> Tokens:
    """Return S1, the context lengths summed over the tokens of the answer.

    ``S1 = sum_{j < tout} (tin + j) = tout * tin + tout * (tout - 1) / 2``: the reads of a KV cache
    while decoding, or the tokens recomputed without one.

    Parameters
    ----------
    input_tokens, output_tokens : float, or ndarray of float64 of shape (n,)
        Tokens, at least 0.

    Returns
    -------
    float, or ndarray of float64 of shape (n,)
        Tokens.
    """
    return output_tokens * input_tokens + output_tokens * (output_tokens - 1.0) * 0.5


def context_square_sum(input_tokens: Tokens, output_tokens: Tokens) -> Tokens:
    """Return S2, the squared context lengths summed over the tokens of the answer.

    ``S2 = sum_{j < tout} (tin + j)^2
    = tout * tin^2 + tin * tout * (tout - 1) + (tout - 1) * tout * (2 * tout - 1) / 6``:
    the attention work where no KV cache keeps what was computed before.

    Parameters
    ----------
    input_tokens, output_tokens : float, or ndarray of float64 of shape (n,)
        Tokens, at least 0.

    Returns
    -------
    float, or ndarray of float64 of shape (n,)
        Tokens squared.
    """
    pairs = output_tokens * (output_tokens - 1.0)
    return (
        output_tokens * input_tokens * input_tokens
        + input_tokens * pairs
        + pairs * (2.0 * output_tokens - 1.0) / 6.0
    )


def expected_context_sum(
    input_tokens: FloatArray, mean: FloatArray, mean_square: FloatArray
) -> FloatArray:
    """Return the mean of `context_sum` over the lengths of the answer, from their moments.

    Parameters
    ----------
    input_tokens : ndarray of float64, shape (n,)
        Tokens, at least 0.
    mean, mean_square : ndarray of float64, shape (n,)
        Means of the output tokens, and of their squares.

    Returns
    -------
    ndarray of float64, shape (n,)
        Tokens.
    """
    return mean * input_tokens + (mean_square - mean) * 0.5


def expected_context_square_sum(
    input_tokens: FloatArray, mean: FloatArray, mean_square: FloatArray, mean_cube: FloatArray
) -> FloatArray:
    """Return the mean of `context_square_sum` over the lengths of the answer.

    Parameters as `expected_context_sum`, and the mean of the cubes; tokens squared, shape (n,).
    """
    return (
        mean * input_tokens * input_tokens
        + input_tokens * (mean_square - mean)
        + (2.0 * mean_cube - 3.0 * mean_square + mean) / 6.0
    )
