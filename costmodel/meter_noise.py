"""How far the metered joules and seconds of a short run scatter.

Short runs are metered worse than long ones: the scale of a log residual is
``sqrt(0.04^2 + min(0.25, 0.08 s / runtime)^2)``, 1.645 times the repeat variation of the NVML
energy counter (15 % below half a second, 6 % up to one, 1 % above five), which is its 90 % half
width, on top of a floor for what the form misses.
"""

from math import sqrt

RELATIVE_FLOOR = 0.04
METER_SECONDS = 0.08
MAX_METER_NOISE = 0.25
MAX_EXPONENT = 300.0
"""Exponent beyond which an interval says nothing, and below which no product overflows."""


def log_residual_sigma(runtime_s: float) -> float:
    """Return the scale of a log residual of one request, as `costmodel.intervals.residual_sigma`.

    Parameters
    ----------
    runtime_s
        Seconds from sending a request to its last token, at least 0.
    """
    noise = METER_SECONDS / max(runtime_s, METER_SECONDS / MAX_METER_NOISE)
    return sqrt(RELATIVE_FLOOR * RELATIVE_FLOOR + noise * noise)
