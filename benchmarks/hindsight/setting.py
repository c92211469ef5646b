"""What the studies of an hour are set to; their page says so in these very figures."""

from __future__ import annotations

HORIZON_S = 3600.0
"""Seconds of the hour."""
PERIOD_S = 120.0
"""Seconds between two forecasts."""
NOISE = 0.05
"""Standard deviation of the logarithm of measured over predicted: a single trial's (2 to 6 %)."""
FLOOR = 0.54
"""Floor on the mean quality where a device serves one request at a time."""
SHARED_FLOOR = 0.6
"""Floor on the mean quality where requests share a device."""
COPIES = 4
"""Copies of the trace, on shared devices: one alone leaves them half empty at the least
concurrency."""
