"""Split-conformal 90 % intervals of predictions, and of totals of them.

Residuals are ``r = log(measured / predicted)``, scaled as `costmodel.meter_noise` has it.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from costmodel.arrays import FloatArray
from costmodel.errors import InvalidCostModelError
from costmodel.meter_noise import MAX_EXPONENT, MAX_METER_NOISE, METER_SECONDS, RELATIVE_FLOOR

INTERVAL_LEVEL = 0.9
MIN_INTERVAL_POINTS = 9
CAMPAIGN_RATIO = 0.05


def residual_sigma(runtime_s: npt.ArrayLike) -> FloatArray:
    """Return the scale of a log residual, ``sqrt(0.04^2 + min(0.25, 0.08 s / runtime)^2)``.

    Parameters
    ----------
    runtime_s : array_like, shape (n,)
        Seconds from sending a request to its last token, at least 0.

    Returns
    -------
    ndarray of float64, shape (n,)
        Dimensionless, 0.04 to 0.254: the same for all runtimes below 0.32 s.
    """
    runtime = np.asarray(runtime_s, dtype=np.float64)
    noise = METER_SECONDS / np.maximum(runtime, METER_SECONDS / MAX_METER_NOISE)
    noise *= noise
    noise += RELATIVE_FLOOR * RELATIVE_FLOOR
    return np.asarray(np.sqrt(noise))


@dataclass(frozen=True)
class ConformalInterval:
    """Half width of a 90 % interval, in units of `residual_sigma`.

    Attributes
    ----------
    quantile : float
        Quantile of ``|r| / sigma`` out of fold, at least 0.
    points : int
        Distinct profiled points it rests on, at least 9.
    level : float
        Nominal coverage in (0, 1).
    """

    quantile: float
    points: int
    level: float = INTERVAL_LEVEL

    def __post_init__(self) -> None:
        if not (math.isfinite(self.quantile) and self.quantile >= 0):
            msg = f"Expected a finite interval quantile of at least 0, got {self.quantile}."
            raise InvalidCostModelError(msg)
        if self.points < MIN_INTERVAL_POINTS:
            minimum = f"{MIN_INTERVAL_POINTS} points or more"
            msg = f"Expected an interval to rest on {minimum}, got {self.points}."
            raise InvalidCostModelError(msg)
        if not 0 < self.level < 1:
            msg = f"Expected an interval level in (0, 1), got {self.level}."
            raise InvalidCostModelError(msg)

    @classmethod
    def fit(
        cls,
        measured: npt.ArrayLike,
        predicted: npt.ArrayLike,
        runtime_s: npt.ArrayLike,
        point_ids: npt.ArrayLike | None = None,
    ) -> Self | None:
        """Return the interval of out-of-fold predictions, or None below nine distinct points.

        Parameters
        ----------
        measured, predicted : array_like, shape (n,)
            Values in one unit, above 0; `predicted` from folds that did not hold the row's point.
        runtime_s : array_like, shape (n,)
            Predicted seconds, the scale that `bounds` will be given.
        point_ids : array_like, shape (n,), optional
            Which profiled point a row repeats; every row its own unless given.

        Raises
        ------
        InvalidCostModelError
            If a value is not finite and above 0.
        """
        values = np.asarray(measured, dtype=np.float64)
        guesses = np.asarray(predicted, dtype=np.float64)
        if not (_positive(values) and _positive(guesses)):
            msg = "Expected finite measured and predicted values above 0, got others."
            raise InvalidCostModelError(msg)
        ids = np.arange(values.size) if point_ids is None else np.asarray(point_ids)
        points = int(np.unique(ids, axis=0).shape[0])
        if points < MIN_INTERVAL_POINTS:
            return None
        scores = np.abs(np.log(values / guesses)) / residual_sigma(runtime_s)
        return cls(conformal_quantile(scores, ids), points)

    def half_width(self, runtime_s: npt.ArrayLike) -> FloatArray:
        """Return the factor by which a prediction may be off, shape (n,), at least 1."""
        return np.exp(np.minimum(self.quantile * residual_sigma(runtime_s), MAX_EXPONENT))

    def bounds(
        self, value: npt.ArrayLike, runtime_s: npt.ArrayLike
    ) -> tuple[FloatArray, FloatArray]:
        """Return the interval around predictions.

        Parameters
        ----------
        value : array_like, shape (n,)
            Predictions, in any unit.
        runtime_s : array_like, shape (n,)
            Predicted seconds: device-seconds times concurrency.

        Returns
        -------
        low, high : ndarray of float64, shape (n,)
            ``value * exp(-q * sigma)`` and ``value * exp(q * sigma)``, in the unit of `value`.
        """
        values = np.asarray(value, dtype=np.float64)
        factor = self.half_width(runtime_s)
        return values / factor, values * factor


def conformal_quantile(
    scores: FloatArray, point_ids: npt.ArrayLike | None = None, level: float = INTERVAL_LEVEL
) -> float:
    """Return the finite-sample quantile of conformity scores; inf where there are too few.

    With one score for each point it is the ``ceil((n + 1) * level)``-th smallest. Repeats of a
    point share that point's weight ``1 / (points + 1)``: a point measured twenty times is no more
    evidence on new points than one measured once.

    Parameters
    ----------
    scores : ndarray of float64, shape (n,)
        Scaled absolute residuals.
    point_ids : array_like, shape (n,) or (n, d), optional
        Which point a score belongs to; each its own unless given.
    level : float
        Nominal coverage in (0, 1).

    Examples
    --------
    >>> conformal_quantile(np.arange(1.0, 10.0))
    9.0
    """
    ids = np.arange(scores.size) if point_ids is None else np.asarray(point_ids)
    _, index, repeats = np.unique(ids, axis=0, return_inverse=True, return_counts=True)
    weights = 1.0 / (repeats[index.reshape(-1)] * (repeats.size + 1.0))
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order]) >= level - 1e-12
    return float(scores[order][np.argmax(reached)]) if reached.any() else math.inf


def total_interval(
    values: npt.ArrayLike, lows: npt.ArrayLike, highs: npt.ArrayLike, groups: npt.ArrayLike
) -> tuple[float, float] | None:
    """Return the 90 % interval of a sum of predictions by several cost models.

    Errors within one artefact are taken as fully correlated, so half widths add up; across
    artefacts they add up in quadrature. Each artefact adds, in quadrature, 5 % of its total for
    the bias between measurement campaigns.

    Parameters
    ----------
    values, lows, highs : array_like, shape (n,)
        Predictions and their bounds, in one unit, ``0 <= low <= value <= high``.
    groups : array_like of int, shape (n,)
        Which artefact predicted each.

    Returns
    -------
    tuple of float or None
        Low, at least 0, and high; None where any bound is nan, since an unknown error
        makes the total's unknown.

    Examples
    --------
    >>> low, high = total_interval([100.0], [88.0], [112.0], [0])
    >>> low, high
    (87.0, 113.0)
    """
    value, low, high = (np.asarray(array, dtype=np.float64) for array in (values, lows, highs))
    if np.isnan(low).any() or np.isnan(high).any():
        return None
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    totals = np.bincount(index, weights=value)
    campaign = CAMPAIGN_RATIO * totals
    below = np.hypot(totals - np.bincount(index, weights=low), campaign)
    above = np.hypot(np.bincount(index, weights=high) - totals, campaign)
    total = float(totals.sum())
    return max(0.0, total - math.hypot(*below)), total + math.hypot(*above)


def _positive(values: FloatArray) -> bool:
    return bool(np.all(np.isfinite(values) & (values > 0)))
