"""What was profiled of a placement, as plain numbers: whether a prediction interpolates.

The region of `costmodel.region` at one concurrency (a test holds the two together), judged one
request at a time, where a call of numpy would take longer than the decision.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from costmodel.region import RegionSlice

Steps = tuple[float, ...]


class Profiled(NamedTuple):
    """The order hull of the profiled lengths at one concurrency.

    Attributes
    ----------
    inputs, outputs
        Smallest and largest profiled tokens of prompts and of answers.
    upper, lower
        Input tokens at which the limits of the output tokens change, and these limits: one more.
    """

    inputs: tuple[float, float]
    outputs: tuple[float, float]
    upper: tuple[Steps, Steps]
    lower: tuple[Steps, Steps]

    @classmethod
    def of(cls, region: RegionSlice) -> Profiled | None:
        """Return what was profiled; None where nothing was at that concurrency.

        So it is too where input lengths were never recorded: any prompt may be beyond them.
        """
        inputs, upper, lower = region.input_tokens, region.upper, region.lower
        if region.base or inputs is None or upper is None or lower is None:
            return None
        return cls(
            (inputs.low, inputs.high),
            (region.output_tokens.low, region.output_tokens.high),
            (tuple(upper.steps.tolist()), tuple(upper.limits.tolist())),
            (tuple(lower.steps.tolist()), tuple(lower.limits.tolist())),
        )

    def holds(self, input_tokens: float, output_tokens: float) -> bool:
        """Say whether a request of these tokens lies between profiled ones in every axis."""
        if not self.inputs[0] <= input_tokens <= self.inputs[1]:
            return False
        if not self.outputs[0] <= output_tokens <= self.outputs[1]:
            return False
        steps, most = self.upper
        if output_tokens > most[bisect_left(steps, input_tokens)]:
            return False
        steps, least = self.lower
        return output_tokens >= least[bisect_right(steps, input_tokens)]
