"""A server that the profiler starts itself, to measure what loading takes."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from profiler.errors import ServerError

POLL_S = 0.1
GRACE_S = 30.0


class ServerProcess:
    """A command that serves until the ``with`` block ends, in a process group of its own.

    Parameters
    ----------
    command
        As typed in a shell, without its operators.
    url
        Where it will answer.
    log
        Gets what it prints.
    patience_s
        To wait for its first answer [s].
    """

    def __init__(self, command: str, url: str, log: Path, patience_s: float) -> None:
        self._command, self._url, self._log = command, url, log
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it.

        Raises
        ------
        ServerError
            Where something answers there already, or the command cannot be run.
        """
        if self._answers():
            raise ServerError(f"Expected nothing at {self._url} yet, got an answer.")
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
            Where it ends before, or takes too long.
        """
        assert self._process is not None  # noqa: S101 (inside the block)
        latest = time.perf_counter() + self._patience_s
        while not self._answers():
            status = self._process.poll()
            if status is not None:
                msg = f"Expected a server, got one that ended with status {status}: {self._log}."
                raise ServerError(msg)
            if time.perf_counter() > latest:
                msg = f"Expected an answer within {self._patience_s:g} s, got none: {self._log}."
                raise ServerError(msg)
            time.sleep(POLL_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ask it and its children to end, and make them after a while."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(GRACE_S)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue
            else:
                return

    def _answers(self) -> bool:
        try:
            answer = httpx.get(f"{self._url}/v1/models", timeout=5.0)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK
