"""What may turn out: lengths of answers and errors of cost models, the same draws for every plan.

Lengths are independent between requests. The error of a cost model is one factor for all requests
of its (LLM, device) pair: its logarithm is normal, with the spread of which the pair's interval of
device-seconds is the middle 90 %, ``quantile * sigma(runtime) / 1.645``, and of the bias between
measurement campaigns, whose 90 % half width is 5 %. Loads are taken as they were measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from costmodel.arrays import FloatArray, IntArray
from costmodel.cost_model import CostModel
from costmodel.intervals import CAMPAIGN_RATIO, INTERVAL_LEVEL, residual_sigma
from planner.problem import PlacementProblem

HALF_WIDTH = NormalDist().inv_cdf(0.5 + 0.5 * INTERVAL_LEVEL)
"""Standard deviations from the middle of a normal law to the end of its 90 % interval: 1.645."""
MAX_SCENARIOS = 2_000
MIN_SCENARIOS = 1_000
MAX_KEPT_DRAWS = 10_000_000
"""Up to this many draws of lengths are kept, 40 MB: the same ones for every plan of the problem."""


@dataclass(frozen=True)
class PairError:
    """Spread of the logarithm of a pair's error, as standard deviations.

    `score` is in units of `residual_sigma`, 0 where no interval is known; `campaign` is that of the
    campaign's bias.
    """

    score: float
    campaign: float

    @classmethod
    def of(cls, cost_model: CostModel, campaign_ratio: float = CAMPAIGN_RATIO) -> PairError:
        """Return the spread that a cost model's interval says."""
        interval = cost_model.device_seconds_interval
        score = 0.0 if interval is None else interval.quantile / HALF_WIDTH
        return cls(score, campaign_ratio / HALF_WIDTH)


@dataclass(frozen=True, eq=False)
class Scenarios:
    """Seeded draws, `count` of them, of everything that is uncertain in a problem.

    `campaign_ratio` is the 90 % half width of the bias between campaigns.
    """

    problem: PlacementProblem
    seed: int
    count: int
    campaign_ratio: float = CAMPAIGN_RATIO
    _errors: dict[int, tuple[PairError, FloatArray, FloatArray]] = field(default_factory=dict)

    @classmethod
    def draw(
        cls, problem: PlacementProblem, seed: int, campaign_ratio: float = CAMPAIGN_RATIO
    ) -> Scenarios:
        """Return as many scenarios as the size of the problem allows."""
        count = min(MAX_SCENARIOS, max(MIN_SCENARIOS, 5_000_000 // problem.n))
        return cls(problem, seed, count, campaign_ratio)

    @property
    def spread(self) -> bool:
        """Whether anything is uncertain at all."""
        errors = [PairError.of(p.cost_model, self.campaign_ratio) for p in self.problem.placements]
        known = self.problem.requests.workload.lengths is None
        return not known or any(error.score > 0.0 or error.campaign > 0.0 for error in errors)

    def tokens(self, members: IntArray) -> FloatArray:
        """Output tokens of some requests in every scenario, shape (members, count)."""
        workload = self.problem.requests.workload
        if workload.lengths is None:
            known = workload.output_tokens[members].astype(np.float64)
            return np.repeat(known[:, None], self.count, axis=1)
        return workload.lengths.take(members).at_scores(self._scores(members))

    def factors(self, k: int, runtime_s: npt.ArrayLike) -> FloatArray:
        """Error of placement k's seconds for requests of some predicted runtimes (m,), (m, count).

        Its (LLM, device) pair errs alike on every pool and at every concurrency.
        """
        error, score, campaign = self._pair(k)
        scale = error.score * residual_sigma(runtime_s)
        drawn = np.multiply.outer(np.atleast_1d(scale), score)
        drawn += error.campaign * campaign
        return np.exp(drawn, out=drawn)

    def normal(self, *key: int) -> FloatArray:
        """Return standard normal draws that belong to a key, shape (count,)."""
        return self._generator(3, *key).standard_normal(self.count)

    def _pair(self, k: int) -> tuple[PairError, FloatArray, FloatArray]:
        placement = self.problem.placements[k]
        pairs = [(p.llm, p.cost_model.device) for p in self.problem.placements]
        first = pairs.index((placement.llm, placement.cost_model.device))
        if first not in self._errors:
            draws = self._generator(1, first).standard_normal((2, self.count))
            error = PairError.of(placement.cost_model, self.campaign_ratio)
            self._errors[first] = (error, draws[0], draws[1])
        return self._errors[first]

    def _scores(self, members: IntArray) -> FloatArray:
        if self.problem.n * self.count <= MAX_KEPT_DRAWS:
            return self._all_scores[members].astype(np.float64)
        key = int(members[0]), int(members[-1]), members.size
        return self._generator(2, *key).standard_normal((members.size, self.count))

    @cached_property
    def _all_scores(self) -> npt.NDArray[np.float32]:
        shape = (self.problem.n, self.count)
        return self._generator(2).standard_normal(shape, dtype=np.float32)

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *key])
