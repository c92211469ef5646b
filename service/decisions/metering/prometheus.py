"""Counters of joules from Prometheus: one instant query, one series or more for each pool."""

from __future__ import annotations

from math import isfinite
from typing import Any

import httpx
import orjson

from service.decisions.metering import MeteringError, Reading

TIMEOUT_S = 5.0
MAX_BYTES = 4 * 1024 * 1024


class JouleCounters:
    """A query whose result has joule counters of each pool, such as one for each device.

    Parameters
    ----------
    url
        Prometheus, such as ``http://prometheus:9090``.
    query
        Query in PromQL.
    label
        Label of its series that names the pool.

    Raises
    ------
    MeteringError
        If the URL is none.
    """

    def __init__(self, url: str, query: str, label: str) -> None:
        self._query, self._label = query, label
        try:
            self._client = httpx.AsyncClient(
                base_url=url, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
            )
        except httpx.InvalidURL as error:
            raise MeteringError(f"Expected the URL of Prometheus, got one with: {error}") from None

    async def read(self) -> dict[str, Reading]:
        """Return the counters of each pool.

        Raises
        ------
        MeteringError
            If there is no answer, or not of the kind that is expected.
        """
        try:
            status, answer = await self._answer()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise MeteringError(f"Expected an answer of Prometheus, got {error!r:.200}.") from None
        try:
            body = orjson.loads(answer)
        except ValueError:
            body = None
        if status != httpx.codes.OK or not isinstance(body, dict):
            text = answer.decode(errors="replace")
            message = f"Expected an answer of Prometheus, got status {status} and {text:.200}"
            raise MeteringError(message)
        data = body.get("data")
        if not isinstance(data, dict) or data.get("resultType") != "vector":
            raise MeteringError("Expected a query whose result is an instant vector.")
        return self._readings(data.get("result"))

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def _answer(self) -> tuple[int, bytes]:
        params = {"query": self._query}
        async with self._client.stream("GET", "/api/v1/query", params=params) as answer:
            found = bytearray()
            async for part in answer.aiter_bytes():
                found += part
                if len(found) > MAX_BYTES:
                    raise MeteringError(f"Expected at most {MAX_BYTES} bytes, got more.")
            return answer.status_code, bytes(found)

    def _readings(self, result: Any) -> dict[str, Reading]:  # noqa: ANN401  JSON of a server
        found: dict[str, Reading] = {}
        try:
            for series in result:
                labels = tuple(sorted(series["metric"].items()))
                pool = series["metric"][self._label]
                at, value = float(series["value"][0]), float(series["value"][1])
                if isfinite(value):
                    reading = found.setdefault(pool, Reading(at, {}))
                    found[pool] = Reading(at, {**reading.energy_j, labels: value})
        except (AttributeError, KeyError, TypeError, ValueError, IndexError):
            message = f"Expected series with the label {self._label}, got others."
            raise MeteringError(message) from None
        return found
