"""The requests of late, as the plan of those to come: the next window is as the last."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from statistics import median
from typing import Any

from service.calls.placement_row import PlacementRow
from service.calls.schemas.fields import MAX_CHOICES
from service.decisions.rule import Group, Predict, Requirements

WINDOW_S = 900.0
"""Longest time that a request counts: a gateway's traffic of a quarter of an hour."""
MAX_REQUESTS = 20_000
"""Requests that are remembered: of busier traffic, the window is shorter."""
SOLVER_LIMIT_S = 5.0
"""Time limit of the solver: prices need no proof."""
MIN_REQUESTS = 100
"""Requests from which a forecast is made."""
STRETCHES = (1.0, 2.0, 4.0, 16.0, 64.0)
"""Factors on the time until all is done, tried in turn where the fleet cannot keep up."""
_DEADLINE = "deadline_seconds"


@dataclass(frozen=True, slots=True)
class ObservedRequest:
    """One request that was decided.

    Attributes
    ----------
    at
        Monotonic seconds.
    input_tokens, output_tokens
        Estimates for one prompt and one answer.
    keys
        LLMs and pools that could end it in time were they idle; where none could, all that may
        serve it.
    deadline_s
        Seconds from then on; None for none.
    choices
        Answers to each prompt that were wanted, each of `output_tokens`.
    """

    at: float
    input_tokens: float
    output_tokens: float
    keys: tuple[tuple[str, str], ...]
    deadline_s: float | None
    choices: int = 1


class Traffic:
    """The requests of the last window."""

    def __init__(self) -> None:
        self._requests: deque[ObservedRequest] = deque(maxlen=MAX_REQUESTS)

    def add(self, observed: ObservedRequest, prompts: int = 1) -> None:
        """Remember a request as often as it holds prompts: each is one of its own."""
        self._requests.extend(repeat(observed, min(prompts, MAX_REQUESTS)))

    def keep(self, keys: Collection[tuple[str, str]]) -> None:
        """Forget the LLMs and pools that the fleet has no more, and what only they could serve."""
        kept = (_without_others(one, keys) for one in self._requests)
        self._requests = deque((one for one in kept if one.keys), maxlen=MAX_REQUESTS)

    def forecast(self, now: float) -> Sequence[ObservedRequest]:
        """Return the requests of the last window; empty where they are too few to plan over."""
        found = [one for one in self._requests if one.at >= now - WINDOW_S]
        return found if len(found) >= MIN_REQUESTS else []


def plan_of(
    requests: Sequence[ObservedRequest],
    now: float,
    min_mean_quality: float | None,
    stretch: float = 1.0,
    limit_s: float = SOLVER_LIMIT_S,
) -> dict[str, Any]:
    """Return the body of a `/plan` of the requests to come, whose prices are published.

    Its deadline is the length of the window, stretched where the fleet cannot keep up, and that of
    a request: who comes last may end after it.

    Parameters
    ----------
    requests
        Requests of the last window, not empty.
    now
        Monotonic seconds.
    min_mean_quality
        Floor on the mean quality; None for none.
    stretch
        Factor on the length of the window, at least 1.
    limit_s
        Time limit of the solver.
    """
    deadlines = [one.deadline_s for one in requests if one.deadline_s is not None]
    span_s = max(now - requests[0].at, 1.0) * stretch + (median(deadlines) if deadlines else 0.0)
    floor = {} if min_mean_quality is None else {"min_mean_quality": min_mean_quality}
    # Few combinations of many requests: each list is made once, and not once a request.
    combinations = {one.keys for one in requests}
    llms = {keys: sorted({llm for llm, _ in keys}) for keys in combinations}
    pools = {keys: sorted({pool for _, pool in keys}) for keys in combinations}
    return {
        "columns": {
            "input_tokens": [max(1, round(one.input_tokens)) for one in requests],
            "output_tokens": [max(1, round(one.output_tokens)) for one in requests],
            "choices": [min(one.choices, MAX_CHOICES) for one in requests],
            "llms": [llms[one.keys] for one in requests],
            "pools": [pools[one.keys] for one in requests],
        },
        "constraints": {_DEADLINE: span_s, **floor},
        "on_unplaceable": "report",
        "allow_mixed_provenance": True,
        "publish": True,
        "solver": {"time_limit_seconds": limit_s},
    }


def stretch_helps(conflict: Collection[str]) -> bool:
    """Say whether a plan may be feasible with more time, by the limits that conflict in it.

    Examples
    --------
    >>> stretch_helps(["deadline_seconds", "min_mean_quality"]), stretch_helps(["min_mean_quality"])
    (True, False)
    """
    return _DEADLINE in conflict


def observed_request(
    now: float, groups: Sequence[Group], requirements: Requirements, predict: Predict
) -> ObservedRequest:
    """Return a request as it is remembered, with the candidates that could serve it.

    Those are all that would end it in time while they are idle, or all that may serve it where none
    would.
    """
    able = [rows for rows in groups if requirements.may_be_served(rows[0])]
    in_time = [rows for rows in able if _in_time_idle(rows[0], requirements, predict)]
    keys = tuple((rows[0].llm, rows[0].pool) for rows in in_time or able)
    prompts, output_tokens = requirements.terms.prompts, requirements.terms.output_tokens
    one = prompts.tokens / prompts.size
    return ObservedRequest(
        now, one, output_tokens, keys, requirements.deadline_s, requirements.terms.choices
    )


def _without_others(
    observed: ObservedRequest, keys: Collection[tuple[str, str]]
) -> ObservedRequest:
    """Return a request without the LLMs and pools that are not in `keys`.

    That is the request itself where it has none of them, as after most reloads: a copy of the whole
    window beside it would take its memory twice each time.
    """
    kept = tuple(key for key in observed.keys if key in keys)
    return observed if kept == observed.keys else replace(observed, keys=kept)


def _in_time_idle(row: PlacementRow, requirements: Requirements, predict: Predict) -> bool:
    """Say whether a request would end in time on the least concurrency of an LLM on a pool."""
    if requirements.deadline_s is None:
        return True
    return predict(row, requirements.terms).runtime_s <= requirements.deadline_s
