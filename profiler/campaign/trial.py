"""One window of a campaign, and the row that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from profiler.campaign.points import Point
from profiler.length_mix import MIXED_FLAG
from profiler.observations import COLUMNS

UNSTABLE = "unstable"
SERVER_LIMITED = "server_limited"
LENGTHS_NOT_FORCED = "lengths_not_forced"
PROMPT_CACHED = "prompt_cached"

WARM_UP, ANCHORS, MIX, DESIGN = "warm-up", "anchors", "mix", "design"

EXTRA_COLUMNS = (
    "stage", "asked_input_tokens", "asked_output_tokens", "asked_concurrency", "requests",
    "window_s", "spent_s", "spent_j", "ttft_s", "itl_s", "latency_s", "running", "waiting",
    "input_tokens_squared", "context_sum", "context_square_sum", "started_at", "counters_begin",
    "counters_end", "meter", "energy_scope", "engine", "hardware", "driver", "task",
    "max_context_tokens",
)  # fmt: skip
"""Further columns of a campaign's rows; docs/reference/cli.md says what each holds."""

HEADER = (*COLUMNS, *EXTRA_COLUMNS)


@dataclass(frozen=True)
class Trial:
    """One window, as measured or as read from its file.

    Attributes
    ----------
    point
        What was asked for.
    stage
        Stage of the campaign.
    cells
        Text of each column of `HEADER`.
    """

    point: Point
    stage: str
    cells: Mapping[str, str] = field(repr=False)

    @property
    def warm_up(self) -> bool:
        """Whether it only warms the server up."""
        return self.cells["warmup"] == "1"

    @property
    def energy_j(self) -> float:
        """Joules per request, of all parts that the scope holds."""
        gpu, cpu = (float(self.cells[f"energy_{part}_j"] or 0.0) for part in ("gpu", "cpu"))
        return gpu + cpu if self.cells["energy_scope"] == "gpu+cpu" else gpu

    @property
    def device_seconds(self) -> float:
        """Seconds that a request takes of the device."""
        return float(self.cells["runtime_s"]) / float(self.cells["concurrency"])

    @property
    def runtime_s(self) -> float:
        """Mean latency of the window's requests."""
        return float(self.cells["runtime_s"])

    @property
    def achieved(self) -> tuple[float, float, float]:
        """Input tokens, output tokens and concurrency as they came out."""
        names = ("input_tokens", "output_tokens", "concurrency")
        first, second, third = (float(self.cells[name]) for name in names)
        return first, second, third

    @property
    def spent_s(self) -> float:
        """Seconds that the campaign spent on it, the wait for a steady state included."""
        return float(self.cells["spent_s"])

    @property
    def spent_j(self) -> float:
        """Joules that went into it, likewise."""
        return float(self.cells["spent_j"])

    @classmethod
    def read(cls, cells: Mapping[str, str]) -> Trial:
        """Read a row back.

        Raises
        ------
        ValueError
            If the columns of a campaign are not in it.
        """
        try:
            asked = [cells[f"asked_{name}"] for name in ("input_tokens", "output_tokens")]
            batch = int(cells["asked_concurrency"])
            mixed = MIXED_FLAG in cells["flags"].split(";")
            point = Point(int(asked[0]), int(asked[1]), batch, mixed)
            return cls(point, cells["stage"], dict(cells))
        except KeyError as error:
            raise ValueError(f"no column {error}") from None
