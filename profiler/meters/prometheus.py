"""Joules of a counter in Prometheus, for a server on another host (DCGM exporter, Kepler, a PDU).

Prometheus sees a counter when it scrapes, and answers every instant with the last scrape. So the
answers of a range query are a staircase: each rise is a scrape, and between two scrapes the counter
is taken to rise evenly.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx
import numpy as np

from costmodel.arrays import FloatArray
from profiler.errors import MeterError
from profiler.meters.meter import Joules, Mark, Meter
from profiler.network import why

SHORTEST_STEP_S = 0.1
MAX_POINTS = 10_000
"""Points of a range query; Prometheus refuses more than 11,000."""
SCRAPES_TO_WAIT = 4.0
TIMEOUT_S = 10.0
QUERY_POLL_S = 0.25


@dataclass(frozen=True)
class ScrapedCounter:
    """A counter as its scrapes saw it.

    Attributes
    ----------
    at_s, joules
        Shape (m,): Unix time and value of each rise.
    """

    at_s: FloatArray
    joules: FloatArray

    @classmethod
    def of(cls, samples: list[tuple[float, float]]) -> ScrapedCounter:
        """Keep the first sample and each at which the value changes."""
        at_s, joules = (np.array(column, dtype=np.float64) for column in zip(*samples, strict=True))
        rises = np.concatenate([[True], np.diff(joules) != 0])
        return cls(at_s[rises], joules[rises])


class PrometheusMeter(Meter):
    """Joules of a counter by PromQL.

    Parameters
    ----------
    url
        Address of Prometheus.
    query
        An expression for one counter in joules.
    scope
        What it includes.
    scrape_s
        Seconds between two scrapes; windows last at least two of them.
    """

    def __init__(self, url: str, query: str, *, scope: str = "gpu", scrape_s: float = 15.0) -> None:
        self.scope = scope
        self.min_window_s = 2.0 * scrape_s
        self._query, self._scrape_s = query, scrape_s
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S)

    @property
    def name(self) -> str:
        """Name on the command line."""
        return "prometheus"

    def open(self) -> None:
        """Ask once, so that a wrong address or query is refused before anything is measured."""
        now = time.time()
        if not self._samples(now - SCRAPES_TO_WAIT * self._scrape_s, now):
            msg = f"Expected one series of {self._query!r} in Prometheus, got none lately."
            raise MeterError(msg)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _between(self, begin: Mark, end: Mark) -> Joules:
        stairs = self._scraped_past(begin.clock_s - SCRAPES_TO_WAIT * self._scrape_s, end.clock_s)
        ends = np.interp([begin.clock_s, end.clock_s], stairs.at_s, stairs.joules)
        if np.any(np.diff(stairs.joules) < 0):
            raise MeterError(f"Expected {self._query!r} to be a counter, got a value that fell.")
        joules = float(ends[1] - ends[0])
        # The query has it all in one; the scope says what that includes.
        return Joules(gpu_j=joules, cpu_j=0.0 if self.scope == "gpu+cpu" else None)

    def _scraped_past(self, begin_s: float, end_s: float) -> ScrapedCounter:
        latest = time.time() + SCRAPES_TO_WAIT * self._scrape_s
        while True:
            samples = self._samples(begin_s, time.time())
            stairs = ScrapedCounter.of(samples) if samples else None
            if stairs is not None and stairs.at_s[-1] >= end_s:
                return stairs
            if time.time() > latest:
                msg = (
                    f"Expected a scrape of {self._query!r} after the window, got none in "
                    f"{SCRAPES_TO_WAIT * self._scrape_s:g} s: is the exporter up, and the counter "
                    "rising?"
                )
                raise MeterError(msg)
            time.sleep(QUERY_POLL_S)

    def _samples(self, begin_s: float, end_s: float) -> list[tuple[float, float]]:
        step_s = max(SHORTEST_STEP_S, (end_s - begin_s) / MAX_POINTS)
        asked = {"query": self._query, "start": begin_s, "end": end_s, "step": step_s}
        try:
            answer = self._client.post("/api/v1/query_range", data=asked)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            msg = f"Expected Prometheus at {self._client.base_url}, got {why(error)}."
            raise MeterError(msg) from None
        if answer.status_code != httpx.codes.OK or body.get("status") != "success":
            said = body.get("error", answer.status_code)
            raise MeterError(f"Expected an answer to {self._query!r}, got {said}.")
        series = body["data"]["result"]
        if len(series) > 1:
            msg = f"Expected one series of {self._query!r}, got {len(series)}: sum them."
            raise MeterError(msg)
        return [(float(at), float(value)) for at, value in series[0]["values"]] if series else []
