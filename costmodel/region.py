"""The profiled region: where a prediction interpolates and where it extrapolates.

The region is the *order hull* of the profiled points. Predictions grow with the tokens, so a
request is bracketed by measurements when some profiled point is at least as large in every axis and
some profiled point is at most as large in every axis. Two one-dimensional sweeps are an L, not its
box.
"""

import enum
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from costmodel.arrays import BoolArray, FlagArray, FloatArray
from costmodel.bases import TokenTerms
from costmodel.errors import InvalidCostModelError
from costmodel.staircase import Staircase

# Points are means of windows: equal up to rounding is equal.
EDGE_SHARE = 1e-9
_AXES = ("input_tokens", "output_tokens", "concurrency")


class Outside(enum.IntFlag):
    """Why a prediction extrapolates."""

    INPUT_TOKENS = 1
    OUTPUT_TOKENS = 2
    CONCURRENCY = 4
    INPUT_UNKNOWN = 8

    def reasons(self) -> tuple[str, ...]:
        """Return the names of the flags set, in lower case.

        Examples
        --------
        >>> Outside(5).reasons()
        ('input_tokens', 'concurrency')
        """
        return tuple((flag.name or "").lower() for flag in Outside if flag in self)


@dataclass(frozen=True)
class Range:
    """Smallest and largest profiled value of an axis."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class RegionSlice:
    """The region at one concurrency.

    Attributes
    ----------
    base : int
        Flags of every request: concurrency outside, input unknown.
    input_tokens : Range or None
        None where input lengths were never recorded.
    output_tokens : Range
        Profiled, over all concurrencies.
    upper, lower : Staircase or None
        Staircases of the points at or above, and at or below, this concurrency; None outside.
    """

    base: int
    input_tokens: Range | None
    output_tokens: Range
    upper: Staircase | None
    lower: Staircase | None

    def outside(self, input_tokens: FloatArray, output_tokens: FloatArray) -> FlagArray:
        """Return the flags of each request, shape (n,); see `ProfiledRegion.outside`."""
        flags = np.full(output_tokens.shape, self.base, dtype=np.uint8)
        both = Outside.OUTPUT_TOKENS.value
        _flag_outside(flags, output_tokens, self.output_tokens, Outside.OUTPUT_TOKENS)
        if self.input_tokens is not None:
            both |= Outside.INPUT_TOKENS.value
            _flag_outside(flags, input_tokens, self.input_tokens, Outside.INPUT_TOKENS)
        if self.upper is not None and self.lower is not None:
            inside = self.upper.covers(input_tokens, output_tokens)
            inside &= self.lower.covers(input_tokens, output_tokens)
            inside |= flags != self.base
            flags |= (~inside).view(np.uint8) * np.uint8(both)
        return flags

    def outside_of(self, tokens: TokenTerms) -> FlagArray:
        """Return the flags of each request, of any of its prompts, shape (n,).

        What lies between two prompts inside is inside too: the region is an order hull.
        """
        flags = [self.outside(inputs, tokens.output_tokens) for inputs in tokens.input_extremes]
        return flags[0] if len(flags) == 1 else np.bitwise_or(*flags)


@dataclass(frozen=True, eq=False)
class ProfiledRegion:
    """The order hull of profiled points.

    Attributes
    ----------
    points : ndarray of float64, shape (m, 3)
        Input tokens, output tokens and concurrency of the profiled points, m at least 1. Input
        tokens are nan in all rows where input lengths were never recorded.

    Raises
    ------
    InvalidCostModelError
        If the points are not finite numbers of that shape, tokens are negative, a concurrency is
        below 1, or input tokens are nan in some rows only.

    Examples
    --------
    >>> region = ProfiledRegion(np.array([[8.0, 8.0, 1.0], [512.0, 8.0, 1.0], [8.0, 512.0, 1.0]]))
    >>> region.outside([100.0, 400.0, 1000.0], [8.0, 400.0, 8.0], 1.0)
    array([0, 3, 1], dtype=uint8)
    """

    points: FloatArray

    def __post_init__(self) -> None:
        points = np.array(self.points, dtype=np.float64)
        _check_points(points)
        points.flags.writeable = False
        object.__setattr__(self, "points", points)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProfiledRegion):
            return NotImplemented
        return np.array_equal(self.points, other.points, equal_nan=True)

    def __hash__(self) -> int:
        return hash(self.points.tobytes())

    def __getstate__(self) -> dict[str, FloatArray]:
        return {"points": self.points}

    @property
    def input_known(self) -> bool:
        """Whether input lengths were recorded."""
        return not bool(np.isnan(self.points[0, 0]))

    @property
    def max_concurrency(self) -> float:
        """Largest profiled concurrency."""
        return float(self.points[:, 2].max())

    def ranges(self) -> dict[str, tuple[float, float] | None]:
        """Return smallest and largest profiled value of each axis; None where never recorded."""
        lows, highs = self.points.min(axis=0), self.points.max(axis=0)
        spans = {
            name: (float(low), float(high))
            for name, low, high in zip(_AXES, lows, highs, strict=True)
        }
        return {name: None if np.isnan(span[0]) else span for name, span in spans.items()}

    def at(self, concurrency: float) -> RegionSlice:
        """Return the region at one concurrency, to judge many requests by.

        Parameters
        ----------
        concurrency : float
            Requests that share the device, at least 1.
        """
        levels = self._levels
        above = int(np.searchsorted(levels, concurrency * (1.0 - EDGE_SHARE), side="left"))
        below = int(np.searchsorted(levels, concurrency * (1.0 + EDGE_SHARE), side="right"))
        return self._slice(above, below)

    def outside(
        self,
        input_tokens: npt.ArrayLike,
        output_tokens: npt.ArrayLike,
        concurrency: npt.ArrayLike,
    ) -> FlagArray:
        """Return why each request is outside the region, 0 where it is inside.

        Parameters
        ----------
        input_tokens, output_tokens : array_like, shape (n,)
            Tokens, at least 0.
        concurrency : array_like, scalar or shape (n,)
            Requests that share the device, at least 1.

        Returns
        -------
        ndarray of uint8, shape (n,)
            Bits of `Outside`. A value outside its axis' profiled range sets that axis' flag. Inside
            all ranges yet outside the hull sets both token flags: it is the pair of lengths, at
            that concurrency, that was not bracketed. Where input lengths were never recorded,
            `Outside.INPUT_UNKNOWN` is always set and the rest is judged without them.
        """
        tin, tout = np.atleast_1d(
            np.asarray(input_tokens, dtype=np.float64), np.asarray(output_tokens, dtype=np.float64)
        )
        batch = np.asarray(concurrency, dtype=np.float64)
        if batch.ndim == 0:
            tin, tout = np.broadcast_arrays(tin, tout)
            return self.at(float(batch)).outside(tin, tout)
        return self._outside_by_level(*np.broadcast_arrays(tin, tout, batch))

    def _outside_by_level(
        self, input_tokens: FloatArray, output_tokens: FloatArray, concurrency: FloatArray
    ) -> FlagArray:
        # Concurrencies between the same two profiled levels share one slice.
        above = np.searchsorted(self._levels, concurrency * (1.0 - EDGE_SHARE), side="left")
        below = np.searchsorted(self._levels, concurrency * (1.0 + EDGE_SHARE), side="right")
        flags = np.empty(concurrency.shape, dtype=np.uint8)
        for pair in np.unique(np.stack([above, below], axis=1), axis=0):
            rows = (above == pair[0]) & (below == pair[1])
            part = self._slice(int(pair[0]), int(pair[1]))
            flags[rows] = part.outside(input_tokens[rows], output_tokens[rows])
        return flags

    def _slice(self, above: int, below: int) -> RegionSlice:
        if (above, below) not in self._slices:
            self._slices[above, below] = self._cut(above, below)
        return self._slices[above, below]

    def _cut(self, above: int, below: int) -> RegionSlice:
        levels = self._levels
        base = 0 if self.input_known else Outside.INPUT_UNKNOWN.value
        is_outside = above == levels.size or below == 0
        return RegionSlice(
            base=base | (Outside.CONCURRENCY.value if is_outside else 0),
            input_tokens=self._range(0) if self.input_known else None,
            output_tokens=self._range(1),
            upper=None if is_outside else self._staircase(levels[above], upper=True),
            lower=None if is_outside else self._staircase(levels[below - 1], upper=False),
        )

    def _staircase(self, level: float, *, upper: bool) -> Staircase:
        batch = self.points[:, 2]
        rows = self.points[batch >= level] if upper else self.points[batch <= level]
        tin = rows[:, 0] if self.input_known else np.zeros(len(rows))
        slack = 1.0 + EDGE_SHARE if upper else 1.0 - EDGE_SHARE
        return Staircase.of(
            tin * slack, rows[:, 1] * slack, upper=upper, one_axis=not self.input_known
        )

    def _range(self, axis: int) -> Range:
        values = self.points[:, axis]
        return Range(
            float(values.min()) * (1.0 - EDGE_SHARE),
            float(values.max()) * (1.0 + EDGE_SHARE),
        )

    @cached_property
    def _slices(self) -> dict[tuple[int, int], RegionSlice]:
        return {}

    @cached_property
    def _levels(self) -> FloatArray:
        return np.unique(self.points[:, 2])


def _flag_outside(flags: FlagArray, values: FloatArray, span: Range, flag: Outside) -> None:
    # Negated, so that nan is outside.
    inside: BoolArray = (values >= span.low) & (values <= span.high)
    flags |= (~inside).view(np.uint8) * np.uint8(flag.value)


def _check_points(points: FloatArray) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or not points.size:
        msg = f"Expected profiled points of shape (m, 3) with m of at least 1, got {points.shape}."
        raise InvalidCostModelError(msg)
    unknown = np.isnan(points[:, 0])
    if unknown.any() and not unknown.all():
        msg = f"Expected input tokens to be nan in all points or none, got {unknown.sum()} nan."
        raise InvalidCostModelError(msg)
    known = points[:, 1:] if unknown.all() else points
    if not np.isfinite(known).all() or known.min() < 0 or points[:, 2].min() < 1:
        msg = "Expected finite profiled points, tokens of at least 0 and concurrency of at least 1"
        raise InvalidCostModelError(f"{msg}, got {points.tolist()[:4]}.")
