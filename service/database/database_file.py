"""An SQLite file and what may happen to it: damaged, cut, deleted or replaced while it is used.

What was acknowledged stays as far as it can be read anywhere: in the memory of the connection, in
what is left of the file, in a file that was deleted and is still open. It is written to a new file,
and the old one set aside; what is lost is reported, and how much.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from queue import SimpleQueue

from service.database import rescue
from service.database.contents import Contents, Loss
from service.database.file_watch import FileStamp, FileWatch
from service.database.opening import DamagedError, check_sound, is_sound, make_file
from service.database.rescue import LOG, beside
from service.database.salvage import is_damage, read_only
from service.database.stores import StoreError

logger = logging.getLogger("service.store")

IN_MEMORY = Path(":memory:")
CHECKPOINT_FRAMES = 500
"""Frames of a log from which it is written to its database, once it was found whole."""


class DatabaseFile:
    """One connection to an SQLite file, used by one thread; what cannot be done is a `StoreError`.

    Parameters
    ----------
    path
        Where the file lies; ``:memory:`` for none. Its folder is made too, for its owner alone.
    contents
        Tables of the file.
    timeout_s
        Longest wait for another process that writes [s].
    """

    def __init__(self, path: Path, contents: Contents, timeout_s: float) -> None:
        self.path, self._contents, self._timeout_s = path, contents, timeout_s
        self._losses: SimpleQueue[Loss] = SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._watch = FileWatch(path, beside(path, LOG))
        self._held: Mapping[str, int] = {}
        self._harm: str | None = None
        self._checkpointed = 0
        self._open_log: rescue.OpenLog | None = None

    def connection(self) -> sqlite3.Connection:
        """Return the connection, to a file that is at its path and as it was left."""
        connection = self._connection
        if connection is not None and not connection.in_transaction:
            self._look(connection, committed=False)
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def written(self) -> None:
        """See to it that what was committed is in a file that is at its path.

        Raises
        ------
        StoreError
            If there is no such file and none can be put there, or if some may be lost.
        """
        connection = self._connection
        if connection is None or self.path == IN_MEMORY:
            return
        self._held = self._contents.held(connection)
        if self._look(connection, committed=True):
            raise StoreError(f"Some of what {self.path} held was just lost: tell it again.")
        connection, frames = self._connection or self.connection(), self._watch.log.frames
        # One that was begun again is short. What others still read of it may keep it long.
        self._checkpointed = min(self._checkpointed, frames)
        if frames - self._checkpointed >= CHECKPOINT_FRAMES:
            self._checkpoint(connection)
            self._checkpointed = frames

    def check(self) -> None:
        """Look closer than before each transaction."""
        connection = self.connection()
        if self.path != IN_MEMORY:
            self._harm = self._watch.hidden_harm(connection)
            self.connection()

    def failed(self, error: BaseException) -> None:
        """Roll back what was begun; of a damaged file, what can be read is rescued next."""
        connection = self._connection
        if connection is None:
            return
        if is_damage(error):
            self._harm = f"it is damaged ({error})"
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()

    def take_losses(self) -> list[Loss]:
        """Return what was lost since this was asked last, from any thread."""
        return [self._losses.get() for _ in range(self._losses.qsize())]

    def close(self) -> None:
        """Close the file."""
        connection, self._connection, self._harm = self._connection, None, None
        if connection is not None:
            connection.close()
        self._close_log()

    def _close_log(self) -> None:
        log, self._open_log = self._open_log, None
        if log is not None:
            log.close()

    def _look(self, connection: sqlite3.Connection, *, committed: bool) -> bool:
        """Rescue what the file held where it is not as it was left; return whether some is lost."""
        if self.path == IN_MEMORY:
            return False
        with _as_store_errors(f"{self.path} cannot be looked at"):
            self._harm = self._harm or self._watch.harm(connection, committed=committed)
        if self._harm is None:
            return False
        with _as_store_errors(f"{self.path}: {self._harm}, and it cannot be written again"):
            return self._rescue(connection, self._harm)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Write the log to the database, if it is whole; while the disk is full the log grows."""
        self._harm = self._watch.hidden_harm(connection)
        if self._harm is not None:
            return
        complete = False
        try:
            result = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            complete = result[1] == result[2] == self._watch.log.frames
        except sqlite3.Error as error:
            if is_damage(error):
                self._harm = f"it is damaged ({error})"
        self._watch.checkpointed(complete=complete)

    def _rescue(self, connection: sqlite3.Connection, harm: str) -> bool:
        """Write what can be read to a new file, and close this one; return whether some is lost."""
        ours, aside = self._watch.is_ours, None
        shared = self._watch.is_shared(connection)
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        # Kept where this fails and is tried again: what lies at the path of the log is a copy then.
        log = self._open_log = self._open_log or rescue.OpenLog(self.path)
        if ours and self._watch.log_is_harmed:
            log.spoil(self._watch.log)
        with rescue.in_whole_pages(self.path, page_bytes) if ours else nullcontext():
            whole = rescue.copy_whole(connection, self.path)
            part = whole or rescue.copy_rows(connection, self.path, self._contents)
        if shared:
            # What others write and delete nobody counts along. Of a file that is elsewhere by now a
            # copy is all there was.
            self._held = self._contents.count(connection) if whole and not ours else {}
        if whole and ours and is_sound(connection, self.path):
            part.unlink()
            self.close()
            return self._report(harm, None)
        rescued = rescue.finish(self.path, part)
        if not ours and self.path.exists():
            aside = rescue.set_aside(self.path, "replaced", with_log=not self._watch.is_our_log)
        self._connection = self._harm = None
        log.close_without(connection)
        self._close_log()
        if ours and not whole:
            rescue.copy_from_file(self.path, self._contents, rescued)
        aside = rescue.put_in_place(self.path) or aside
        return self._report(harm, aside)

    def _report(self, harm: str, aside: Path | None) -> bool:
        """Log what has happened to the file, and where it is now; return whether some is lost."""
        what = f"{self.path}: {harm}"
        with read_only(self.path) as connection:
            left = self._contents.count(connection)
        lost = self._lose(left, self._held, what, aside)
        if not lost:
            where = "" if aside is None else f" What was there is set aside as {aside}."
            logger.error("%s: all that was acknowledged is written again.%s", what, where)
        return lost

    def _lose(
        self, left: Mapping[str, int], held: Mapping[str, int], what: str, aside: Path | None
    ) -> bool:
        """Log and note what is lost of what was held, where that is known; return whether any."""
        losses = [
            Loss(kind, held.get(kind), number, what, aside)
            for kind, number in left.items()
            if number < held.get(kind, number + 1)
        ]
        for loss in losses:
            logger.error("%s", loss)
            self._losses.put(loss)
        return bool(losses)

    def _open(self) -> sqlite3.Connection:
        with _as_store_errors(f"Expected a database at {self.path}, got"):
            if self.path != IN_MEMORY and rescue.is_waiting(self.path):
                self._report("it was harmed", rescue.put_in_place(self.path))
            try:
                return self._opened()
            except DamagedError as error:
                rescue.finish(self.path, rescue.copy_from_file(self.path, self._contents))
                harm = f"it is damaged ({error})"
                self._report(harm, rescue.put_in_place(self.path))
            try:
                return self._opened()
            except DamagedError as error:
                raise StoreError(f"Expected a database at {self.path}, got: {error}.") from None

    def _opened(self) -> sqlite3.Connection:
        before, emptied = self._held, self.path != IN_MEMORY and make_file(self.path)
        opened = FileStamp.of(self.path).identity
        connection = sqlite3.connect(
            self.path, isolation_level=None, timeout=self._timeout_s, check_same_thread=False
        )
        try:
            self._begin(connection)
            self._watch.begin(connection, opened)
        except BaseException as error:
            if isinstance(error, DamagedError) or is_damage(error):
                with closing(rescue.OpenLog(self.path)) as log:
                    log.close_without(connection)
                raise DamagedError(error) from None
            connection.close()
            raise
        if emptied and before:
            what = f"{self.path}: it is there, and empty"
            self._lose(dict.fromkeys(self._contents.counted, 0), before, what, None)
        elif emptied:
            logger.warning("%s: the file was there, and empty; it is begun anew.", self.path)
        return connection

    def _begin(self, connection: sqlite3.Connection) -> None:
        """See whether a file is sound, make what it lacks, and watch it from now on."""
        check_sound(connection)
        self._contents.prepare(connection)
        # The log is written to the database when it was found whole: see `_checkpoint`.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        self._contents.count_along(connection)
        self._held = self._contents.held(connection)


@contextmanager
def _as_store_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{what}: {error}.") from error
