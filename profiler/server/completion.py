"""One streamed completion of a given length, timed at its first and last token."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

from profiler.errors import ServerError
from profiler.network import why
from profiler.server.endpoint import CHAT, Endpoint

Prompt = str | list[int]
_DATA = b"data:"
_DONE = b"[DONE]"


@dataclass(frozen=True)
class Completion:
    """A finished request.

    Attributes
    ----------
    asked_tokens
        Output tokens that were asked for.
    input_tokens, output_tokens
        As the server's usage reports them.
    cached_tokens
        Tokens of the prompt that were found in the server's prefix cache.
    sent_s, first_s, last_s
        `time.perf_counter` when it was sent, at its first token and at its end [s].
    """

    asked_tokens: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    sent_s: float
    first_s: float
    last_s: float

    @property
    def latency_s(self) -> float:
        """Seconds from sending to the last token."""
        return self.last_s - self.sent_s

    @property
    def ttft_s(self) -> float:
        """Seconds from sending to the first token."""
        return self.first_s - self.sent_s

    @property
    def itl_s(self) -> float | None:
        """Mean seconds between two tokens; None of a single token."""
        steps = self.output_tokens - 1
        return (self.last_s - self.first_s) / steps if steps > 0 else None


async def complete(
    client: httpx.AsyncClient, endpoint: Endpoint, prompt: Prompt, output_tokens: int
) -> Completion:
    """Send one request and read its stream to the end.

    Parameters
    ----------
    client
        Its base URL is the server's.
    endpoint
        What the server is.
    prompt
        Text, or token ids where it takes them.
    output_tokens
        Tokens to be generated, no more and, where the server can be forced, no fewer.

    Returns
    -------
    Completion
        Completion with the lengths that the server reports, which may not be those asked for.

    Raises
    ------
    ServerError
        If the server refuses, breaks off, or reports no usage.
    """
    body = request_body(endpoint, prompt, output_tokens)
    for tries_left in (1, 0):
        stream = _Stream()
        sent_s = time.perf_counter()
        try:
            await _read(client, endpoint.path, body, stream)
        except httpx.HTTPError as error:
            # A server may close a kept connection just as the next request comes along it.
            if tries_left and isinstance(error, httpx.RemoteProtocolError) and not stream.begun:
                continue
            msg = f"Expected a whole answer, got {why(error)}."
            raise ServerError(msg) from None
        break
    return stream.completion(output_tokens, sent_s)


async def _read(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], stream: _Stream
) -> None:
    async with client.stream("POST", path, json=body) as answer:
        if answer.status_code != httpx.codes.OK:
            said = (await answer.aread()).decode(errors="replace")
            msg = f"Expected a completion, got status {answer.status_code}: {said:.300}"
            raise ServerError(msg)
        async for chunk in answer.aiter_raw():
            stream.feed(chunk, time.perf_counter())


def request_body(endpoint: Endpoint, prompt: Prompt, output_tokens: int) -> dict[str, Any]:
    """Build a request's body: an exact length by every name that an engine knows for it."""
    said: dict[str, Any] = (
        {"messages": [{"role": "user", "content": prompt}]}
        if endpoint.path == CHAT
        else {"prompt": prompt}
    )
    body = said | {
        "model": endpoint.served_name,
        "max_tokens": output_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 1.0,
    }
    engine = (endpoint.engine or "").split(" ")[0]
    if engine not in {"tgi", "ollama"}:
        body |= {"ignore_eos": True, "min_tokens": output_tokens}
    if engine == "llama.cpp":
        body["cache_prompt"] = False
    return body


class _Stream:
    """Server-sent events, parsed only as far as the times and the usage need it."""

    def __init__(self) -> None:
        self._rest = b""
        self._first_s: float | None = None
        self._end_s = 0.0
        self._usage: dict[str, Any] | None = None

    @property
    def begun(self) -> bool:
        """Whether anything has come."""
        return self._end_s > 0

    def feed(self, chunk: bytes, now_s: float) -> None:
        """Take what has come."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self._end_s = now_s
        for line in lines:
            if line.startswith(_DATA) and not line.endswith(_DONE):
                self._event(line[len(_DATA) :], now_s)

    def _event(self, data: bytes, now_s: float) -> None:
        # A stream of hundreds of tokens a second is read while others wait: once a first token was
        # seen, only events that speak of usage are parsed.
        if self._first_s is not None and b'"usage"' not in data:
            return
        try:
            event = json.loads(data)
        except ValueError:
            raise ServerError(f"Expected JSON in the stream, got {data[:120]!r}.") from None
        if "error" in event:
            raise ServerError(f"Expected a completion, got {event['error']!s:.300}")
        self._usage = event.get("usage") or self._usage
        if self._first_s is None and any(_has_text(choice) for choice in event.get("choices", [])):
            self._first_s = now_s

    def completion(self, asked: int, sent_s: float) -> Completion:
        if self._usage is None:
            raise ServerError("Expected the usage of the tokens in the stream, got none.")
        prompt, generated = (self._usage.get(f"{part}_tokens") for part in ("prompt", "completion"))
        if not isinstance(prompt, int) or not isinstance(generated, int) or generated < 1:
            raise ServerError(f"Expected tokens in the usage, got {self._usage}.")
        details = self._usage.get("prompt_tokens_details") or {}
        first_s = self._end_s if self._first_s is None else self._first_s
        cached = details.get("cached_tokens") or 0
        return Completion(asked, prompt, generated, cached, sent_s, first_s, self._end_s)


def _has_text(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta") or {}
    texts = choice.get("text"), delta.get("content"), delta.get("reasoning_content")
    # An empty piece is a token too, one whose bytes are not yet text, unless it opens a chat.
    return any(texts) or (choice.get("text") == "" and choice.get("finish_reason") is None)
