"""A recorded campaign measured again, from its rows: what a design costs and what it learns."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from costmodel.arrays import IntArray
from costmodel.provenance import SIMULATED
from profiler.campaign.points import Point
from profiler.campaign.rig import Measured, Rig
from profiler.campaign.trial import EXTRA_COLUMNS, Trial
from profiler.errors import UnusableInputError
from profiler.fit.cells import grid_cells
from profiler.fit.pair_facts import pair_facts
from profiler.fit.selection import choose_trials
from profiler.fit.training import choose_basis
from profiler.observation_files import texts
from profiler.observations import COLUMNS, Observations

_SPENT = ("runtime_s", "energy_gpu_j")


class ReplayRig(Rig):
    """Gives out the recorded windows of a pair, in their order.

    Parameters
    ----------
    llm, device
        The pair.
    recorded
        Observations of it, with input lengths.

    Raises
    ------
    UnusableInputError
        If no window was recorded of the pair that can be measured again.
    """

    def __init__(self, llm: str, device: str, recorded: Observations) -> None:
        pair = recorded.take((recorded.llm == llm) & (recorded.device == device))
        if not len(pair):
            raise UnusableInputError(f"Expected recorded trials of {llm} on {device}, got none.")
        facts = pair_facts(llm, device, pair, None)
        chosen, _ = choose_trials(pair, facts.energy_scope)
        self._trials = pair.take(chosen)
        self.basis = choose_basis(self._trials)
        if not self.basis.needs_input:
            raise UnusableInputError(
                "Expected recorded input lengths, got none: nothing to choose."
            )
        self._scope = facts.energy_scope
        self._rows = [dict(zip(COLUMNS, row, strict=False)) for row in texts(self._trials)]
        cells = grid_cells(
            self._trials.concurrency, self._trials.input_tokens, self._trials.output_tokens
        )
        self._by_point: dict[Point, list[int]] = {}
        for cell in np.unique(cells):
            members = np.flatnonzero(cells == cell)
            self._by_point.setdefault(self._point(members), []).extend(members.tolist())

    def candidates(self) -> list[Point]:
        """Return the recorded points."""
        return sorted(self._by_point)

    def windows(self, point: Point, stage: str, done: int) -> Generator[Measured, None, None]:
        """Give out the rows of a point that were not yet given."""
        for place in self._by_point[point][done:]:
            seconds, joules = (float(self._rows[place][name]) for name in _SPENT)
            known = self._rows[place] | {
                "source": SIMULATED,
                "stage": stage,
                "asked_input_tokens": str(point.input_tokens),
                "asked_output_tokens": str(point.output_tokens),
                "asked_concurrency": str(point.concurrency),
                "requests": "1",
                "window_s": repr(seconds),
                "spent_s": repr(seconds),
                "spent_j": repr(joules),
                "meter": "replay",
                "energy_scope": self._scope,
            }
            cells = dict.fromkeys(EXTRA_COLUMNS, "") | known
            yield Measured(Trial(point, stage, cells))

    def max_windows(self, point: Point) -> int:
        """Return the recorded windows of a point."""
        return len(self._by_point[point])

    def cost_s(self, point: Point, device_seconds: float, windows: int) -> float:
        """Return the seconds of its requests: nothing is waited for."""
        return device_seconds * point.concurrency * min(windows, self.max_windows(point))

    def mixes(self) -> list[Point]:
        """Return no windows of a mix: none was recorded."""
        return []

    def _point(self, members: IntArray) -> Point:
        tin, tout, batch = (
            float(np.max(values[members]))
            for values in (
                self._trials.input_tokens,
                self._trials.output_tokens,
                self._trials.concurrency,
            )
        )
        # Answers stop up to a quarter short of their limit, which doubled from point to point.
        return Point(round(tin), round(2.0 ** np.ceil(np.log2(tout * 0.97))), round(batch))
