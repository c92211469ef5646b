"""Energy and device-seconds of every request on every placement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FlagArray, FloatArray, IntArray
from costmodel.bases import BASES, TokenTerms
from costmodel.cost_model import CostModel, checked_concurrency
from costmodel.errors import InvalidCostModelError
from costmodel.region import RegionSlice
from costmodel.workload import Workload

_ALL = slice(None)
# Requests at a time: the arrays in play stay in the second-level cache.
_ROWS_A_BLOCK = 32768


@dataclass(frozen=True, eq=False)
class CostMatrix:
    """Predictions of n requests on k placements, columns contiguous in memory.

    Attributes
    ----------
    energy_j : ndarray of float64, shape (n, k)
        Joules per request.
    device_seconds : ndarray of float64, shape (n, k)
        Seconds that a request takes of a device.
    energy_low_j, energy_high_j : ndarray of float64, shape (n, k)
        The 90 % interval; nan columns where the cost model has none, nan throughout where
        intervals were not asked for.
    outside : ndarray of uint8, shape (n, k)
        Bits of `costmodel.region.Outside`, 0 where the prediction interpolates.
    """

    energy_j: FloatArray
    device_seconds: FloatArray
    energy_low_j: FloatArray
    energy_high_j: FloatArray
    outside: FlagArray

    def take(self, rows: IntArray | slice = _ALL, columns: IntArray | slice = _ALL) -> CostMatrix:
        """Return the costs of some requests on some placements."""
        energy_j = self.energy_j[rows][:, columns]

        def bounds(values: FloatArray) -> FloatArray:
            """Leave bounds that were not asked for the single number that they are."""
            if values.strides == (0, 0):
                return np.broadcast_to(np.float64(np.nan), energy_j.shape)
            return values[rows][:, columns]

        return CostMatrix(
            energy_j,
            self.device_seconds[rows][:, columns],
            bounds(self.energy_low_j),
            bounds(self.energy_high_j),
            self.outside[rows][:, columns],
        )


def predict(
    workload: Workload,
    columns: Sequence[tuple[CostModel, float]],
    *,
    intervals: bool = True,
) -> CostMatrix:
    """Return the cost matrix of a workload on cost models, each at a concurrency.

    Parameters
    ----------
    workload : Workload
        Workload of n requests.
    columns : sequence of (CostModel, float)
        The k placements; concurrency at least 1.
    intervals : bool
        Whether to compute the bounds, which are half of the memory.

    Raises
    ------
    InvalidCostModelError
        If a concurrency is out of range.
    """
    shape = (workload.size, len(columns))
    matrix = CostMatrix(
        energy_j=np.empty(shape, order="F"),
        device_seconds=np.empty(shape, order="F"),
        energy_low_j=np.empty(shape, order="F") if intervals else _unknown(shape),
        energy_high_j=np.empty(shape, order="F") if intervals else _unknown(shape),
        outside=np.empty(shape, dtype=np.uint8, order="F"),
    )
    checked = [(cost_model, _one_concurrency(batch)) for cost_model, batch in columns]
    slices = [cost_model.region.at(batch) for cost_model, batch in checked]
    for start in range(0, workload.size, _ROWS_A_BLOCK):
        rows = slice(start, start + _ROWS_A_BLOCK)
        tokens = workload.terms(rows)
        for column, (cost_model, batch) in enumerate(checked):
            _fill(matrix, rows, column, tokens, cost_model, batch, intervals)
            _flag(matrix, rows, column, tokens, slices[column])
    return matrix


def slot_seconds(
    output_tokens: IntArray,
    device_seconds: FloatArray,
    concurrency: float,
    sequences: IntArray | None = None,
) -> FloatArray:
    """Return how long each request of a mix holds its slot: its latency.

    At concurrency 1 it is the device-seconds. Above, requests decode in step with each other, so a
    request holds its slot for its output tokens times the mean step of the mix,
    ``concurrency * sum(device_seconds) / sum(output_tokens)``. Slot times add up to concurrency
    times the device-seconds. A request of several answers holds as many slots, each so long.

    Parameters
    ----------
    output_tokens : ndarray of int64, shape (n,)
        Tokens, at least 1, of one answer to each of the requests that share the placement.
    device_seconds : ndarray of float64, shape (n,)
        Seconds, on that placement.
    concurrency : float
        Requests that share the device, at least 1.
    sequences : ndarray of int64, shape (n,), optional
        Answers to each request; None for one.

    Returns
    -------
    ndarray of float64, shape (n,)
        Seconds.

    Examples
    --------
    >>> slot_seconds(np.array([10, 30]), np.array([1.0, 1.0]), 4.0)
    array([2., 6.])
    """
    batch = _one_concurrency(concurrency)
    seconds = np.array(device_seconds, dtype=np.float64)
    if batch == 1.0 or not seconds.size:
        return seconds if sequences is None else seconds / sequences
    tokens = np.asarray(output_tokens, dtype=np.float64)
    generated = tokens if sequences is None else tokens * sequences
    return np.asarray(tokens * (batch * seconds.sum() / generated.sum()))


def _fill(
    matrix: CostMatrix,
    rows: slice,
    column: int,
    tokens: TokenTerms,
    cost_model: CostModel,
    batch: float,
    intervals: bool,
) -> None:
    basis = BASES[cost_model.basis]
    energy_j = basis.evaluate(cost_model.energy_coefficients, tokens, batch)
    seconds = basis.evaluate(cost_model.device_seconds_coefficients, tokens, batch)
    matrix.energy_j[rows, column] = energy_j
    matrix.device_seconds[rows, column] = seconds
    if not intervals:
        return
    low: FloatArray | float = np.nan
    high: FloatArray | float = np.nan
    if cost_model.energy_interval is not None:
        low, high = cost_model.energy_interval.bounds(energy_j, seconds * batch)
    matrix.energy_low_j[rows, column] = low
    matrix.energy_high_j[rows, column] = high


def _flag(
    matrix: CostMatrix, rows: slice, column: int, tokens: TokenTerms, region: RegionSlice
) -> None:
    matrix.outside[rows, column] = region.outside_of(tokens)


def _one_concurrency(concurrency: float) -> float:
    batch = checked_concurrency(concurrency)
    if not isinstance(batch, float):
        msg = f"Expected one concurrency for each placement, got {concurrency!r:.100}."
        raise InvalidCostModelError(msg)
    return batch


def _unknown(shape: tuple[int, int]) -> FloatArray:
    return np.broadcast_to(np.float64(np.nan), shape)
