"""How far a plan is, on standard error: a bar on a terminal, a line for each phase elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from planner.progress import OnProgress, ignore_progress
from planner.progress import Progress as PlanProgress


@contextmanager
def shown_progress(time_limit_s: float, *, quiet: bool) -> Iterator[OnProgress]:
    """Yield a callback that shows a plan's progress, until the block ends.

    The bar is full at `time_limit_s`: the solver may end before.
    """
    console = Console(stderr=True, highlight=False)
    if quiet:
        yield ignore_progress
    elif console.is_terminal:
        with _bar(console) as bar:
            yield _bar_progress(bar, time_limit_s)
    else:
        yield _line_progress(console)


def figures(progress: PlanProgress) -> str:
    """Return the incumbent and its gap in words.

    Examples
    --------
    >>> figures(PlanProgress("improving", 25221.3, 25220.9, 1.8e-5, 4.0))
    'objective 25221.3, gap 0.0018 %'
    >>> figures(PlanProgress("bounding", None, None, None, 1.0))
    'no plan yet'
    """
    if progress.incumbent is None:
        return "no plan yet"
    gap = "" if progress.gap is None else f", gap {100 * progress.gap:.2g} %"
    return f"objective {progress.incumbent:.6g}{gap}"


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<11}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _bar_progress(bar: Progress, time_limit_s: float) -> OnProgress:
    task = bar.add_task("starting", total=time_limit_s, figures="")

    def on_progress(progress: PlanProgress) -> None:
        completed = min(progress.elapsed_s, time_limit_s)
        bar.update(task, completed=completed, description=progress.phase, figures=figures(progress))

    return on_progress


def _line_progress(console: Console) -> OnProgress:
    phase, started = "", perf_counter()

    def on_progress(progress: PlanProgress) -> None:
        nonlocal phase
        if progress.phase != phase:
            phase, elapsed_s = progress.phase, perf_counter() - started
            console.print(f"{elapsed_s:8.2f} s  {phase:<11} {figures(progress)}", soft_wrap=True)

    return on_progress
