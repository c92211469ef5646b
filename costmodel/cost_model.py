"""Joules and device-seconds of one LLM on one device."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from costmodel.arrays import FloatArray
from costmodel.bases import BASES, CONTROL_BASIS, Basis, TokenTerms
from costmodel.errors import InvalidCostModelError
from costmodel.intervals import ConformalInterval
from costmodel.names import check_llm, device_num_gpus
from costmodel.provenance import Provenance
from costmodel.region import ProfiledRegion

LARGEST_COEFFICIENT = 1e12
"""A terajoule for a token: beyond it is no measurement, and sums of it overflow."""


@dataclass(frozen=True)
class CostModel:
    """A basis with its coefficients, and what is known about them.

    Attributes
    ----------
    llm, device : str
        Names, see `costmodel.names`.
    num_gpus : int
        Accelerators of the device, as its name says.
    basis : str
        A key of `costmodel.bases.BASES`, other than the control ``bilinear``.
    energy_coefficients, device_seconds_coefficients : tuple of float
        One for each term of the basis, finite and at least 0; J and s per request.
    region : ProfiledRegion
        Where predictions interpolate.
    energy_interval, device_seconds_interval : ConformalInterval or None
        None where there were too few points.
    load_s, load_energy_j : float or None
        Seconds and joules of loading the LLM; None where not measured.
    idle_watts : float or None
        Idle power of the whole device, the LLM resident; None where not measured.
    max_context_tokens : int or None
        Input plus output tokens that the LLM can serve; None where not known.
    mixed_lengths : mapping or None
        Scores on windows of mixed lengths; None where none were measured.
    provenance : Provenance
        Where it comes from.
    errors : mapping
        Cross-validated errors and the control's, plain data.

    Raises
    ------
    InvalidCostModelError
        If a value is out of range.
    NameRefusedError
        If a name is none.
    """

    llm: str
    device: str
    num_gpus: int
    basis: str
    energy_coefficients: tuple[float, ...]
    device_seconds_coefficients: tuple[float, ...]
    region: ProfiledRegion
    provenance: Provenance
    energy_interval: ConformalInterval | None = None
    device_seconds_interval: ConformalInterval | None = None
    load_s: float | None = None
    load_energy_j: float | None = None
    idle_watts: float | None = None
    max_context_tokens: int | None = None
    mixed_lengths: Mapping[str, Any] | None = None
    errors: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_llm(self.llm)
        if self.num_gpus != device_num_gpus(self.device):
            msg = f"Expected num_gpus as device {self.device} says, got {self.num_gpus}."
            raise InvalidCostModelError(msg)
        basis = _shippable(self.basis)
        for name in ("energy_coefficients", "device_seconds_coefficients"):
            object.__setattr__(self, name, _coefficients(getattr(self, name), name, basis))
        for name in ("load_s", "load_energy_j", "idle_watts"):
            _check_at_least(getattr(self, name), name, 0)
        _check_at_least(self.max_context_tokens, "max_context_tokens", 1)
        if basis.needs_input and not self.region.input_known:
            msg = f"Expected recorded input tokens for basis {self.basis}, got none."
            raise InvalidCostModelError(msg)

    @property
    def max_concurrency(self) -> float:
        """Largest profiled concurrency."""
        return self.region.max_concurrency

    def energy_j(
        self,
        input_tokens: npt.ArrayLike,
        output_tokens: npt.ArrayLike,
        concurrency: npt.ArrayLike,
    ) -> FloatArray:
        """Return the joules of each request.

        Parameters
        ----------
        input_tokens : array_like, shape (n,)
            Tokens, at least 0; nan is admitted where the basis does not need them.
        output_tokens : array_like, shape (n,)
            Tokens, at least 0.
        concurrency : array_like, scalar or shape (n,)
            Requests that share the device, any real of at least 1.

        Returns
        -------
        ndarray of float64, shape (n,)
            Joules per request at that concurrency, at least 0.

        Raises
        ------
        InvalidCostModelError
            If tokens or concurrency are out of range.
        """
        return self.energy_of(*self._checked(input_tokens, output_tokens, concurrency))

    def device_seconds(
        self,
        input_tokens: npt.ArrayLike,
        output_tokens: npt.ArrayLike,
        concurrency: npt.ArrayLike,
    ) -> FloatArray:
        """Return the seconds that each request takes of a device: its runtime over concurrency.

        Parameters, shapes and errors as `energy_j`; at least 0 s.
        """
        return self.device_seconds_of(*self._checked(input_tokens, output_tokens, concurrency))

    def energy_bounds_j(
        self,
        input_tokens: npt.ArrayLike,
        output_tokens: npt.ArrayLike,
        concurrency: npt.ArrayLike,
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return the 90 % interval of `energy_j` of each request, None where there is none.

        Parameters, shapes and errors as `energy_j`.
        """
        return self.energy_bounds_of(*self._checked(input_tokens, output_tokens, concurrency))

    def device_seconds_bounds(
        self,
        input_tokens: npt.ArrayLike,
        output_tokens: npt.ArrayLike,
        concurrency: npt.ArrayLike,
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return the 90 % interval of `device_seconds` of each request, None where there is none.

        Parameters, shapes and errors as `energy_j`.
        """
        checked = self._checked(input_tokens, output_tokens, concurrency)
        return self.device_seconds_bounds_of(*checked)

    def energy_of(self, tokens: TokenTerms, concurrency: npt.ArrayLike) -> FloatArray:
        """Return `energy_j` of requests given by the functions of their tokens, shape (n,)."""
        batch = checked_concurrency(concurrency)
        return BASES[self.basis].evaluate(self.energy_coefficients, tokens, batch)

    def device_seconds_of(self, tokens: TokenTerms, concurrency: npt.ArrayLike) -> FloatArray:
        """Return `device_seconds` of requests given by the functions of their tokens, (n,)."""
        batch = checked_concurrency(concurrency)
        return BASES[self.basis].evaluate(self.device_seconds_coefficients, tokens, batch)

    def energy_bounds_of(
        self, tokens: TokenTerms, concurrency: npt.ArrayLike
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return `energy_bounds_j` of requests given by the functions of their tokens, (n,)."""
        if self.energy_interval is None:
            return None
        runtime_s = self.device_seconds_of(tokens, concurrency) * checked_concurrency(concurrency)
        return self.energy_interval.bounds(self.energy_of(tokens, concurrency), runtime_s)

    def device_seconds_bounds_of(
        self, tokens: TokenTerms, concurrency: npt.ArrayLike
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return `device_seconds_bounds` given the functions of requests' tokens, (n,) each."""
        if self.device_seconds_interval is None:
            return None
        seconds = self.device_seconds_of(tokens, concurrency)
        return self.device_seconds_interval.bounds(
            seconds, seconds * checked_concurrency(concurrency)
        )

    def _checked(
        self,
        input_tokens: npt.ArrayLike,
        output_tokens: npt.ArrayLike,
        concurrency: npt.ArrayLike,
    ) -> tuple[TokenTerms, float | FloatArray]:
        tin, tout = np.broadcast_arrays(
            np.atleast_1d(np.asarray(input_tokens, dtype=np.float64)),
            np.atleast_1d(np.asarray(output_tokens, dtype=np.float64)),
        )
        if BASES[self.basis].needs_input:
            _check_tokens(tin, "input_tokens")
        _check_tokens(tout, "output_tokens")
        return TokenTerms(tin, tout), checked_concurrency(concurrency)


def checked_concurrency(concurrency: npt.ArrayLike) -> float | FloatArray:
    """Return a concurrency as a float, or as an array where it is one.

    Raises
    ------
    InvalidCostModelError
        If any is not finite or below 1.
    """
    batch = np.asarray(concurrency, dtype=np.float64)
    if not np.all(np.isfinite(batch) & (batch >= 1)):
        msg = f"Expected a finite concurrency of at least 1, got {concurrency!r:.100}."
        raise InvalidCostModelError(msg)
    return float(batch) if batch.ndim == 0 else batch


def _shippable(basis: str) -> Basis:
    if basis == CONTROL_BASIS or basis not in BASES:
        names = ", ".join(name for name in BASES if name != CONTROL_BASIS)
        msg = f"Expected a basis out of {names}, got {basis!r:.100}."
        raise InvalidCostModelError(msg)
    return BASES[basis]


def _coefficients(values: tuple[float, ...], name: str, basis: Basis) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != len(basis.terms):
        msg = f"Expected {len(basis.terms)} {name} for basis {basis.name}, got {len(numbers)}."
        raise InvalidCostModelError(msg)
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        msg = f"Expected {name} finite and at least 0, got {numbers}."
        raise InvalidCostModelError(msg)
    if not 0 < max(numbers) <= LARGEST_COEFFICIENT:
        msg = f"Expected {name} of which one is above 0 and none above {LARGEST_COEFFICIENT:g}."
        raise InvalidCostModelError(msg)
    return numbers


def _check_at_least(value: float | None, name: str, minimum: float) -> None:
    if value is not None and not (math.isfinite(value) and value >= minimum):
        msg = f"Expected {name} to be null or finite and at least {minimum}, got {value}."
        raise InvalidCostModelError(msg)


def _check_tokens(tokens: FloatArray, name: str) -> None:
    if tokens.size and not (tokens.min() >= 0 and tokens.max() < np.inf):
        msg = f"Expected finite {name} of at least 0, got others."
        raise InvalidCostModelError(msg)
