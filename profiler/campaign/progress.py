"""How far a campaign is, on standard error: a bar on a terminal, else a line for each point."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from costmodel.nearest import counted
from profiler.campaign.stages import MIN_CAMPAIGN_POINTS, Design, Step
from profiler.campaign.trial import Trial
from profiler.fit.selection import IMPOSSIBLE_FLAG
from profiler.plausibility import misread_window


class CampaignProgress:
    """Shows points done, the uncertainty left, and what is left of the budget.

    Parameters
    ----------
    design
        What the campaign is to reach.
    candidates
        Points of the grid.
    """

    def __init__(self, design: Design, candidates: int) -> None:
        self._design, self._candidates = design, candidates
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=1.0, figures="")
        self._step: Step | None = None
        self._trials: list[Trial] = []
        self._warned = False

    def step(self, step: Step, trials: list[Trial]) -> None:
        """A point is about to be measured."""
        self._step, self._trials = step, trials
        self._show()
        if not self._console.is_terminal:
            self._console.print(self._title(), self._figures(), sep=" | ", highlight=False)

    def window(self, trial: Trial) -> None:
        """A window has ended and is on disk."""
        self._show()
        misread = misread_window(trial.cells)
        if misread is not None and not self._warned:
            self._warned = True
            said = f"{misread}. Such windows are kept, marked {IMPOSSIBLE_FLAG}, and not fitted."
            self._console.print(said, highlight=False)
        if not self._console.is_terminal:
            flags = f", {trial.cells['flags']}" if trial.cells["flags"] else ""
            requests = counted(int(trial.cells["requests"]), "request")
            said = (
                f"  {float(trial.cells['window_s']):.1f} s, {requests}: "
                f"{trial.energy_j:.4g} J and {trial.device_seconds:.4g} device-seconds each{flags}"
            )
            self._console.print(said, highlight=False)

    def __enter__(self) -> Self:
        """Draw the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self._bar.stop()

    def _show(self) -> None:
        self._bar.update(
            self._task,
            description=self._title(),
            completed=self._share(),
            figures=self._figures(),
        )

    def _title(self) -> str:
        if self._step is None or self._step.point is None:
            return "ending"
        point = self._step.point
        lengths = f"{point.input_tokens}+{point.output_tokens} tokens x{point.concurrency}"
        return f"{self._step.stage}: {'mix about ' if point.mixed else ''}{lengths}"

    def _figures(self) -> str:
        done = len({t.point for t in self._trials if not t.warm_up and not t.point.mixed})
        shown = [f"{done} of {counted(self._candidates, 'point')}"]
        known = self._step.knowledge if self._step else None
        if known is not None:
            wanted = f" (wanted {self._design.target_error:.1%})"
            shown.append(f"uncertainty {known.uncertainty:.1%}{wanted}")
        seconds, joules = self._spent()
        left = self._design.max_seconds
        shown.append(f"{seconds / 60:.1f} min" + (f" of {left / 60:g}" if left else ""))
        left = self._design.max_joules
        shown.append(f"{joules / 1e3:.1f} kJ" + (f" of {left / 1e3:g}" if left else ""))
        return ", ".join(shown)

    def _share(self) -> float:
        """Return how much is done: of the budget, or of the way to the wanted uncertainty."""
        seconds, joules = self._spent()
        shares = [0.0]
        if self._design.max_seconds:
            shares.append(seconds / self._design.max_seconds)
        if self._design.max_joules:
            shares.append(joules / self._design.max_joules)
        known = self._step.knowledge if self._step else None
        points = {trial.point for trial in self._trials if not trial.warm_up}
        if known is not None and known.uncertainty > 0:
            # Standard errors fall with the square root of what was measured.
            near = min(1.0, (self._design.target_error / known.uncertainty) ** 2)
            shares.append(min(near, len(points) / MIN_CAMPAIGN_POINTS))
        return min(1.0, max(shares))

    def _spent(self) -> tuple[float, float]:
        return sum(t.spent_s for t in self._trials), sum(t.spent_j for t in self._trials)
