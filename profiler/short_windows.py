"""Windows too short for their meter: by how much their joules may be off, and the warning of it.

A run of joules E begins and ends between readings of a log. What is known of its edges:

- **Readings** are h seconds apart there, and the power between two of them is taken as the line
  between them. If it changes once from p to q somewhere between, and a share x of the h seconds is
  in the run, the line is off by at most x (1 - x/2) h |q - p|, so by h/2 times the peak P of the
  readings. Of a counter of energy only the part of its step that falls to the run is unknown: where
  the mean power goes from that of the step before to that of the step after, the line is off by at
  most x (1 - x) h |q - p|, so by h/4 times P.
- **Each reading is late**: a mean of the last w seconds lacks, at the beginning, up to w/2 times P
  of what the run drew (or has as much of what was drawn before), and the same at the end with the
  other sign; so w/2 times P together. A counter that is l seconds behind is off by l times P.
- **The moments** are written to r seconds, so run and log are apart by up to that: what is missed
  at one edge less what is had too much at the other is at most r times P.

So E is off by at most ``(h + w/2 + r) P``, or ``(h/2 + l + r) P`` of a counter, of each GPU. What
readings within the run miss is not in it: they are many and miss in both directions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.arrays import FloatArray
from profiler.power_limits import COUNTER_LAG_S

SHORT_WINDOW = "short_window"
"""Marks windows whose joules may be off by more than repeats of them would show."""
STEADY_S = 5.0
"""Windows at least this long are seen by energy counters to about 1 % (A100, repeats)."""
MAX_ERROR = 0.2
"""Share of the joules: about half of it is usual, which is as much as separate runs of a thing
differ."""
AVERAGED_S = 1.0
"""What `nvidia-smi` reports is a mean of that long on Ampere and newer (its --help-query-gpu)."""
INSTANT_S = 0.1
"""What it reports as instant is measured ten times a second (Yang et al., arXiv 2312.02741)."""
MIN_READINGS = 2
"""Readings within a run: fewer have no mean."""


@dataclass(frozen=True)
class Edges:
    """What is known of the edges of a run.

    Attributes
    ----------
    window_s
        Length of the run.
    period_s
        Seconds between readings at the edge where these are further apart; 0 where edges differ.
    resolution_s
        Resolution of the moments.
    error
        Largest error of the joules, over the joules.
    """

    window_s: float
    period_s: float
    resolution_s: float
    error: float

    @property
    def short(self) -> bool:
        """Whether a warning of it is due."""
        return self.window_s < STEADY_S or self.error > MAX_ERROR

    def describe(self) -> str:
        """Say what the window is short of, by how much it may be off, and what would do."""
        of = [f"a reading every {self.period_s:.3g} s"] if self.period_s else []
        of += [f"moments to {self.resolution_s:.3g} s"] if self.resolution_s >= 1e-3 else []
        enough = math.ceil(max(STEADY_S, self.window_s * self.error / MAX_ERROR))
        known = f" for {' and '.join(of)}" if of else ""
        return (
            f"a window of {self.window_s:.3g} s is short{known}: its joules may be off by up to "
            f"{self.error:.0%}; run for {enough} s or longer"
        )


def metered_edges(window_s: float) -> Edges:
    """Return the edges of a window that an energy counter was read at both ends of."""
    return Edges(window_s, 0.0, 0.0, COUNTER_LAG_S / window_s)


@dataclass(frozen=True)
class Lateness:
    """How late the readings of a log are.

    Attributes
    ----------
    late_s
        Half of what a reading is the mean of, or what a counter is behind.
    resolution_s
        Resolution of the moments of run and log, the coarser.
    """

    late_s: float
    resolution_s: float


def unknown_joules(
    at_s: FloatArray,
    values: FloatArray,
    ends: tuple[float, float],
    known: Lateness,
    *,
    counted: bool = False,
) -> tuple[float, float]:
    """Return how many joules of a GPU its readings leave open at the edges of a run.

    Parameters
    ----------
    at_s, values
        Shape (n,): moments in order, around the run [s], and watts, or joules of a counter.
    ends
        Beginning and end of the run.
    known
        How late the readings are.
    counted
        Whether they are of a counter.

    Returns
    -------
    tuple
        Seconds between readings, at the edge where they are further apart, and joules.

    Examples
    --------
    A reading a second, at once, and a run that begins and ends between readings: half a second of
    the peak at each edge.

    >>> unknown_joules(np.arange(9.0), np.full(9, 300.0), (2.5, 6.5), Lateness(0.0, 0.0))
    (1.0, 300.0)
    """
    periods = [_period_s(at_s, end) for end in ends]
    # A counter's step before that of the edge says what was drawn until then.
    around = [(2.0 if counted else 1.0) * period + known.resolution_s for period in periods]
    near = (at_s >= ends[0] - around[0]) & (at_s <= ends[1] + around[1])
    watts = np.diff(values[near]) / np.diff(at_s[near]) if counted else values[near]
    open_s = sum(periods) / (4.0 if counted else 2.0) + known.late_s + known.resolution_s
    return max(periods), open_s * float(np.max(watts))


def _period_s(at_s: FloatArray, edge_s: float) -> float:
    """Return the seconds between the readings around a moment."""
    after = min(max(int(np.searchsorted(at_s, edge_s)), 1), len(at_s) - 1)
    return float(at_s[after] - at_s[after - 1])


def short_window_notes(runs: Sequence[tuple[str, Edges]]) -> list[str]:
    """Say which of some runs are short, in one sentence.

    Parameters
    ----------
    runs
        Name and edges of each short one.

    Examples
    --------
    >>> short_window_notes([("1.json", metered_edges(4.0)), ("2.json", metered_edges(2.0))])[0][:57]
    '2.json and 1 more: a window of 2 s is short: its joules m'
    """
    if not runs:
        return []
    name, worst = max(runs, key=lambda run: run[1].error)
    others = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    return [f"{name}{others}: {worst.describe()}; flagged {SHORT_WINDOW}"]
