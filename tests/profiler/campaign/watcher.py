"""Who watches a campaign, and may end it as a kill would."""

from __future__ import annotations

import numpy as np

from profiler.campaign.stages import Step
from profiler.campaign.trial import Trial


class KilledError(Exception):
    """Stands for a process that ends between two windows."""


class Watcher:
    """Ends the campaign after so many windows."""

    def __init__(self, windows: float = np.inf) -> None:
        self._left = windows

    def step(self, step: Step, trials: list[Trial]) -> None:
        pass

    def window(self, trial: Trial) -> None:
        self._left -= 1
        if self._left < 0:
            raise KilledError
