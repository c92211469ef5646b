"""Which point to measure next: optimal design for the fit that the points are measured for.

Errors are taken to be relative, so a point's row in the design is its features over its prediction.
The gain of a point is that of the determinant of the information (D-optimality), per square root of
the seconds that it takes. Atkinson, Donev and Tobias, Optimum Experimental Designs (2007), 11.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from costmodel.bases import Basis
from profiler.fit.least_squares import fit_non_negative

MIN_NOISE = 0.02
"""Relative error of one window at best: repeats of 5 s on an A100 vary by 1 to 3 %."""
PRIOR_NOISE = 0.05
"""Relative error assumed while points are no more than coefficients: residuals say nothing."""
QUANTILE = 0.9
MIN_WEIGHT_SHARE = 1e-6


@dataclass(frozen=True)
class Quantity:
    """One fitted quantity over the measured points.

    Attributes
    ----------
    coefficients
        Shape (p,), zero or more.
    noise
        Relative error of a point about the fit.
    covariance
        Shape (p, p), of the coefficients.
    """

    coefficients: FloatArray
    noise: float
    covariance: FloatArray

    @classmethod
    def fitted(cls, features: FloatArray, measured: FloatArray) -> Quantity:
        """Fit a quantity.

        Parameters
        ----------
        features
            Shape (n, p).
        measured
            Shape (n,), positive.
        """
        coefficients = fit_non_negative(features, measured)
        predicted = features @ coefficients
        free = len(measured) - np.count_nonzero(coefficients)
        noise = PRIOR_NOISE
        if free > 0:
            off = predicted / measured - 1.0
            noise = max(MIN_NOISE, float(np.sqrt((off @ off) / free)))
        rows = features / np.maximum(predicted, MIN_WEIGHT_SHARE * measured)[:, None]
        # No coefficient can be larger than the least measurement over its feature.
        with np.errstate(divide="ignore"):
            maximum = np.min(np.where(features > 0, measured[:, None] / features, np.inf), axis=0)
        prior = np.diag(np.where(np.isfinite(maximum), maximum, 1.0) ** -2.0)
        covariance = np.linalg.inv(rows.T @ rows / noise**2 + prior)
        return cls(coefficients, noise, np.asarray(covariance, dtype=np.float64))

    def relative_sd(self, features: FloatArray) -> FloatArray:
        """Return the relative standard error of predictions at points, shape (m,)."""
        rows = features / np.maximum(features @ self.coefficients, 1e-300)[:, None]
        return np.asarray(np.sqrt(np.einsum("ij,jk,ik->i", rows, self.covariance, rows)))


@dataclass(frozen=True)
class Knowledge:
    """What the measured points say about the whole grid.

    Attributes
    ----------
    seconds
        Device-seconds per request, shape (m,), predicted for each candidate.
    relative_sd
        Shape (m,), of the less certain of joules and device-seconds.
    gain
        Shape (m,), of measuring a candidate once more.
    """

    seconds: FloatArray
    relative_sd: FloatArray
    gain: FloatArray

    @property
    def uncertainty(self) -> float:
        """Relative standard error that nine tenths of the grid's predictions stay below."""
        return float(np.quantile(self.relative_sd, QUANTILE))


def know(
    basis: Basis,
    points: FloatArray,
    energy_j: FloatArray,
    device_seconds: FloatArray,
    candidates: FloatArray,
) -> Knowledge:
    """Judge a grid by what was measured of it.

    Parameters
    ----------
    basis
        Basis of the cost model to be fitted.
    points
        Shape (n, 3), measured; repeats averaged.
    energy_j, device_seconds
        Shape (n,), per request, positive.
    candidates
        Shape (m, 3).

    Returns
    -------
    Knowledge
        Knowledge of the candidates.
    """
    features, asked = basis.features(*points.T), basis.features(*candidates.T)
    fits = [Quantity.fitted(features, measured) for measured in (energy_j, device_seconds)]
    spreads = [fit.relative_sd(asked) for fit in fits]
    gains = [np.log1p((sd / fit.noise) ** 2) for sd, fit in zip(spreads, fits, strict=True)]
    return Knowledge(asked @ fits[1].coefficients, np.maximum(*spreads), np.maximum(*gains))


def choose(knowledge: Knowledge, cost_s: FloatArray, measured: Sequence[int]) -> int | None:
    """Choose the candidate whose gain per square root of its seconds is largest.

    Parameters
    ----------
    knowledge
        What is known of m candidates.
    cost_s
        Shape (m,), seconds that measuring each takes, positive.
    measured
        Candidates that were measured already.

    Returns
    -------
    int or None
        Number of the candidate; None where all were measured.
    """
    worth = knowledge.gain / np.sqrt(cost_s)
    worth[list(measured)] = -1.0
    best = int(np.argmax(worth))
    return best if worth[best] >= 0 else None
