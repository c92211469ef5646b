"""Memory as it is shared out among calls: by estimate, before anything is read.

::

    HeldBodies     large bodies that arrive or wait: refused beyond a number of bytes
    MemoryBudget   calls in workers: each waits in turn until its estimate fits beside the others'
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from weakref import WeakKeyDictionary, WeakSet

from service.calls.content import AnonymousFile
from service.calls.messages import ARROW, BATCH_FILES
from service.problems import Problem, ProblemError

CALL_BYTES = 64 * 2**20
"""Memory that a worker takes for a call, whatever is in it."""
BYTES_PER_JSON_BYTE = 8
"""Memory for a byte of JSON: text becomes Python objects before it becomes arrays."""
BYTES_PER_ARROW_BYTE = 4
BYTES_PER_FILE_BYTE = 3
"""Memory for a byte of a batch file, which is held once as it came and once as its shards."""
BYTES_PER_LINE = 1024
"""Memory for a line of a batch file: where it lies, its name, and what was counted of it."""
BYTES_PER_REQUEST = 256
BYTES_PER_PAIR = 64
"""Memory for a pair of a request and a placement of the service's own fleet."""
ARROW_BYTES_PER_REQUEST = 8
"""Bytes of a request in an Arrow stream: it has at least two columns of 32-bit integers."""


def estimated_bytes(
    media_type: str, size: int, marks: int, placements: int, max_requests: int
) -> int:
    """Return what a call is estimated to take of a worker's memory [bytes].

    `marks` are ends of lines in a batch file, else commas in the body of `size` bytes: each
    request takes at least two in JSON. `placements` are those of the service's own fleet; a
    call that brings another is estimated by this too.

    Examples
    --------
    >>> estimated_bytes("application/json", 9_000_000, 2_000_000, 8, 1_000_000) // 10**6
    907
    """
    each = BYTES_PER_REQUEST
    if media_type == ARROW:
        requests, factor = size // ARROW_BYTES_PER_REQUEST, BYTES_PER_ARROW_BYTE
    elif media_type in BATCH_FILES:
        requests, factor, each = marks + 1, BYTES_PER_FILE_BYTE, BYTES_PER_LINE
    else:
        requests, factor = marks // 2 + 1, BYTES_PER_JSON_BYTE
    requests = min(requests, max_requests)
    pairs = requests * max(1, placements)
    return CALL_BYTES + factor * size + each * requests + BYTES_PER_PAIR * pairs


class HeldBodies:
    """The large bodies that this process holds: each from its first bytes until a worker has it.

    `max_bytes` limits the bytes of all together, `max_patient` of those that nobody waits for, and
    `max_of_owner` of several of these that one owner has; a single one may have more. Each is the
    limit before it where left out.
    """

    def __init__(
        self, max_bytes: int, max_patient: int | None = None, max_of_owner: int | None = None
    ) -> None:
        self._max_bytes = max_bytes
        self._max_patient = max_bytes if max_patient is None else max_patient
        self._max_of_owner = self._max_patient if max_of_owner is None else max_of_owner
        self._files: WeakSet[AnonymousFile] = WeakSet()
        self._patient: WeakKeyDictionary[AnonymousFile, str | None] = WeakKeyDictionary()

    @property
    def size(self) -> int:
        """Bytes of all together now."""
        return _open_bytes(self._files)

    def add(self, file: AnonymousFile, *, patient: bool = False, owner: str | None = None) -> None:
        """Count a body for as long as its file is open."""
        self._files.add(file)
        if patient:
            self._patient[file] = owner

    def fits(self, more: int, *, patient: bool = False, owner: str | None = None) -> bool:
        """Return whether there is room for `more` bytes of a body of `owner`, None without keys.

        A patient body is one whose answer nobody waits for.
        """
        if patient:
            theirs = [file for file, of in self._patient.items() if of == owner and not file.closed]
            several = owner is not None and len(theirs) > 1
            if several and _open_bytes(theirs) + more > self._max_of_owner:
                return False
            if _open_bytes(self._patient) + more > self._max_patient:
                return False
        return self.size + more <= self._max_bytes


def _open_bytes(files: Iterable[AnonymousFile]) -> int:
    return sum(file.size for file in files if not file.closed)


class MemoryBudget:
    """Lets calls in while their estimates fit together, in the order in which they came.

    Those that somebody waits for come before those that are patient. `committed_bytes` is what
    those that are in are estimated to take.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.committed_bytes = 0
        self._turns: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._patient_turns: deque[tuple[int, asyncio.Future[None]]] = deque()

    def check(self, size: int) -> None:
        """Refuse with 413 a call that would wait for ever: all together have less memory."""
        if size > self.budget_bytes:
            message = (
                f"The call is estimated to take {size / 1e9:.1f} GB of memory, and all calls "
                f"together may take {self.budget_bytes / 1e9:.1f} GB."
            )
            raise ProblemError(Problem("too-large", message))

    def fits(self, size: int) -> bool:
        """Return whether a call need not wait."""
        nobody_waits = not self._turns and not self._patient_turns
        return nobody_waits and self.committed_bytes + size <= self.budget_bytes

    async def enter(self, size: int, *, patient: bool = False) -> None:
        """Wait for a turn and commit `size` bytes, until `leave`.

        Who is patient lets all pass who are not.
        """
        if self.fits(size):
            self.committed_bytes += size
            return
        turn = asyncio.get_running_loop().create_future()
        turns = self._patient_turns if patient else self._turns
        turns.append((size, turn))
        # One that is patient may be before it, and it may fit.
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                turns.remove((size, turn))
                self._admit()
            else:
                self.leave(size)
            raise

    def leave(self, size: int) -> None:
        """Release the memory that `enter` committed."""
        self.committed_bytes -= size
        self._admit()

    def _admit(self) -> None:
        """Let in those whose turn it is; one that has given up keeps it until it is gone."""
        while turns := self._turns or self._patient_turns:
            size, turn = turns[0]
            if turn.done() or self.committed_bytes + size > self.budget_bytes:
                return
            turns.popleft()
            self.committed_bytes += size
            turn.set_result(None)
