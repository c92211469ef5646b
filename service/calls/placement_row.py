"""A placement of the service's own fleet as plain numbers, cheap enough for each request.

Built in a worker (`service.calls.fleet.decision_table`), sent with its description, and evaluated
in the process that serves HTTP, which holds no numpy.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from costmodel.one_request import Prompts, Weights

Steps = tuple[float, ...]


class Profiled(NamedTuple):
    """The order hull of the profiled lengths at one concurrency, as `costmodel.region` has it.

    `inputs` and `outputs` are the smallest and largest profiled tokens of prompts and of
    answers. `upper` and `lower` are the input tokens at which the limits of the output tokens
    change, and these limits: one more.
    """

    inputs: tuple[float, float]
    outputs: tuple[float, float]
    upper: tuple[Steps, Steps]
    lower: tuple[Steps, Steps]

    def holds(self, input_tokens: float, output_tokens: float) -> bool:
        """Say whether a request of these tokens lies between profiled ones in every axis."""
        if not self.inputs[0] <= input_tokens <= self.inputs[1]:
            return False
        if not self.outputs[0] <= output_tokens <= self.outputs[1]:
            return False
        steps, upper = self.upper
        if output_tokens > upper[bisect_left(steps, input_tokens)]:
            return False
        steps, lower = self.lower
        return output_tokens >= lower[bisect_right(steps, input_tokens)]


@dataclass(frozen=True)
class PlacementRow:
    """One placement of the service's own fleet.

    `index` is that of `GET /placements`, and `devices` the number of the pool's equal devices.
    `quality` is the score of the LLM, 0 to 1, and `max_context_tokens` limits input and output
    together; both are None where unknown. `energy` and `seconds` are weights of joules and
    device-seconds at that concurrency, and their quantiles half widths of the 90 % intervals,
    None where there are none. `idle_watts` of a device that serves nothing is None where it was
    not measured. `cost_model` differs where a cost model predicts otherwise. `profiled` are the
    lengths that its predictions interpolate.
    """

    index: int
    llm: str
    pool: str
    device: str
    concurrency: int
    devices: int
    quality: float | None
    max_context_tokens: int | None
    energy: Weights
    seconds: Weights
    energy_quantile: float | None
    seconds_quantile: float | None
    idle_watts: float | None = None
    cost_model: str = ""
    profiled: Profiled | None = None

    def extrapolates(self, prompts: Prompts, output_tokens: float) -> bool:
        """Say whether what is predicted of a request lies outside what was profiled.

        Of several prompts it is so where it is of one: what lies between two inside is inside.
        """
        profiled = self.profiled
        if profiled is None or not profiled.holds(prompts.longest, output_tokens):
            return True
        return prompts.size > 1 and not profiled.holds(prompts.shortest, output_tokens)
