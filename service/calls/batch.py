"""From the requests of a call to the arrays that the planner takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.calls.output_estimates import Estimates, columns_of, falling, workload_of
from service.calls.pins import pin_errors, pinned_devices, pinned_placements
from service.fleet.placements import Candidates
from service.planning.inputs import Requests
from service.problems import FieldError, pointer
from service.schemas.requests import Pin, RequestColumns, RequestRow

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Names = Sequence[str] | None


@dataclass(frozen=True)
class Batch:
    """The requests of a call as columns, whichever way they came.

    Attributes
    ----------
    by_row
        Whether they came as rows, which decides how a pointer to a field looks.
    given_ids
        As the caller named them; None where not.
    """

    by_row: bool
    given_ids: Sequence[str | None] | None
    input_tokens: Sequence[int]
    output_tokens: Estimates
    llms: Sequence[Names] | None
    pools: Sequence[Names] | None
    min_quality: Sequence[float | None] | None
    deadline_s: Sequence[float | None] | None
    pinned: Sequence[Pin | None] | None = None

    @classmethod
    def from_rows(cls, rows: Sequence[RequestRow]) -> Batch:
        """Return the batch of rows."""
        return cls(
            by_row=True,
            given_ids=[row.id for row in rows],
            input_tokens=[row.input_tokens for row in rows],
            output_tokens=[row.output_tokens for row in rows],
            llms=[row.llms for row in rows],
            pools=[row.pools for row in rows],
            min_quality=[row.min_quality for row in rows],
            deadline_s=[row.deadline_seconds for row in rows],
            pinned=[row.pinned for row in rows],
        )

    @classmethod
    def from_columns(cls, columns: RequestColumns) -> Batch:
        """Return the batch of columns."""
        return cls(
            by_row=False,
            given_ids=columns.id,
            input_tokens=columns.input_tokens,
            output_tokens=columns.output_tokens,
            llms=columns.llms,
            pools=columns.pools,
            min_quality=columns.min_quality,
            deadline_s=columns.deadline_seconds,
            pinned=columns.pinned,
        )

    def __len__(self) -> int:
        return len(self.input_tokens)

    def pointer_to(self, index: int, *path: str | int) -> str:
        """Return the pointer to a field of request `index`, or to the request itself."""
        if self.by_row:
            return pointer("requests", index, *path)
        field, *rest = path or ("input_tokens",)
        return pointer("columns", field, index, *rest)

    @property
    def ids(self) -> list[str]:
        """The name of each request, its index as text where none was given."""
        given = self.given_ids
        if given is None:
            return [str(index) for index in range(len(self))]
        return [str(index) if name is None else name for index, name in enumerate(given)]

    @property
    def names_llms(self) -> BoolArray:
        """Whether each request names the LLMs that may serve it, shape (n,)."""
        if self.llms is None:
            return np.zeros(len(self), dtype=bool)
        return np.array([names is not None for names in self.llms], dtype=bool)

    def errors(self, candidates: Candidates) -> list[FieldError]:
        """Return what the schema cannot see: lengths, repeated ids, unknown LLMs and pools."""
        lengths = self._length_errors()
        if lengths:
            return lengths
        return [
            *self._id_errors(),
            *self._estimate_errors(),
            *self._name_errors("llms", self.llms, candidates.llms),
            *self._name_errors("pools", self.pools, candidates.pool_names),
            *(
                FieldError(self.pointer_to(index, "pinned", field), message)
                for index, field, message in pin_errors(self.pinned, candidates)
            ),
        ]

    def _length_errors(self) -> list[FieldError]:
        columns: Mapping[str, Sequence[object] | None] = {
            "id": self.given_ids,
            "llms": self.llms,
            "pools": self.pools,
            "min_quality": self.min_quality,
            "deadline_seconds": self.deadline_s,
            "pinned": self.pinned,
        }
        named: list[tuple[tuple[str, ...], Sequence[object] | None]]
        named = [((name,), column) for name, column in columns.items()]
        named += [(("output_tokens", *path), c) for path, c in columns_of(self.output_tokens)]
        return [
            FieldError(
                pointer("columns", *path),
                f"Expected as many entries as input_tokens ({len(self)}), got {len(column)}.",
            )
            for path, column in named
            if column is not None and len(column) != len(self)
        ]

    def _estimate_errors(self) -> list[FieldError]:
        return [
            FieldError(
                pointer("columns", "output_tokens", name, index),
                f"Expected quantiles that do not fall, got {name} below {lower}.",
            )
            for lower, name, index in falling(self.output_tokens)
        ]

    def _id_errors(self) -> list[FieldError]:
        ids = self.ids
        if len(set(ids)) == len(ids):
            return []
        first: dict[str, int] = {}
        errors = []
        for index, name in enumerate(ids):
            if first.setdefault(name, index) != index:
                where = self.pointer_to(index, "id")
                message = f"Expected ids that differ, got {name!r} as for request {first[name]}."
                errors.append(FieldError(where, message))
        return errors

    def _name_errors(
        self, field: str, column: Sequence[Names] | None, known: Sequence[str]
    ) -> list[FieldError]:
        allowed = set(known)
        return [
            FieldError(
                self.pointer_to(index, field, position),
                f"Expected one of the fleet's {field} ({', '.join(known)}), got {name}.",
            )
            for index, names in enumerate(column or ())
            if names is not None and not allowed.issuperset(names)
            for position, name in enumerate(names)
            if name not in allowed
        ]

    def to_requests(self, candidates: Candidates) -> Requests:
        """Return the arrays of a batch without errors."""
        return Requests(
            workload=workload_of(np.asarray(self.input_tokens, dtype=np.int64), self.output_tokens),
            deadline_s=_filled(self.deadline_s, len(self), np.inf),
            min_quality=_filled(self.min_quality, len(self), -np.inf),
            allowed=self._allowed(candidates),
            device=pinned_devices(self.pinned),
        )

    def _allowed(self, candidates: Candidates) -> BoolArray | None:
        """Return which placements each request admits, (n, k), None where all admit all."""
        llm_of = [placement.llm for placement in candidates.placements]
        pool_of = [candidates.pools[p.pool].name for p in candidates.placements]
        masks = [
            _mask(column, names)
            for column, names in ((self.llms, llm_of), (self.pools, pool_of))
            if column is not None and any(entry is not None for entry in column)
        ]
        admitted = pinned_placements(self.pinned, candidates)
        masks += [] if admitted is None else [admitted]
        return None if not masks else np.logical_and.reduce(masks)


def _filled(column: Sequence[float | None] | None, n: int, empty: float) -> FloatArray:
    if column is None:
        return np.full(n, empty)
    return np.array([empty if value is None else value for value in column], dtype=np.float64)


def _mask(column: Sequence[Names], names: Sequence[str]) -> BoolArray:
    """Return (n, k): whether the name of each placement is among those of each request."""
    distinct: dict[tuple[str, ...] | None, int] = {}
    which = [
        distinct.setdefault(None if entry is None else tuple(entry), len(distinct))
        for entry in column
    ]
    rows = [[entry is None or name in entry for name in names] for entry in distinct]
    return np.array(rows, dtype=bool)[which]
