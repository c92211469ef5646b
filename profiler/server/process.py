"""A server that the profiler starts itself, to measure what loading takes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx

from profiler.errors import ServerError

READY_POLL_S = 0.1
STOP_GRACE_S = 30.0


class ServerProcess:
    """A command that serves until the ``with`` block ends, in a process group of its own.

    Parameters
    ----------
    command
        Command as typed in a shell, without its operators.
    url
        Address at which it will answer.
    log
        File that gets what it prints.
    patience_s
        Seconds to wait for its first answer [s].
    headers
        Headers of requests to it, such as its key.
    """

    def __init__(
        self, command: str, url: str, log: Path, patience_s: float, headers: Mapping[str, str]
    ) -> None:
        self._command, self._url, self._log = command, url, log
        self._headers = dict(headers)
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it.

        Raises
        ------
        ServerError
            If something answers there already, or the command cannot be run.
        """
        if self._status() is not None:
            msg = (
                f"Expected nothing at {self._url} yet, got an answer: is it the server of an "
                "earlier run that was killed? End it, or leave --start out."
            )
            raise ServerError(msg)
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 (the user's own command)
                    shlex.split(self._command),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            raise ServerError(f"Expected a command that starts a server, got: {error}.") from None
        return self

    def await_ready(self) -> None:
        """Wait until it lists its LLM.

        Raises
        ------
        ServerError
            If the server ends before, or takes too long.
        """
        assert self._process is not None  # noqa: S101 (inside the block)
        latest = time.perf_counter() + self._patience_s
        while self._status() != httpx.codes.OK:
            status = self._process.poll()
            if status is not None:
                msg = f"Expected a server, got one that ended with status {status}: {self._log}."
                raise ServerError(msg)
            if time.perf_counter() > latest:
                msg = (
                    f"Expected a list of served LLMs within {self._patience_s:g} s, got status "
                    f"{self._status()}: {self._log}."
                )
                raise ServerError(msg)
            time.sleep(READY_POLL_S)

    def __exit__(self, *_: object) -> None:
        """Ask it and its children to end, and make them after a while."""
        if self._process is None:
            return
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(STOP_GRACE_S)
        # Also those of its children that outlive it.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_GRACE_S)

    def _status(self) -> int | None:
        """Return the status of its list of LLMs; None where nothing answers."""
        try:
            answer = httpx.get(f"{self._url}/v1/models", headers=self._headers, timeout=5.0)
        except httpx.HTTPError:
            return None
        return answer.status_code
