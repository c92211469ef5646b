"""What is done again and again goes on after it has failed once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from service.background.endless import every


def test_what_fails_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise RuntimeError("once")

    async def run() -> None:
        task = asyncio.create_task(every(0.0, work))
        while len(done) < 3:
            await asyncio.sleep(0.001)
        task.cancel()

    with caplog.at_level(logging.ERROR, "service.background.endless"):
        asyncio.run(run())
    assert done[:3] == [0, 1, 2]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [RuntimeError]
