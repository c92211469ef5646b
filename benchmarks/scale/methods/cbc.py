"""PuLP with CBC, as the paper plans: one binary variable for each request and placement.

PuLP calls a plan "Optimal" also where CBC stopped at its time limit: its status is not read. When
CBC had which objective stands in its log.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import pulp

from benchmarks.scale.nominal import Nominal, NominalRow
from benchmarks.scale.outcome import MethodRun
from costmodel.arrays import IntArray

THREADS = 2
OBJECTIVE_TOLERANCE = 1e-3
"""How near to another's objective counts as having it."""

_FOUND = re.compile(
    r"(?:Cbc0012I Integer solution of|Cbc0016I Integer solution of|Cbc0004I Integer solution of)"
    r" (\S+) .*\((\d+(?:\.\d+)?) seconds\)"
)

Pairs = dict[tuple[int, int], pulp.LpVariable]


def cbc(
    nominal: Nominal, seconds: float, relative_gap: float, target: float | None = None
) -> MethodRun:
    """Build the program with PuLP and let CBC solve it.

    Parameters
    ----------
    seconds
        Time limit of CBC itself; building and writing the program come on top and are counted.
    target
        Objective of another: `MethodRun.reached_s` tells when it was reached within 0.1 %.
    """
    started = perf_counter()
    program, x, scale = _program(nominal)
    built = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "cbc.log"
        solver = pulp.PULP_CBC_CMD(
            threads=THREADS,
            timeLimit=seconds,
            gapRel=relative_gap,
            msg=False,
            logPath=str(log),
        )
        program.solve(solver)
        ended = perf_counter()
        text = log.read_text(encoding="utf-8")
    took = {"build": built - started, "solve": ended - built, "total": ended - started}
    placement = _placement(nominal, x)
    if placement is None:
        return MethodRun(took, word=f"nothing found in {seconds:g} s")
    cost = nominal.value(placement)
    reached = None
    if target is not None and cost <= target * (1.0 + OBJECTIVE_TOLERANCE):
        times = [
            s
            for value, s in incumbents(text)
            if value * scale <= target * (1.0 + OBJECTIVE_TOLERANCE)
        ]
        reached = took["build"] + min([took["solve"], *times])
    limit = "" if ended - built < seconds else f"stopped after {seconds:g} s"
    return MethodRun(took, cost, word=limit, reached_s=reached, placement=placement)


def incumbents(log: str) -> Iterator[tuple[float, float]]:
    """Return the objective of each plan that CBC logged and the seconds when it had it.

    Examples
    --------
    >>> line = "Cbc0012I Integer solution of 41.5 found by DiveCoefficient after 7 iterations and "
    >>> list(incumbents(line + "0 nodes (1.25 seconds)"))
    [(41.5, 1.25)]
    """
    for value, seconds in _FOUND.findall(log):
        yield float(value), float(seconds)


def _program(nominal: Nominal) -> tuple[pulp.LpProblem, Pairs, float]:
    """Return the program, its variables, and the factor of its objective.

    Costs are divided by their largest, as the paper does.
    """
    program = pulp.LpProblem("placement", pulp.LpMinimize)
    n, k = nominal.cost.shape
    pairs = list(zip(*(part.tolist() for part in np.nonzero(nominal.eligible)), strict=True))
    x = {(i, j): pulp.LpVariable(f"x_{i}_{j}", cat=pulp.LpBinary) for i, j in pairs}
    scale = float(np.abs(nominal.cost).max())
    objective = {
        x[pair]: c for pair, c in zip(pairs, _of(nominal.cost / scale, pairs), strict=True)
    }
    makespan = None
    if nominal.uses_makespan:
        maximum = nominal.deadline_s if np.isfinite(nominal.deadline_s) else None
        makespan = pulp.LpVariable("makespan", 0.0, maximum)
        objective[makespan] = nominal.makespan_cost / scale
    program += pulp.LpAffineExpression(objective)
    for i in range(n):
        program += pulp.lpSum(x[i, j] for j in range(k) if (i, j) in x) == 1
    for row in nominal.rows:
        total = _total(row, nominal, x, makespan)
        if np.isfinite(row.upper):
            program += total <= row.upper
        if row.lower > 0.0:
            program += total >= row.lower
    return program, x, scale


def _total(
    row: NominalRow, nominal: Nominal, x: Pairs, makespan: pulp.LpVariable | None
) -> pulp.LpAffineExpression:
    seen = nominal.eligible & row.columns[None, :]
    if row.members is not None:
        seen &= row.members[:, None]
    pairs = list(zip(*(part.tolist() for part in np.nonzero(seen)), strict=True))
    values = _of(np.broadcast_to(row.values, nominal.cost.shape), pairs)
    terms = {x[pair]: value for pair, value in zip(pairs, values, strict=True)}
    if row.makespan and makespan is not None:
        terms[makespan] = -row.makespan
    return pulp.LpAffineExpression(terms)


def _of(values: np.ndarray, pairs: list[tuple[int, int]]) -> list[float]:
    i, j = np.array(pairs).T
    return values[i, j].tolist()  # type: ignore[no-any-return]


def _placement(nominal: Nominal, x: Pairs) -> IntArray | None:
    """Return the placement of each request, None where CBC left any without one."""
    chosen = np.zeros(nominal.cost.shape)
    for (i, j), variable in x.items():
        chosen[i, j] = variable.value() or 0.0
    if (chosen.sum(axis=1) < 0.5).any():
        return None
    return np.asarray(chosen.argmax(axis=1))
