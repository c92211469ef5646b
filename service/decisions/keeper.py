"""Keeps the policy in force over a restart, as a note beside the actuals."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

import orjson
from pydantic import ValidationError

from service.calls.schemas.policy import KeptPolicy
from service.database.stores import StoreError
from service.decisions.actuals.store import ActualsStore
from service.decisions.decision_service import DecisionService
from service.decisions.policy import Policy
from service.wording import words_of_error

logger = logging.getLogger("service.decisions.keeper")

NOTE = "policy"


class PolicyKeeper:
    """Keeps each policy that is put in force; one for each app."""

    def __init__(
        self,
        decisions: DecisionService,
        store: ActualsStore,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._decisions, self._store, self._wall_clock = decisions, store, wall_clock
        self._writing: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._restored = False
        self._unkept: tuple[Policy | None] | None = None
        self._kept: tuple[Policy | None] | None = None
        self._seen_losses = 0

    async def start(self) -> None:
        """Put the policy of before in force, unless it has expired, and keep those to come."""
        self._decisions.on_policy(self._keep)
        with suppress(StoreError):
            await self.retry()

    async def retry(self) -> None:
        """Do what could not be done yet: read the policy of before, write the one in force.

        A note that was lost with a damaged file is written again.

        Raises
        ------
        StoreError
            If it cannot be done now either.
        """
        async with self._turn:
            await self._restore()
            losses = self._store.policy_losses
            if losses != self._seen_losses and self._unkept is None:
                self._unkept = self._kept
            await self._write()
            self._seen_losses = losses

    async def put(self, policy: Policy | None) -> None:
        """Keep a policy and put it in force, None for the fallback.

        Raises
        ------
        StoreError
            If it cannot be kept: what was in force stays.
        """
        async with self._turn:
            await self._restore()
            await self._store.note(NOTE, text_of(policy))
            self._kept, self._unkept = (policy,), None
            self._decisions.publish(policy)

    async def stop(self) -> None:
        """Write what waits, and keep no more."""
        self._decisions.on_policy(lambda _: None)
        await asyncio.gather(*self._writing)

    async def _restore(self) -> None:
        if self._restored:
            return
        text = await self._store.noted(NOTE)
        self._restored = True
        try:
            policy = None if text is None else policy_from(text)
        except ValueError as error:
            logger.warning("The policy of before cannot be read. %s", error)
            return
        # One that was published while this could not be read is newer.
        newer = self._unkept is not None
        self._kept = (policy,)
        if policy is not None and not newer and not policy.expired(self._wall_clock()):
            self._decisions.publish(policy)

    def _keep(self, policy: Policy | None) -> None:
        if self._unkept is None and self._kept == (policy,):
            return
        self._unkept = (policy,)
        task = asyncio.ensure_future(self._try_to_write())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _try_to_write(self) -> None:
        try:
            await self.retry()
        except StoreError as error:
            logger.warning("The policy in force would not survive a restart yet. %s", error)

    async def _write(self) -> None:
        unkept = self._unkept
        if unkept is None:
            return
        await self._store.note(NOTE, text_of(unkept[0]))
        self._kept = unkept
        if self._unkept is unkept:
            self._unkept = None


def text_of(policy: Policy | None) -> str | None:
    """Return a policy as the text that is kept of it; None for the fallback."""
    return None if policy is None else orjson.dumps(asdict(policy)).decode()


def policy_from(text: str) -> Policy:
    """Return the policy that was kept as this text; ValueError where none was."""
    try:
        return Policy(**KeptPolicy.model_validate_json(text).model_dump())
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where = "/".join(map(str, found["loc"]))
        msg = f"Expected what was kept, got another {where or 'text'}: {words_of_error(found)}"
        raise ValueError(msg) from None
