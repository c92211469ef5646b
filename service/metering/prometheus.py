"""Counters of joules from Prometheus: one instant query, a sample for each pool."""

from __future__ import annotations

from math import isfinite
from typing import Any

import httpx

from service.metering.readings import MeteringError, Reading

TIMEOUT_S = 5.0


class JouleCounters:
    """A query whose result has a joule counter for each pool.

    Parameters
    ----------
    url
        Of Prometheus, such as ``http://prometheus:9090``.
    query
        In PromQL.
    label
        Of its series, that names the pool.
    """

    def __init__(self, url: str, query: str, label: str) -> None:
        self._query, self._label = query, label
        self._client = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
        )

    async def read(self) -> dict[str, Reading]:
        """Return the counter of each pool.

        Raises
        ------
        MeteringError
            Where there is no answer, or not of the kind that is expected.
        """
        try:
            answer = await self._client.get("/api/v1/query", params={"query": self._query})
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise MeteringError(f"Expected an answer of Prometheus, got {error!r:.200}.") from None
        if answer.status_code != httpx.codes.OK or not isinstance(body, dict):
            raise MeteringError(f"Expected an answer of Prometheus, got {answer.text:.200}.")
        data = body.get("data")
        if not isinstance(data, dict) or data.get("resultType") != "vector":
            raise MeteringError("Expected a query whose result is an instant vector.")
        return self._readings(data.get("result"))

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    def _readings(self, result: Any) -> dict[str, Reading]:  # noqa: ANN401  JSON of a server
        found: dict[str, Reading] = {}
        try:
            for series in result:
                pool = series["metric"][self._label]
                at, value = float(series["value"][0]), float(series["value"][1])
                if pool in found:
                    raise MeteringError(f"Expected one series for each pool, got two of {pool}.")
                if isfinite(value):
                    found[pool] = Reading(at, value)
        except (KeyError, TypeError, ValueError, IndexError):
            message = f"Expected series with the label {self._label}, got others."
            raise MeteringError(message) from None
        return found
