"""Connects to a server, and finds out what it is and how it takes prompts."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import httpx

from profiler.server.endpoint import Endpoint, find_endpoint
from profiler.server.prompts import PromptMaker, calibrated

REQUEST_TIMEOUT_S = 600.0
KEEP_ALIVE_S = 2.0
"""Seconds, fewer than any engine keeps an idle connection (llama.cpp and vLLM 5 s)."""
SPARE_CONNECTIONS = 4
"""Connections beside those of the requests in flight, for what is asked of the server itself."""


async def connect(
    url: str, headers: Mapping[str, str], served_name: str | None, *, maximum: int, random: Random
) -> tuple[httpx.AsyncClient, Endpoint, PromptMaker]:
    """Connect to a server.

    Parameters
    ----------
    url, headers
        Address and headers of the server; the URL without ``/v1``.
    served_name
        Which LLM, where it serves several; None for the only one.
    most
        Requests that will be in flight at once.
    random
        Source of the prompts that it is tried with.

    Returns
    -------
    tuple
        The client, to be closed; what the server is; and what writes its prompts.

    Raises
    ------
    ServerError
        If the server does not answer as one must to be measured.
    """
    client = httpx.AsyncClient(
        base_url=url,
        headers=dict(headers),
        timeout=httpx.Timeout(REQUEST_TIMEOUT_S, connect=10.0),
        limits=httpx.Limits(
            max_connections=maximum + SPARE_CONNECTIONS,
            max_keepalive_connections=maximum + SPARE_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_S,
        ),
    )
    try:
        found = await find_endpoint(client, served_name)
        return client, *await calibrated(client, found, random)
    except BaseException:
        await client.aclose()
        raise
