"""Least-squares fits: the non-negative weighted one that ships, and the paper's as a control."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from costmodel.arrays import FloatArray
from profiler.errors import UnfittablePairError

RESIDUAL_EXPONENT = -0.75
"""A residual counts `measured ** -0.75`, as if its variance grew with `measured ** 1.5`.

Between -1 (every trial alike in relative terms) and 0 (joules alone). Means over the seven A100
grids of Wilkins et al., energy, cross-validated MAPE, WAPE and error at the longest prompts held
out: -0.75 gives 4.0, 1.7 and 3.5 %; -1 gives 3.9, 2.4 and 7.0 %; -0.5 gives 4.7, 1.4 and 2.0 %.
Counting windows under a second less, since the energy counter is coarse, gives 4.2, 1.7 and 3.4 %.
"""


def fit_non_negative(features: FloatArray, measured: FloatArray) -> FloatArray:
    """Fit non-negative coefficients by weighted least squares.

    Minimises ``sum((measured ** -0.75 * (features @ c - measured)) ** 2)`` over ``c >= 0``. Columns
    are scaled to length one first: theirs span fifteen decades.

    Parameters
    ----------
    features
        Shape (n, p), zero or more.
    measured
        Shape (n,), positive; joules or device-seconds per request.

    Returns
    -------
    numpy.ndarray
        Shape (p,), each zero or more.

    Raises
    ------
    UnfittablePairError
        If the solver gives up.

    Examples
    --------
    >>> tokens = np.array([[1.0, 8.0], [1.0, 64.0], [1.0, 512.0]])
    >>> fit_non_negative(tokens, tokens @ np.array([2.0, 0.5])).round(6).tolist()
    [2.0, 0.5]
    """
    weights = measured**RESIDUAL_EXPONENT
    weighted = features * weights[:, None]
    lengths = np.linalg.norm(weighted, axis=0)
    lengths[lengths == 0] = 1.0
    try:
        coefficients, _ = nnls(weighted / lengths, measured * weights)
    except RuntimeError as error:
        raise UnfittablePairError(f"the least squares do not converge ({error})") from error
    return np.asarray(coefficients / lengths, dtype=np.float64)


def fit_ordinary(features: FloatArray, measured: FloatArray) -> FloatArray:
    """Fit signed coefficients by ordinary least squares without an intercept.

    The fit of Wilkins, Keshav and Mortier (arXiv 2407.04014), kept as the control.

    Parameters
    ----------
    features
        Shape (n, p).
    measured
        Shape (n,).

    Returns
    -------
    numpy.ndarray
        Shape (p,), of any sign.
    """
    return np.asarray(np.linalg.lstsq(features, measured, rcond=None)[0], dtype=np.float64)


def significant(value: float, digits: int) -> float:
    """Round to significant digits, so that another machine's last bits change no artefact.

    Parameters
    ----------
    value
        Any finite number.
    digits
        One or more.

    Returns
    -------
    float
        The nearest number of that many digits.

    Examples
    --------
    >>> significant(0.00123456, 3)
    0.00123
    """
    return float(f"{value:.{digits}g}")
