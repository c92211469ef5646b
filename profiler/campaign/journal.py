"""The files of a campaign: one row a window, appended and forced to disk as it ends.

A row counts once its line is whole. A process killed while writing leaves half a line behind, which
the next one cuts off; requests of a window whose row never came are cut off likewise.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from costmodel.files import open_input
from profiler.campaign.trial import HEADER, Trial
from profiler.delimited import read_table
from profiler.errors import ObservationError, UnusableInputError

SETTINGS_SUFFIX = ".campaign.json"
REQUESTS_SUFFIX = ".requests.csv"
LOADS_SUFFIX = ".loads.csv"
REQUESTS_HEADER = (
    "window", "input_tokens", "output_tokens", "asked_output_tokens", "sent_s", "ttft_s", "itl_s",
    "latency_s",
)  # fmt: skip
"""One row a request: the window's number from 0, tokens as reported, seconds since it began."""


class Journal:
    """A campaign's observations file with its companions, locked while open.

    Parameters
    ----------
    path
        Path of the observations; the others stand beside it.
    settings
        What the campaign is about; a file of a campaign about something else is refused.
    """

    def __init__(self, path: Path, settings: Mapping[str, object]) -> None:
        self.path = path
        self._settings = json.loads(json.dumps(settings))
        self.trials: list[Trial] = []
        self._lock: io.TextIOWrapper | None = None

    def companion(self, suffix: str) -> Path:
        """Return the path of a companion file."""
        return companion(self.path, suffix)

    def append(self, trial: Trial, requests: Sequence[Sequence[object]] = ()) -> None:
        """Keep a window: its requests, then the row that makes it count."""
        if requests:
            number = len(self.trials)
            rows = [(number, *request) for request in requests]
            _append(self.companion(REQUESTS_SUFFIX), REQUESTS_HEADER, rows)
        _append(self.path, HEADER, [[trial.cells[name] for name in HEADER]])
        self.trials.append(trial)

    def __enter__(self) -> Self:
        """Lock the campaign and read what it has.

        Raises
        ------
        UnusableInputError
            If another process runs it, or it is a campaign about something else.
        ObservationError
            If a file is not one of a campaign.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        try:
            self._check_settings()
            self.trials = self._read()
            self._drop_orphans()
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Unlock it; settings of a campaign that never had a window are removed."""
        self._unlock()

    def _locked(self) -> io.TextIOWrapper:
        """Open the file of settings, made where absent, for this process alone."""
        path = self.companion(SETTINGS_SUFFIX)
        while True:
            file = path.open("a+", encoding="utf-8")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                raise UnusableInputError(
                    f"Expected {self.path} for this campaign alone, got another that writes to it."
                ) from None
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
            file.close()  # whoever had it locked has removed it meanwhile

    def _unlock(self) -> None:
        if self._lock is None:
            return
        if not self._is_begun():
            self.companion(SETTINGS_SUFFIX).unlink(missing_ok=True)
        self._lock.close()

    def _is_begun(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > 0

    def _check_settings(self) -> None:
        assert self._lock is not None  # noqa: S101 (opened by the caller)
        self._lock.seek(0)
        text = self._lock.read()
        begun = self._is_begun()
        try:
            known = json.loads(text)
        except ValueError:
            known = None
        if not begun or not isinstance(known, dict):
            # Nothing, half of it, or of a campaign that never had a window: it binds nobody.
            if begun:
                raise UnusableInputError(
                    f"Expected a new file or one of a campaign, got {self.path} without a whole "
                    f"{self.companion(SETTINGS_SUFFIX).name} beside it."
                ) from None
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.write(json.dumps(self._settings, indent=2) + "\n")
            self._lock.flush()
            os.fsync(self._lock.fileno())
            return
        differing = [key for key in self._settings if known.get(key) != self._settings[key]]
        if differing:
            said = "; ".join(f"{k} {known.get(k)!r}, not {self._settings[k]!r}" for k in differing)
            raise UnusableInputError(
                f"Expected the settings that {self.path} was begun with, got others: it has {said}."
            )

    def _read(self) -> list[Trial]:
        if not _cut_torn_line(self.path):
            return []
        header, rows = read_table(self.path)
        if header != list(HEADER):
            raise ObservationError(self.path, "Expected the columns of a campaign.", row=1)
        trials = []
        for line, cells in rows:
            try:
                trials.append(Trial.read(cells))
            except ValueError as error:
                problem = f"Expected a campaign's window, got {error}."
                raise ObservationError(self.path, problem, row=line) from None
        return trials

    def _drop_orphans(self) -> None:
        path = self.companion(REQUESTS_SUFFIX)
        if not _cut_torn_line(path):
            return
        header, rows = read_table(path)
        kept = [
            list(cells.values()) for _, cells in rows if int(cells["window"]) < len(self.trials)
        ]
        if len(kept) < len(rows):
            fresh = path.with_suffix(".tmp")
            fresh.write_text(_lines([header, *kept]), encoding="utf-8")
            fresh.replace(path)


def companion(path: Path, suffix: str) -> Path:
    """Return the path of a campaign's companion file, such as ``observations.loads.csv``."""
    return path.with_name(path.stem + suffix)


def _append(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("ab") as file:
        lines = [] if file.tell() else [list(header)]
        file.write(_lines([*lines, *rows]).encode())
        file.flush()
        os.fsync(file.fileno())


def _lines(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cut_torn_line(path: Path) -> bool:
    """Cut off a last line without its end; return whether anything is left."""
    if not path.exists():
        return False
    with open_input(path) as file:
        content = file.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
    return whole > 0
