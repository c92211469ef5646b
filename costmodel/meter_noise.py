"""How far the metered joules and seconds of a short run scatter.

Short runs are metered worse than long ones: the scale of a log residual is
``sqrt(0.04^2 + (0.08 s / runtime)^2)``, the repeat variation of the NVML energy counter (15 % below
half a second, 6 % up to one, 1 % above five) on top of a floor for what the form misses.
"""

from math import sqrt

RELATIVE_FLOOR = 0.04
METER_SECONDS = 0.08
MIN_RUNTIME_S = 1e-9
MAX_EXPONENT = 300.0
"""Beyond its exponential an interval says nothing; below it no product of one overflows."""


def log_residual_sigma(runtime_s: float) -> float:
    """Return the scale of a log residual, dimensionless, at least 0.04.

    Parameters
    ----------
    runtime_s
        Seconds from sending a request to its last token, at least 0.
    """
    noise = METER_SECONDS / max(runtime_s, MIN_RUNTIME_S)
    return sqrt(RELATIVE_FLOOR * RELATIVE_FLOOR + noise * noise)
