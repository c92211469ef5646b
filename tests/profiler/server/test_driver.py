"""The driver against an engine of known habits."""

from __future__ import annotations

import asyncio
import itertools
from random import Random
from statistics import median

import httpx
import pytest

from profiler.errors import ServerError
from profiler.server.completion import Completion, complete
from profiler.server.endpoint import CHAT, Endpoint, find_endpoint
from profiler.server.load import LoadGenerator
from profiler.server.prompts import PromptMaker, calibrated
from tests.profiler.server.engine import STEP_S, Engine


def connect(engine: Engine, served: str | None = None) -> tuple[Endpoint, PromptMaker]:
    async def run() -> tuple[Endpoint, PromptMaker]:
        async with engine.client() as client:
            return await calibrated(client, await find_endpoint(client, served), Random(0))

    return asyncio.run(run())


def one(engine: Engine, input_tokens: int, output_tokens: int) -> Completion:
    async def run() -> Completion:
        async with engine.client() as client:
            endpoint, maker = await calibrated(client, await find_endpoint(client), Random(0))
            prompt = maker.prompt(input_tokens, Random(1))
            return await complete(client, endpoint, prompt, output_tokens)

    return asyncio.run(run())


def test_the_server_and_its_version_are_recorded() -> None:
    endpoint, _ = connect(Engine())
    assert (endpoint.engine, endpoint.max_context_tokens) == ("vllm 0.11.0", 4096)
    assert endpoint.takes_token_ids


@pytest.mark.parametrize(
    "engine",
    [
        Engine(),
        Engine(extra_tokens=1),
        Engine(takes_ids=False),
        Engine(takes_ids=False, extra_tokens=7),
        Engine(chat_only=True, extra_tokens=12),
    ],
)
def test_prompts_and_answers_have_the_length_that_was_asked_for(engine: Engine) -> None:
    found = one(engine, 100, 20)
    assert (found.input_tokens, found.output_tokens, found.asked_tokens) == (100, 20, 20)


def test_prompts_differ_from_their_first_token_on() -> None:
    _, maker = connect(Engine())
    prompts = [maker.prompt(50, Random(seed)) for seed in range(20)]
    assert len({prompt[0] for prompt in prompts}) > 15


def test_a_server_of_chats_alone_is_asked_in_chats() -> None:
    endpoint, _ = connect(Engine(chat_only=True))
    assert endpoint.path == CHAT


def test_an_answers_length_is_forced_by_each_engines_own_words() -> None:
    engine = Engine()
    one(engine, 10, 5)
    body = engine.requests[-1]
    assert (body["max_tokens"], body["min_tokens"], body["ignore_eos"]) == (5, 5, True)


def test_first_and_last_token_are_timed() -> None:
    found = one(Engine(prefill_s=0.1), 10, 50)
    assert found.ttft_s >= 0.1
    assert found.itl_s is not None
    assert found.itl_s >= STEP_S
    assert found.latency_s == pytest.approx(found.ttft_s + 49 * found.itl_s)


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        (Engine(usage=False), "usage"),
        (Engine(served=("a", "b")), "--served-name"),
        (Engine(served=()), "list of served LLMs"),
    ],
)
def test_a_server_that_cannot_be_measured_is_reported(engine: Engine, said: str) -> None:
    with pytest.raises(ServerError, match=said):
        connect(engine)


def test_the_wrong_served_name_is_reported() -> None:
    with pytest.raises(ServerError, match="some-llm"):
        connect(Engine(), "another")


def test_nothing_at_the_address_is_reported() -> None:
    async def run() -> None:
        async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as client:
            await find_endpoint(client)

    with pytest.raises(ServerError, match=r"127\.0\.0\.1:9"):
        asyncio.run(run())


def test_so_many_requests_are_in_flight_and_no_two_in_step() -> None:
    engine = Engine(metrics=True)

    async def run() -> list[Completion]:
        async with engine.client() as client:
            endpoint, maker = await calibrated(client, await find_endpoint(client), Random(0))
            load = LoadGenerator(client, endpoint, maker, lambda: (20, 40), 8, Random(0))
            async with load:
                await load.steady()
                return [await load.next() for _ in range(64)]

    ended = asyncio.run(run())
    assert engine.most == 8
    assert engine.running == engine.waiting == 0
    times = sorted(completion.last_s for completion in ended)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    # In step, eight would end at once, and most gaps would be nothing.
    assert median(gaps) > median(one.latency_s for one in ended) / 80


def test_a_request_that_fails_ends_the_load() -> None:
    engine = Engine()

    async def run() -> None:
        async with engine.client() as client:
            endpoint, maker = await calibrated(client, await find_endpoint(client), Random(0))
            load = LoadGenerator(client, endpoint, maker, lambda: (20, 4), 2, Random(0))
            async with load:
                await load.steady()
                engine.usage = False
                for _ in range(10):
                    await load.next()

    with pytest.raises(ServerError, match="usage"):
        asyncio.run(run())
