"""Keeps the policy in force over a restart, as a note beside the actuals."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import asdict

import orjson
from pydantic import ValidationError

from service.actuals.store import ActualsStore
from service.decisions.desk import DecisionDesk
from service.decisions.policy import Policy
from service.problems import words_of
from service.schemas.policy import KeptPolicy
from service.store.database import StoreError

logger = logging.getLogger("service.decisions.keeper")

NOTE = "policy"


class PolicyKeeper:
    """Notes each policy that is put in force; one for each app.

    Parameters
    ----------
    desk
        Where it is in force.
    store
        That has the note.
    wall_clock
        Unix time [s].
    """

    def __init__(
        self,
        desk: DecisionDesk,
        store: ActualsStore,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._desk, self._store, self._wall_clock = desk, store, wall_clock
        self._writing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Put the policy of before in force, unless it has expired, and follow those to come."""
        try:
            text = await asyncio.to_thread(self._store.noted, NOTE)
            policy = None if text is None else policy_from(text)
        except (StoreError, ValueError) as error:
            logger.warning("The policy of before cannot be read. %s", error)
            policy = None
        if policy is not None and not policy.expired(self._wall_clock()):
            self._desk.publish(policy)
        self._desk.follow_policy(self._keep)

    async def stop(self) -> None:
        """Write what waits, and follow no more."""
        self._desk.follow_policy(lambda _: None)
        await asyncio.gather(*self._writing)

    def _keep(self, policy: Policy | None) -> None:
        task = asyncio.ensure_future(self._write(None if policy is None else text_of(policy)))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, text: str | None) -> None:
        try:
            await self._store.note(NOTE, text)
        except StoreError as error:
            logger.warning("The policy in force would not survive a restart. %s", error)


def text_of(policy: Policy) -> str:
    """Return a policy as JSON, for `policy_from`."""
    return orjson.dumps(asdict(policy)).decode()


def policy_from(text: str) -> Policy:
    """Return the policy that `text_of` wrote.

    Raises
    ------
    ValueError
        If it did not write that.
    """
    try:
        return Policy(**KeptPolicy.model_validate_json(text).model_dump())
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where = "/".join(map(str, found["loc"]))
        msg = f"Expected what was kept, got another {where or 'text'}: {words_of(found)}"
        raise ValueError(msg) from None
