"""Errors of the profiler.

ProfilerError                 what the command line reports in one line, exit status 2
├── ObservationError          a measurement file breaks its schema; says file, row and column
├── UnusableInputError        the input is well-formed and yet nothing can be done with it
├── UnfittablePairError       one (LLM, device) pair cannot be fitted; the others go on
├── MeterError                a meter cannot be opened, or does not see what it should
└── ServerError               an LLM server does not answer as one must to be measured
"""

from __future__ import annotations

from pathlib import Path


class ProfilerError(Exception):
    """Base of every error that the profiler raises on purpose."""


class ObservationError(ProfilerError):
    """A measurement file breaks its schema.

    Parameters
    ----------
    path
        The file.
    problem
        One sentence of the form "Expected x, got y.".
    row
        Line of the file, 1 for the header; None when the file as a whole is wrong.
    column
        Name of the column; None when the row as a whole is wrong.
    """

    def __init__(
        self, path: Path, problem: str, *, row: int | None = None, column: str | None = None
    ) -> None:
        self.path, self.problem, self.row, self.column = path, problem, row, column
        place = [str(path)]
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column}")
        super().__init__(f"{', '.join(place)}: {problem}")


class UnusableInputError(ProfilerError):
    """The input is well-formed and yet nothing can be done with it."""


class UnfittablePairError(ProfilerError):
    """One (LLM, device) pair cannot be fitted; its message is the reason, for a table."""


class MeterError(ProfilerError):
    """A meter cannot be opened, or does not see what it should; a silent zero is never written."""


class ServerError(ProfilerError):
    """An LLM server does not answer as one must to be measured."""
