"""Lets jouleplan choose the deployment of each request of a LiteLLM proxy.

One file, nothing but h11, which comes with every LiteLLM proxy. Put it beside the proxy's
configuration and name it there::

    litellm_settings:
      callbacks: jouleplan_hook.router

A deployment takes part when its ``model_info`` names the LLM and the pool that it is::

    model_list:
      - model_name: chat
        litellm_params: {model: openai/llama-3.1-8b-instruct, api_base: "http://h100:8000/v1"}
        model_info: {jouleplan_llm: llama-3.1-8b-instruct, jouleplan_pool: h100}

Whatever happens to the planner, requests go on: without a usable answer within the budget the list
of deployments is left as it is, and after some failures in a row the planner is not asked for a
while. What came of requests is told in batches, from a queue that is bounded.

Environment: ``JOULEPLAN_URL`` (http://127.0.0.1:8080), ``JOULEPLAN_API_KEY``,
``JOULEPLAN_BUDGET_MS`` (50), ``JOULEPLAN_MAX_PROMPT_CHARACTERS`` (65536): of longer prompts, and of
those with parts that are not text, only the number of characters is sent; 0 for never a prompt.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, cast
from urllib.parse import urlsplit

import h11
from litellm.integrations.custom_logger import CustomLogger

FAILURES = 3
"""In a row, after which the planner is left alone ..."""
PAUSE_S = 5.0
"""... for so long; then one request asks, and the others do not wait for it."""
MAX_ANSWER_BYTES = 65_536
MAX_CONNECTIONS = 16
MAX_OPEN = 10_000
"""Decisions that are remembered until their requests end, and actuals that wait to be told."""
MAX_DEPLOYMENTS = 10_000
"""Whose pools are remembered."""
BATCH, BATCH_EVERY_S, BATCH_BUDGET_S = 1_000, 0.5, 5.0
MAX_WARNINGS = 1_000
"""Different warnings that are said, each once."""
UNUSABLE = (400, 413, 415, 422)
"""Statuses of a planner that is well, and cannot use what it was sent."""

logger = logging.getLogger("jouleplan")


class Refused(Exception):  # noqa: N818  not an error of the planner
    """The planner is well and does not take this."""


class Crowded(Exception):  # noqa: N818
    """Enough calls wait for the planner already."""


class Breaker:
    """Keeps requests from a planner that fails; lets one through after a pause."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def closed(self) -> bool:
        """Whether the planner answers, as far as is known."""
        return self._open_until is None

    def enter(self) -> bool:
        """Say whether this request may ask; who may must call one of the other three."""
        if self._open_until is None:
            return True
        if self._probing or time.monotonic() < self._open_until:
            return False
        self._probing = True
        return True

    def leave(self) -> None:
        """Take note of a request that ended without telling anything of the planner."""
        self._probing = False

    def succeed(self) -> None:
        """Close."""
        if not self.closed:
            logger.warning("The planner answers again.")
        self._failures, self._open_until, self._probing = 0, None, False

    def fail(self, reason: BaseException) -> None:
        """Count a failure; open when there were enough, and with the first after a pause."""
        self._failures += 1
        if self.closed and self._failures < FAILURES:
            return
        if self.closed:
            logger.warning("The planner is left alone for %g s at a time: %r", PAUSE_S, reason)
        self._open_until, self._probing = time.monotonic() + PAUSE_S, False


class Connection(asyncio.Protocol):
    """One connection to the planner, with one call at a time.

    The proxy's event loop is busy with other requests, and every turn of it that a call waits for
    costs milliseconds. A client made of tasks and locks waits for many; this waits for one.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.CLIENT)
        self._answer: asyncio.Future[tuple[int, bytes]] = self._loop.create_future()
        self._answer.cancel()
        self._transport: asyncio.Transport | None = None
        self._status, self._size, self._parts = 0, 0, [b""]

    @property
    def usable(self) -> bool:
        """Whether it can carry another call."""
        open_ = self._transport is not None and not self._transport.is_closing()
        return open_ and self._http.our_state is h11.IDLE and self._answer.done()

    async def ask(
        self, target: str, headers: list[tuple[str, str]], content: bytes, budget_s: float
    ) -> tuple[int, bytes]:
        """Return status and body of the answer, or raise; it is closed unless all went well."""
        self._answer = self._loop.create_future()
        self._status, self._size, self._parts = 0, 0, []
        timer = self._loop.call_later(budget_s, self._look_once_more, self._answer, 2)
        try:
            self._send(target, headers, content)
            return await self._answer
        finally:
            timer.cancel()
            if not self.usable:
                self.close()

    def close(self) -> None:
        """Cut it."""
        self._answer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer."""
        self._size += len(data)
        try:
            if self._size > MAX_ANSWER_BYTES:
                raise ValueError(f"Expected at most {MAX_ANSWER_BYTES} bytes, got more.")
            self._http.receive_data(data)
            self._read()
        except Exception as error:
            self._end(error)

    def eof_received(self) -> None:
        """Take in the end of the connection, which may be that of an answer."""
        self.data_received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up."""
        self._end(exc or ConnectionResetError("The planner closed the connection."))

    def _send(self, target: str, headers: list[tuple[str, str]], content: bytes) -> None:
        if self._transport is None:
            raise ConnectionError("Expected a connection, got none.")
        length = ("content-length", str(len(content)))
        request = h11.Request(method="POST", target=target, headers=[*headers, length])
        parts = (request, h11.Data(data=content), h11.EndOfMessage())
        self._transport.write(b"".join(self._http.send(part) or b"" for part in parts))

    def _read(self) -> None:
        while not self._answer.done():
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                self._status = event.status_code
            elif isinstance(event, h11.Data):
                self._parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                if self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                    self._http.start_next_cycle()
                self._answer.set_result((self._status, b"".join(self._parts)))
            elif not isinstance(event, h11.InformationalResponse):
                return

    def _look_once_more(self, answer: asyncio.Future[tuple[int, bytes]], turns: int) -> None:
        """Time out, but not before what has arrived while the loop was busy is read."""
        if turns:
            self._loop.call_soon(self._look_once_more, answer, turns - 1)
        elif not answer.done():
            answer.set_exception(TimeoutError("The planner did not answer in time."))

    def _end(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)


class Planner:
    """The planner's calls, within budgets of time, of bytes and of connections."""

    def __init__(self, url: str, key: str | None) -> None:
        place = urlsplit(url)
        self._path, self._host = place.path.rstrip("/"), place.hostname or ""
        self._tls = ssl.create_default_context() if place.scheme == "https" else None
        self._port = place.port or (443 if self._tls else 80)
        self._headers = [
            ("host", place.netloc.rpartition("@")[2]),
            ("content-type", "application/json"),
            ("accept-encoding", "identity"),
            *([("authorization", f"Bearer {key}")] if key else []),
        ]
        self._idle: list[Connection] = []
        self._connections = 0

    async def post(self, path: str, body: dict[str, Any], budget_s: float) -> Any:
        """Return the answer's JSON; raises whatever goes wrong, `Refused` where that is us."""
        content = json.dumps(body).encode()
        end = time.monotonic() + budget_s
        if self._connections >= MAX_CONNECTIONS:
            raise Crowded(f"{MAX_CONNECTIONS} calls are under way.")
        self._connections += 1
        try:
            status, answer = await self._ask(self._path + path, content, end)
        finally:
            self._connections -= 1
        if status in UNUSABLE:
            raise Refused(f"status {status}: {_detail(answer)}")
        if status != 200:
            raise ValueError(f"Expected status 200, got {status}.")
        return json.loads(answer)

    async def _ask(self, target: str, content: bytes, end: float) -> tuple[int, bytes]:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                try:
                    return await self._ask_by(connection, target, content, end)
                except ConnectionError:
                    break  # closed by the planner at this very moment, as idle ones are
        async with asyncio.timeout(end - time.monotonic()):
            connection = await self._connect()
        return await self._ask_by(connection, target, content, end)

    async def _ask_by(
        self, connection: Connection, target: str, content: bytes, end: float
    ) -> tuple[int, bytes]:
        budget_s = end - time.monotonic()
        answer = await connection.ask(target, self._headers, content, budget_s)
        if connection.usable:
            self._idle.append(connection)
        return answer

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            Connection, self._host, self._port, ssl=self._tls
        )
        return connection


class JouleplanRouter(CustomLogger):
    """Asks for a decision before a request is sent, and tells what came of it."""

    def __init__(self) -> None:
        super().__init__()
        url = os.environ.get("JOULEPLAN_URL", "http://127.0.0.1:8080")
        self._planner = Planner(url, os.environ.get("JOULEPLAN_API_KEY"))
        self._budget_s = float(os.environ.get("JOULEPLAN_BUDGET_MS", "50")) / 1e3
        self._max_characters = int(os.environ.get("JOULEPLAN_MAX_PROMPT_CHARACTERS", "65536"))
        self._breaker = Breaker()
        self._open: OrderedDict[str, tuple[set[Any], dict[str, Any]]] = OrderedDict()
        self._pools: OrderedDict[Any, Any] = OrderedDict()
        self._unsent: deque[dict[str, Any]] = deque(maxlen=MAX_OPEN)
        self._sending: asyncio.Task[None] | None = None
        self._warned: set[str] = set()

    async def async_filter_deployments(
        self,
        model: str,
        healthy_deployments: list[Any],
        messages: list[Any] | None,
        request_kwargs: dict[str, Any] | None = None,
        parent_otel_span: Any | None = None,
    ) -> list[Any]:
        """Return the deployments of the chosen pool alone, or the list as it is.

        A retry goes to a pool where the request has not been, as long as there is one, else to
        another deployment: what is down may be the pool that takes the least joules, as a whole.
        """
        left = healthy_deployments
        try:
            kwargs = request_kwargs or {}
            self._note_pools(left)
            self._name_those_left_out(left)
            tried = _tried(kwargs)
            if tried:
                self._end(kwargs)
                left = self._untried(left, tried)
            groups = _groups(left)
            if len(groups) < 2 or not self._breaker.enter():
                return left or healthy_deployments
            decision, chosen = await self._decide(model, groups, messages, kwargs)
            self._remember(kwargs, decision, chosen)
        except Exception as error:
            if not isinstance(error, Refused):
                self._warn_once(f"Not routed: {type(error).__name__}: {error}")
            return left or healthy_deployments
        return chosen

    def _note_pools(self, deployments: list[Any]) -> None:
        """Remember who is of which pool: LiteLLM lists one that has failed no more for a while."""
        for one in deployments:
            info = one.get("model_info") or {}
            if (pool := _pool(info)) is not None:
                self._pools[info.get("id")] = pool
                self._pools.move_to_end(info.get("id"))
        while len(self._pools) > MAX_DEPLOYMENTS:
            self._pools.popitem(last=False)

    def _name_those_left_out(self, deployments: list[Any]) -> None:
        """Say once which deployments take no part where others do."""
        infos = [one.get("model_info") or {} for one in deployments]
        if not any(info.get("jouleplan_llm") for info in infos):
            return
        for one, info in zip(deployments, infos, strict=True):
            if not info.get("jouleplan_llm"):
                served = (one.get("litellm_params") or {}).get("model") or one.get("model_name")
                self._warn_once(
                    f"The deployment {served or info.get('id')} takes no part: its model_info "
                    "names no jouleplan_llm, and a wildcard names none."
                )

    def _untried(self, deployments: list[Any], tried: set[Any]) -> list[Any]:
        """Return those of pools where a request has not been; else those where it has not been."""
        failed = {self._pools[one] for one in tried if one in self._pools}
        infos = [(one, one.get("model_info") or {}) for one in deployments]
        left = [(one, info) for one, info in infos if info.get("id") not in tried]
        elsewhere = [one for one, info in left if _pool(info) not in failed]
        return elsewhere or [one for one, _ in left]

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Note what came of a decision; it is told later."""
        try:
            if (decision := self._forget(kwargs)) is not None:
                run = {} if kwargs.get("cache_hit") else _run(kwargs, response_obj, end_time)
                self._report(decision | run)
        except Exception as error:
            self._warn_once(f"Not told: {type(error).__name__}: {error}")

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Note that a request of a decision has ended, and that nothing is to be learned of it."""
        try:
            if (decision := self._forget(kwargs)) is not None:
                self._report(decision)
        except Exception as error:
            self._warn_once(f"Not told: {type(error).__name__}: {error}")

    async def async_post_call_failure_hook(
        self, request_data: dict[str, Any], *others: Any, **named: Any
    ) -> None:
        """Note that a request has failed for good; LiteLLM logs its first failure only."""
        try:
            self._end(request_data)
        except Exception as error:
            self._warn_once(f"Not told: {type(error).__name__}: {error}")

    async def _decide(
        self,
        model: str,
        groups: dict[str, list[Any]],
        messages: list[Any] | None,
        kwargs: dict[str, Any],
    ) -> tuple[dict[str, Any], list[Any]]:
        """Ask, and tell the breaker how that went, whatever happens."""
        try:
            asked, prompts = _asked(messages, kwargs, self._max_characters)
            for kind in prompts[0].uncounted:
                self._warn_once(
                    f"{kind.capitalize()} in prompts count nothing when they are routed."
                )
            body = asked | {
                "route": model[:128],
                "candidates": [_candidate(name, some[0]) for name, some in groups.items()],
            }
        except BaseException:
            self._breaker.leave()
            raise
        try:
            answer = await self._planner.post("/decision", body, self._budget_s)
            for one in answer.get("warnings", ()):
                self._warn_once(str(one["message"]))
            placement = answer["placement"]
            chosen = groups[placement["name"]]
            decision = {
                "decision_id": str(answer["decision_id"]),
                "llm": str(placement["llm"]),
                "pool": str(placement["pool"]),
                "route": body["route"],
            }
        except Refused as refusal:
            self._breaker.succeed()
            self._warn_once(f"The planner does not decide for {model:.128}. {refusal}")
            raise
        except Crowded:
            self._breaker.leave()
            raise
        except Exception as error:
            self._breaker.fail(error)
            raise
        except BaseException:
            self._breaker.leave()
            raise
        self._breaker.succeed()
        return decision, chosen

    def _warn_once(self, message: str) -> None:
        if message not in self._warned and len(self._warned) < MAX_WARNINGS:
            self._warned.add(message)
            logger.warning("%s", message)

    def _remember(
        self, kwargs: dict[str, Any], decision: dict[str, Any], chosen: list[Any]
    ) -> None:
        """Keep a decision until its request ends; one that it replaces has ended."""
        self._end(kwargs)
        self._open[str(kwargs.get("litellm_call_id"))] = (
            {one["model_info"]["id"] for one in chosen},
            decision,
        )
        while len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)

    def _end(self, kwargs: dict[str, Any]) -> None:
        """End the decision of a call, where there is one, with nothing to be learned of it."""
        former = self._open.pop(str(kwargs.get("litellm_call_id")), None)
        if former is not None:
            self._report(former[1])

    def _forget(self, kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """Return the decision by which a request went where it went, and keep it no longer."""
        call = str(kwargs.get("litellm_call_id"))
        info = (kwargs.get("litellm_params") or {}).get("model_info") or {}
        places, decision = self._open.get(call, (set(), None))
        if info.get("id") not in places:
            return None
        del self._open[call]
        return decision

    def _report(self, actual: dict[str, Any]) -> None:
        self._unsent.append(actual)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_reports())

    async def _send_reports(self) -> None:
        """Tell what waits, a batch at a time; what a planner that is away misses waits on."""
        while self._unsent:
            await asyncio.sleep(BATCH_EVERY_S)
            if not self._breaker.closed:
                continue
            batch = [self._unsent.popleft() for _ in range(min(BATCH, len(self._unsent)))]
            try:
                await self._planner.post("/actuals", {"actuals": batch}, BATCH_BUDGET_S)
            except Refused as refusal:
                logger.warning("%d actuals were dropped: %r", len(batch), refusal)
            except Exception as error:
                self._warn_once(f"Told again later: {type(error).__name__}: {error}")
                room = MAX_OPEN - len(self._unsent)
                self._unsent.extendleft(reversed(batch[-room:] if room else []))
                await asyncio.sleep(PAUSE_S)


def _detail(problem: bytes) -> str:
    """Return what the planner says of a refusal, as far as that is to be had."""
    try:
        return str(json.loads(problem)["detail"])[:1_000]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "no reason given"


def _groups(deployments: list[Any]) -> dict[str, list[Any]]:
    """Return the deployments that take part, those of one LLM and pool together."""
    groups: dict[str, list[Any]] = {}
    for one in deployments:
        info = one.get("model_info") or {}
        if info.get("jouleplan_llm"):
            name = f"{info['jouleplan_llm']} {info.get('jouleplan_pool') or ''}"
            groups.setdefault(name, []).append(one)
    return groups


def _pool(info: dict[str, Any]) -> Any:
    """Return the pool of a deployment that takes part, its LLM where it names none, else None."""
    llm = info.get("jouleplan_llm")
    return (info.get("jouleplan_pool") or llm) if llm else None


def _tried(kwargs: dict[str, Any]) -> set[Any]:
    """Return the ids of the deployments that failed this request, as the router notes them."""
    noted = [kwargs.get(name) for name in ("metadata", "litellm_metadata")]
    former = [one.get("previous_models") or () for one in noted if isinstance(one, dict)]
    return {one.get("deployment_id") for some in former for one in some if isinstance(one, dict)}


def _candidate(name: str, deployment: dict[str, Any]) -> dict[str, Any]:
    info = deployment["model_info"]
    pool = {"pool": info["jouleplan_pool"]} if info.get("jouleplan_pool") else {}
    return {"name": name, "llm": info["jouleplan_llm"]} | pool


def _asked(
    messages: list[Any] | None, kwargs: dict[str, Any], max_characters: int
) -> tuple[dict[str, Any], list[Prompt]]:
    """Return a request as it came, without its prompts but with their tokens where they are long.

    Of other endpoints than chat, LiteLLM makes messages up: their own prompt or input is read.
    """
    terms = {
        name: kwargs[name] for name in TERMS if isinstance(kwargs.get(name), str | int | float)
    }
    body = {
        name: kwargs[name] for name in PROMPT if isinstance(kwargs.get(name), str | list | dict)
    }
    if not ({"prompt", "input"} & body.keys()):
        body["messages"] = messages
    prompts = prompts_of(body)
    characters = sum(prompt.characters for prompt in prompts)
    if not prompts[0].uncounted and characters <= max_characters:
        return {"request": terms | body}, prompts
    tokens = [_tokens(prompt) for prompt in prompts]
    return {"request": terms, "input_tokens": tokens if len(tokens) > 1 else tokens[0]}, prompts


def _tokens(prompt: Prompt) -> int:
    return max(1, ceil(prompt.characters / CHARACTERS_PER_TOKEN) + prompt.tokens)


def _run(kwargs: dict[str, Any], response: Any, end_time: Any) -> dict[str, Any]:
    """Return tokens and time of a request, as far as they are told."""
    usage = getattr(response, "usage", None)
    tokens = {
        "input_tokens": getattr(usage, "prompt_tokens", None),
        "output_tokens": getattr(usage, "completion_tokens", None),
    }
    run: dict[str, Any] = {k: v for k, v in tokens.items() if isinstance(v, int) and v >= 0}
    begun = kwargs.get("api_call_start_time")
    if begun is not None and (seconds := (end_time - begun).total_seconds()) > 0:
        run |= {"runtime_seconds": seconds, "ended_at": end_time.timestamp()}
    return run


# Below: service/calls/prompts, copied by `make hook`; a test holds the two together.

IMAGES, AUDIO, VIDEOS, FILES = "images", "audio", "videos", "files"
STORED, ENCRYPTED, OTHERS = "stored prompts or items", "encrypted parts", "unknown parts"
UNCOUNTED: Mapping[str, str] = {
    name: kind
    for kind, names in {
        IMAGES: ("image_url", "image", "images", "image_embeds"),
        AUDIO: ("input_audio", "audio_url", "audio"),
        VIDEOS: ("video_url", "video"),
        FILES: ("file", "file_data", "file_id", "file_url", "source", "result"),
        ENCRYPTED: ("data", "encrypted_content"),
    }.items()
    for name in names
}
"""Members of a part that hold what is no text, and its kind where the part's type names none."""
TYPES: Mapping[str, str] = {
    "image": IMAGES,
    "screenshot": IMAGES,
    "audio": AUDIO,
    "video": VIDEOS,
    "file": FILES,
    "document": FILES,
    "container": FILES,
    "reference": STORED,
}
"""Words in the type of a part, and the kind that it then is."""
LOOKED_UP: Mapping[str, str] = {
    "previous_response_id": STORED,
    "conversation": STORED,
    "prompt_embeds": ENCRYPTED,
}
"""Members of a body that add to a prompt what is not in the body."""
NOT_COUNTED = "prompt_parts_not_counted"
"""Code of the warning that parts of prompts were not counted."""
EMPTY = "prompts_empty"
"""Code of the warning that nothing counts as a prompt."""


def describe_uncounted(uncounted: Mapping[str, int]) -> str:
    """Return what was not counted in words.

    Examples
    --------
    >>> describe_uncounted({"images": 2, "files": 1})
    '3 parts of prompts are no text that can be counted (2 images, 1 file) and count nothing.'
    >>> describe_uncounted({"images": 1})
    '1 part of prompts is no text that can be counted (1 image) and counts nothing.'
    """
    one = {kind: " ".join(word.removesuffix("s") for word in kind.split()) for kind in uncounted}
    kinds = ", ".join(f"{n} {one[kind] if n == 1 else kind}" for kind, n in uncounted.items())
    total = sum(uncounted.values())
    if total == 1:
        return f"1 part of prompts is no text that can be counted ({kinds}) and counts nothing."
    return f"{total} parts of prompts are no text that can be counted ({kinds}) and count nothing."


CHARACTERS_PER_TOKEN = 4.0
"""What OpenAI's help centre gives for English: one token is about four characters."""
LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""Members of a body that limit its answer, the newest first."""
COUNTS = ("n", "best_of", "num_return_sequences")
"""Members that say how many answers a body wants, generated at least."""
MEMBERS = ("system", "instructions", "messages", "prompt", "suffix", "input", "documents")
LISTS = ("prompt", "input")
"""Members that may list several prompts."""
JSON_MEMBERS = ("tools", "functions")
SCHEMAS = ("response_format", "output_format", "text", "output_config")
"""Members that may hold the schema of an answer, of themselves or below ``format``."""
TEXTS = frozenset(
    {"content", "text", "refusal", "thinking", "summary", "transcript", "stdout", "stderr"}
    | {"output", "name", "title", "context", "tool_calls", "function_call", "function", "custom"}
    | {"error", "code", "logs", "outputs", "queries", "results", "toolUse", "toolResult"}
)
REASONINGS = ("reasoning_content", "reasoning", "thinking_blocks", "reasoning_details")
"""Members of a message that hold its reasoning; some servers and gateways give it under several."""
JSON_TEXTS = frozenset(("arguments", "input", "action", "operation", "tools", "json"))
EXTRA = "extra_body"
"""Member of a call of OpenAI's client whose members it puts into the body."""
SETTINGS = frozenset(
    {*MEMBERS, *JSON_MEMBERS, *SCHEMAS, *LOOKED_UP, *LIMITS, EXTRA, "model", "stop", "metadata"}
    | {"logit_bias", "prediction", "chat_template", "tool_choice", "structured_outputs", "grammar"}
    | {"guided_json", "guided_grammar", "guided_regex", "guided_choice", "stop_sequences"}
    | {"json_schema", "regex", "ebnf", "vllm_xargs", "kv_transfer_params"}
)
"""Members of a body that are read here, or that never reach a prompt whatever they hold."""
PART_SETTINGS = frozenset(
    {"role", "type", "id", "call_id", "tool_call_id", "tool_use_id", "status", "cache_control"}
    | {"signature", "thought_signature", "annotations", "citations", "logprobs", "metadata"}
    | {"provider_specific_fields", "extra_content", "caller", "filename", "url", "encrypted_index"}
)
"""Members of a message or part that no template writes, whatever they hold."""
MAX_SETTING = 200
"""Characters: what holds a longer text than this is no setting."""


def merged(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a body with the members that its `EXTRA` would put into it.

    Examples
    --------
    >>> merged({"n": 1, "extra_body": {"n": 2, "top_k": 5}})["n"]
    2
    """
    extra = body.get(EXTRA)
    return {**body, **extra} if isinstance(extra, dict) else body


class Prompt:
    """What a server reads of a body: pieces of text, in order, and a number of token ids.

    `uncounted` are the parts that are no text, by kind; of all prompts that one body lists.

    Examples
    --------
    >>> part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    >>> (found,) = prompts_of({"messages": [{"role": "user", "content": ["abc", part]}]})
    >>> found.texts, found.uncounted
    (['abc'], Counter({'images': 1}))
    """

    __slots__ = ("texts", "tokens", "uncounted")

    # No dataclass: gateways load their plug-ins without a place in sys.modules, which it needs.
    def __init__(self, uncounted: Counter[str] | None = None) -> None:
        self.texts: list[str] = []
        self.tokens = 0
        self.uncounted: Counter[str] = Counter() if uncounted is None else uncounted

    @property
    def characters(self) -> int:
        """Characters of text."""
        return sum(map(len, self.texts))

    def add(self, node: object) -> None:
        """Count a prompt, a list of messages, or a part of either."""
        if isinstance(node, str):
            self.texts.append(node)
            return
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                self.texts.append(one)
            elif isinstance(one, list | tuple):
                waiting.extend(reversed(one))
            elif isinstance(one, dict):
                waiting.extend(reversed(self._parts(one)))
            elif isinstance(one, int) and not isinstance(one, bool):
                self.tokens += 1
            elif one is not None:
                self.uncounted[OTHERS] += 1

    def add_json(self, value: object) -> None:
        """Count what templates write as JSON; text stands as it is."""
        self.texts.append(value if isinstance(value, str) else json_text(value))

    def _parts(self, part: Mapping[str, Any]) -> list[Any]:
        """Return what is to be read of a message, part or item; what cannot be is noted."""
        parts: list[Any] = []
        kinds: list[str] = []
        seen = "role" in part
        for name, value in part.items():
            if name in TEXTS:
                parts.append(value)
            elif name in REASONINGS:
                before = REASONINGS[: REASONINGS.index(name)]
                parts.append(None if any(map(part.get, before)) else value)
            elif name in JSON_TEXTS:
                parts.append(value if value is None or isinstance(value, str) else json_text(value))
            elif name == "source" and (text := _source_text(value)) is not None:
                parts.append(text)
            elif name in UNCOUNTED:
                kinds += [UNCOUNTED[name]] if value else []
            elif name not in PART_SETTINGS and _holds_text(value):
                self.uncounted[OTHERS] += 1
            else:
                continue
            seen = True
        if (kinds and not isinstance(part.get("text"), str)) or not seen:
            self.uncounted[_kind(part, kinds[0] if kinds else OTHERS)] += 1
        return parts


def prompts_of(body: Mapping[str, Any]) -> list[Prompt]:
    """Return what the server will read of a body: one prompt, or each of those that it lists.

    Completions and embeddings list texts, or lists of token ids: the server takes each for a
    request of its own, and reads with each what else is in the body.

    Examples
    --------
    >>> [one.texts for one in prompts_of({"prompt": ["ab", "c"], "suffix": "d"})]
    [['ab', 'd'], ['c', 'd']]
    """
    body = merged(body)
    listed = next((name for name in LISTS if _is_listed(body.get(name))), None)
    if listed is None:
        return [_prompt_of(body)]
    others = _prompt_of({name: value for name, value in body.items() if name != listed})
    # Of one piece, so that many prompts cost no more than their number.
    shared = ["".join(others.texts)] if others.texts else []
    # Equal texts are one prompt: a call may list hundreds of thousands of short ones.
    texts: dict[str, Prompt] = {}
    found = []
    for one in body[listed]:
        prompt = texts.get(one) if isinstance(one, str) else None
        if prompt is None:
            prompt = Prompt(others.uncounted)
            prompt.add(one)
            prompt.texts += shared
            prompt.tokens += others.tokens
            if isinstance(one, str):
                texts[one] = prompt
        found.append(prompt)
    return found


def _is_listed(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(one, str | list) for one in value)


def _prompt_of(body: Mapping[str, Any]) -> Prompt:
    found = Prompt()
    for member in MEMBERS:
        value = body.get(member)
        if member == "prompt" and isinstance(value, dict):
            found.uncounted[STORED] += 1
            variables = value.get("variables")
            value = list(variables.values()) if isinstance(variables, dict) else None
        found.add(value)
    for member in JSON_MEMBERS:
        if body.get(member):
            found.add_json(body[member])
    for schema in _schemas(body):
        found.add_json(schema)
    for member, kind in LOOKED_UP.items():
        if body.get(member):
            found.uncounted[kind] += 1
    for member, value in body.items():
        known = member in SETTINGS and not (member in SCHEMAS and isinstance(value, str))
        if not known and _holds_text(value):
            found.uncounted[OTHERS] += 1
    return found


def json_text(value: object) -> str:
    """Return the JSON text of a value, compact; its strings alone where it is nested too deeply."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, TypeError, ValueError):
        return " ".join(_strings(value))


def _strings(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one


def _holds_text(value: object) -> bool:
    """Say whether a value has a text in it that is longer than a setting."""
    if not isinstance(value, str | list | dict):
        return False
    return any(len(text) > MAX_SETTING for text in _strings(value))


def _schemas(body: Mapping[str, Any]) -> Iterator[object]:
    for member in SCHEMAS:
        value = body.get(member)
        for one in (value, value.get("format")) if isinstance(value, dict) else ():
            if isinstance(one, dict) and one.get("type") == "json_schema":
                yield one.get("json_schema") or one


def _source_text(source: object) -> object | None:
    """Return the text of a source of an Anthropic document, None where it holds none."""
    if not isinstance(source, dict):
        return source if isinstance(source, str) else None
    return {"text": source.get("data"), "content": source.get("content")}.get(_type(source))


def _kind(part: Mapping[str, Any], otherwise: str) -> str:
    named = _type(part)
    return next((kind for word, kind in TYPES.items() if word in named), otherwise)


def _type(part: Mapping[str, Any]) -> str:
    named = part.get("type")
    return named[:64] if isinstance(named, str) else ""


# Above: service/calls/prompts.

TERMS = (*LIMITS, *COUNTS, "echo")
PROMPT = ({*MEMBERS, *JSON_MEMBERS, *SCHEMAS, *LOOKED_UP, EXTRA}) - {"messages"}
"""Members of a request that are sent on, where they are not too long."""

router = JouleplanRouter()
