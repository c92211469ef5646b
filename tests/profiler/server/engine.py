"""An LLM server of a few lines behind httpx's own seam, with the habits of real engines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

STEP_S = 0.002


@dataclass
class Engine:
    """What it does with a request; every request that it got is kept.

    Attributes
    ----------
    owner, version
        As it tells of itself.
    slots
        Requests that run at once; more wait.
    forces
        Whether it generates as many tokens as it is asked for.
    takes_ids
        Whether a prompt may be token ids.
    chat_only, usage, metrics
        Whether it has only the chat, reports usage, and has metrics.
    extra_tokens
        That it adds to each prompt.
    """

    owner: str = "vllm"
    version: str = "0.11.0"
    slots: int = 64
    forces: bool = True
    takes_ids: bool = True
    chat_only: bool = False
    usage: bool = True
    metrics: bool = False
    extra_tokens: int = 0
    prefill_s: float = 0.004
    served: tuple[str, ...] = ("some-llm",)
    requests: list[dict[str, Any]] = field(default_factory=list)
    running: int = 0
    waiting: int = 0
    most: int = 0

    def client(self) -> httpx.AsyncClient:
        self._room = asyncio.Semaphore(self.slots)
        return httpx.AsyncClient(
            transport=httpx.MockTransport(self._answer), base_url="http://engine"
        )

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/models":
            listed = [
                {"id": name, "owned_by": self.owner, "max_model_len": 4096} for name in self.served
            ]
            return httpx.Response(200, json={"data": listed})
        if path == "/version" and self.owner == "vllm":
            return httpx.Response(200, json={"version": self.version})
        if path == "/metrics" and self.metrics:
            counts = f"vllm:num_requests_running {self.running}\n"
            counts += f"vllm:num_requests_waiting {self.waiting}\n"
            return httpx.Response(200, text=counts)
        if path == "/v1/completions" and not self.chat_only:
            return await self._complete(json.loads(request.content))
        if path == "/v1/chat/completions":
            return await self._complete(json.loads(request.content))
        return httpx.Response(404, json={"detail": "Not Found"})

    async def _complete(self, body: dict[str, Any]) -> httpx.Response:
        prompt = body.get("prompt") or body["messages"][0]["content"]
        if isinstance(prompt, list) and not self.takes_ids:
            return httpx.Response(422, json={"error": "prompt must be text"})
        count = len(prompt) if isinstance(prompt, list) else len(prompt.split())
        self.requests.append(body)
        wanted = body["max_tokens"]
        tokens = wanted if self.forces or wanted == 1 else max(1, wanted // 2)
        return httpx.Response(200, content=self._stream(count, tokens, "messages" in body))

    async def _stream(self, count: int, tokens: int, chat: bool) -> AsyncIterator[bytes]:
        self.waiting += 1
        async with self._room:
            self.waiting -= 1
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await asyncio.sleep(self.prefill_s)
                if chat:
                    yield _event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
                for _ in range(tokens):
                    await asyncio.sleep(STEP_S)
                    piece = {"delta": {"content": " w"}} if chat else {"text": " w"}
                    yield _event({"choices": [piece | {"finish_reason": None}]})
            finally:
                self.running -= 1
        if self.usage:
            used = {"prompt_tokens": count + self.extra_tokens, "completion_tokens": tokens}
            yield _event({"choices": [], "usage": used})
        yield b"data: [DONE]\n\n"


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"
