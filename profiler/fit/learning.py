"""What the fit of a pair learns from: uniform windows, and mixed ones where those do not suffice.

Windows of mixed lengths judge a fit on uniform ones, which is what a live campaign measures them
for; a window is never both learnt from and scored by. Where uniform windows alone give no fit, or
one that cannot tell prompts from answers, all windows teach, and nothing is left to score apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from costmodel.arrays import BoolArray
from profiler.errors import UnfittablePairError
from profiler.fit.selection import MEANS_UNKNOWN, REMEDIES, choose_trials
from profiler.fit.training import TrainingSet, training_set
from profiler.length_mix import MIXED_FLAG
from profiler.observations import Observations


@dataclass(frozen=True)
class Learning:
    """The trials that a fit learns from.

    Attributes
    ----------
    chosen
        Shape (n,), of all trials of the pair.
    left_out
        Number of the others by reason.
    mixed
        Number of the chosen that are windows of mixed lengths.
    """

    chosen: BoolArray
    left_out: Mapping[str, int]
    mixed: int


def choose_learning(trials: Observations, scope: str) -> tuple[Learning, TrainingSet]:
    """Choose what a pair's fit learns from.

    Parameters
    ----------
    trials
        All trials of the pair.
    scope
        Energy scope.

    Returns
    -------
    tuple
        The choice, and the arrays to fit.

    Raises
    ------
    UnfittablePairError
        If nothing suffices; it says how many trials are left out for which reason, and what to do
        about it.
    """
    found = choose_trials(trials, scope)
    everything = choose_trials(trials, scope, mixed=True)
    if everything[0].sum() == found[0].sum():
        return _taught_by_means(trials, scope, *found)
    try:
        learning, data = _taught(trials, scope, *found)
    except UnfittablePairError:
        return _taught_by_means(trials, scope, *everything)
    # Uniform windows of one mix know no prompts; of other lengths, the mixed ones may.
    return (learning, data) if data.basis.needs_input else _taught(trials, scope, *everything)


def _taught_by_means(
    trials: Observations, scope: str, chosen: BoolArray, left_out: Mapping[str, int]
) -> tuple[Learning, TrainingSet]:
    """Learn from windows of unknown mixes too, where only the mean lengths count."""
    try:
        return _taught(trials, scope, chosen, left_out)
    except UnfittablePairError:
        if MEANS_UNKNOWN not in left_out:
            raise
        with suppress(UnfittablePairError):
            learning, data = _taught(
                trials, scope, *choose_trials(trials, scope, mixed=True, unknown_means=True)
            )
            if not data.basis.needs_input:
                return learning, data
        raise


def _taught(
    trials: Observations, scope: str, chosen: BoolArray, left_out: Mapping[str, int]
) -> tuple[Learning, TrainingSet]:
    if not chosen.any():
        raise UnfittablePairError(_nothing_left(len(trials), left_out))
    learnt = trials.take(chosen)
    try:
        data = training_set(learnt, scope)
    except UnfittablePairError as error:
        if not left_out:
            raise
        msg = f"{error}. Left out: {describe_left_out(left_out)}"
        raise UnfittablePairError(msg) from None
    return Learning(chosen, left_out, int(learnt.flagged(MIXED_FLAG).sum())), data


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Say how many trials are left out for which reason, and what to do about each."""
    return "; ".join(f"{count} {why} ({REMEDIES[why]})" for why, count in left_out.items())


def _nothing_left(count: int, left_out: Mapping[str, int]) -> str:
    return f"no trial to learn from, of {count}: {describe_left_out(left_out)}"
