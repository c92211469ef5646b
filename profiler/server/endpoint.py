"""What a live server is: its engine and version, the LLM that it serves, and what it can do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from profiler.errors import ServerError
from profiler.network import why

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
_IN_FLIGHT = re.compile(
    r"^(?:vllm:num_requests_(?P<vllm>running|waiting)"
    r"|llamacpp:requests_(?P<llamacpp>processing|deferred)"
    r"|sglang[:_]num_(?P<sglang>running_reqs|queue_reqs)"
    r"|tgi_(?P<tgi>batch_current_size|queue_size))(?:\{[^}]*\})? (?P<value>\S+)",
    re.MULTILINE,
)
_RUNNING = frozenset({"running", "processing", "running_reqs", "batch_current_size"})


@dataclass(frozen=True)
class Endpoint:
    """A server that answers, and what it said of itself.

    Attributes
    ----------
    served_name
        Name under which it serves the LLM.
    engine
        Engine, such as ``vllm 0.11.0``; None where the server does not report it.
    max_context_tokens
        Input and output together that it serves; None where it does not report it.
    vocabulary
        Token ids below this are valid; None where it does not report it.
    path
        Path of the completions.
    takes_token_ids
        Whether a prompt may be token ids.
    reports_load
        Whether its metrics report requests running and waiting.
    """

    served_name: str
    engine: str | None = None
    max_context_tokens: int | None = None
    vocabulary: int | None = None
    path: str = COMPLETIONS
    takes_token_ids: bool = True
    reports_load: bool = False


@dataclass(frozen=True)
class LoadGauges:
    """Requests as the server counts them.

    Attributes
    ----------
    running, waiting
        Requests that run, and that wait, at this moment.
    """

    running: float
    waiting: float


async def find_endpoint(client: httpx.AsyncClient, served_name: str | None = None) -> Endpoint:
    """Ask a server what it is.

    Parameters
    ----------
    client
        Its base URL is the server's, without ``/v1``.
    served_name
        Which LLM, where it serves several; None for the only one.

    Returns
    -------
    Endpoint
        Whether it takes token ids is still to be tried.

    Raises
    ------
    ServerError
        If nothing answers, or several LLMs are served and none is chosen.
    """
    listed = await _listed(client)
    names = [str(entry.get("id")) for entry in listed]
    if served_name is None and len(names) > 1:
        msg = f"Expected one served LLM, got {', '.join(names)}: choose with --served-name."
        raise ServerError(msg)
    chosen = served_name or names[0]
    if chosen not in names:
        raise ServerError(f"Expected {chosen!r} to be served, got {', '.join(names)}.")
    entry = listed[names.index(chosen)]
    meta = entry.get("meta") or {}
    found = Endpoint(
        served_name=chosen,
        max_context_tokens=_count(entry.get("max_model_len")) or _count(meta.get("n_ctx")),
        vocabulary=_count(meta.get("n_vocab")),
        reports_load=await read_gauges(client) is not None,
    )
    return await _with_engine(client, found, str(entry.get("owned_by", "")))


async def read_gauges(client: httpx.AsyncClient) -> LoadGauges | None:
    """Read how many requests run and wait from the server's own metrics; None without them."""
    text = await _text(client, "/metrics")
    counts = {"running": 0.0, "waiting": 0.0}
    found = False
    for match in _IN_FLIGHT.finditer(text or ""):
        found = True
        word = next(word for name, word in match.groupdict().items() if word and name != "value")
        counts["running" if word in _RUNNING else "waiting"] += float(match["value"])
    return LoadGauges(counts["running"], counts["waiting"]) if found else None


async def _listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    try:
        answer = await client.get("/v1/models")
    except httpx.HTTPError as error:
        msg = f"Expected an LLM server at {client.base_url}, got {why(error)}."
        raise ServerError(msg) from None
    body = _json(answer)
    listed = body.get("data") if isinstance(body, dict) else None
    if answer.status_code != httpx.codes.OK or not isinstance(listed, list) or not listed:
        msg = (
            f"Expected a list of served LLMs at {client.base_url}/v1/models, got status "
            f"{answer.status_code}: {answer.text:.120}"
        )
        raise ServerError(msg)
    return [entry for entry in listed if isinstance(entry, dict)]


async def _with_engine(client: httpx.AsyncClient, found: Endpoint, owner: str) -> Endpoint:
    if owner == "llamacpp":
        props = await _object(client, "/props")
        version = props.get("build_info") or _server_header(await _head(client))
        return replace(found, engine=_named("llama.cpp", version))
    if owner == "vllm":
        version = (await _object(client, "/version")).get("version")
        return replace(found, engine=_named("vllm", version))
    if owner == "sglang":
        version = (await _object(client, "/get_server_info")).get("version")
        return replace(found, engine=_named("sglang", version))
    ollama = (await _object(client, "/api/version")).get("version")
    if ollama:
        return replace(found, engine=_named("ollama", ollama), takes_token_ids=False)
    info = await _object(client, "/info")
    if "max_total_tokens" in info:
        return replace(
            found,
            engine=_named("tgi", info.get("version")),
            max_context_tokens=_count(info["max_total_tokens"]),
            takes_token_ids=False,
        )
    return replace(found, engine=owner or None)


def _named(engine: str, version: object) -> str:
    return f"{engine} {version}" if version else engine


def _server_header(headers: Mapping[str, str]) -> str | None:
    _, _, version = headers.get("server", "").partition("/")
    return version or None


async def _head(client: httpx.AsyncClient) -> Mapping[str, str]:
    try:
        return (await client.get("/health")).headers
    except httpx.HTTPError:
        return {}


async def _text(client: httpx.AsyncClient, path: str) -> str | None:
    try:
        answer = await client.get(path)
    except httpx.HTTPError:
        return None
    return answer.text if answer.status_code == httpx.codes.OK else None


async def _object(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    try:
        answer = await client.get(path)
    except httpx.HTTPError:
        return {}
    body = _json(answer) if answer.status_code == httpx.codes.OK else {}
    return body if isinstance(body, dict) else {}


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
