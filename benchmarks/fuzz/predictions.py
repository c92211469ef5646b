"""Checks an answer of `/predict`: shape, eligibility, intervals, sums."""

from __future__ import annotations

from benchmarks.fuzz.catalogue import Json
from benchmarks.fuzz.faults import Faults
from benchmarks.fuzz.question import Question

MATRICES = (
    "energy_joules",
    "device_seconds",
    "runtime_seconds",
    "energy_low_joules",
    "energy_high_joules",
    "extrapolated",
)


def check_prediction(asked: Question, answer: Json) -> list[str]:
    """Return what is wrong with the predictions of a question's requests."""
    faults, n, k = Faults(), len(asked.rows), len(asked.spots)
    for name in MATRICES:
        shape = [len(row) for row in answer[name]]
        if not faults.expect(shape == [k] * n, f"{name}: expected {n} rows of {k}"):
            return faults.found
    rows_ask = any(row.get("min_quality") is not None for row in asked.rows)
    for i in range(n):
        for j in range(k):
            fits = asked.may_run(i, j, scored=rows_ask)
            energy, seconds, runtime, low, high, outside = (answer[name][i][j] for name in MATRICES)
            there = [value is not None for value in (energy, seconds, runtime, outside)]
            if not faults.expect(set(there) == {fits}, f"{i}, {j}: {there}, eligible {fits}"):
                continue
            if fits:
                faults.expect(min(energy, seconds, runtime) > 0.0, f"{i}, {j}: not above 0")
                faults.expect(runtime >= seconds * (1 - 1e-9), f"{i}, {j}: runtime below its share")
                if low is not None:
                    faults.expect(low <= energy <= high, f"{i}, {j}: {low}, {energy}, {high}")
    return faults.found
