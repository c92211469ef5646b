"""The requests of a call as arrays, whichever way they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast, overload

import numpy as np

from costmodel.arrays import BoolArray, FloatArray, IntArray
from costmodel.nearest import unknown_name
from costmodel.prompt_lengths import PromptLengths
from planner.inputs import Requests
from service.calls.allowed_names import AllowedNames
from service.calls.fleet.placements import Candidates
from service.calls.pins import pin_errors, pinned_devices, pinned_placements
from service.calls.schemas.requests import Pin, RequestColumns, RequestRow
from service.calls.token_columns import (
    Estimates,
    columns_of,
    estimates_of,
    falling,
    lengths_of,
    workload_of,
)
from service.problems import MAX_FIELD_ERRORS, Complaints, FieldError, pointer


class IndexNames(Sequence[str]):
    """The names of n requests that were given none: their indices as text, made when asked for.

    Examples
    --------
    >>> names = IndexNames(3)
    >>> len(names), names[2], names[1:]
    (3, '2', ['1', '2'])
    """

    def __init__(self, n: int) -> None:
        self._indices = range(n)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, where: int) -> str: ...

    @overload
    def __getitem__(self, where: slice) -> list[str]: ...

    def __getitem__(self, where: int | slice) -> str | list[str]:
        found = self._indices[where]
        return str(found) if isinstance(found, int) else list(map(str, found))


@dataclass(frozen=True, eq=False)
class Batch:
    """The requests of a call as columns of shape (n,), each field checked by itself.

    `by_row` says whether they came as rows, which decides how a pointer to a field looks. Input
    tokens are those of all prompts of a request together; `prompts` is None where all hold one.
    Limits are nan where a request has none. `set_aside` says why requests are not to be
    planned, by index, whatever they ask for.
    """

    by_row: bool
    given_ids: Sequence[str | None] | None
    input_tokens: IntArray
    output_tokens: IntArray | Estimates
    llms: AllowedNames | None = None
    pools: AllowedNames | None = None
    min_quality: FloatArray | None = None
    deadline_s: FloatArray | None = None
    choices: IntArray | None = None
    prompts: PromptLengths | None = None
    pinned: Sequence[Pin | None] | None = None
    set_aside: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def from_rows(cls, rows: Sequence[RequestRow]) -> Batch:
        """Return the batch of rows."""
        fields = {name: [getattr(row, name) for row in rows] for name in RequestRow.model_fields}
        return cls._of(fields, by_row=True)

    @classmethod
    def from_columns(cls, columns: RequestColumns) -> Batch:
        """Return the batch of columns."""
        return cls._of(dict(columns), by_row=False)

    @classmethod
    def _of(cls, columns: Mapping[str, Any], *, by_row: bool) -> Batch:
        input_tokens, prompts = lengths_of(columns["input_tokens"])
        return cls(
            by_row=by_row,
            given_ids=columns["id"],
            input_tokens=input_tokens,
            prompts=prompts,
            output_tokens=estimates_of(columns["output_tokens"]),
            llms=_names(columns["llms"]),
            pools=_names(columns["pools"]),
            min_quality=_numbers(columns["min_quality"]),
            deadline_s=_numbers(columns["deadline_seconds"]),
            choices=_counts(columns["choices"]),
            pinned=columns["pinned"],
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
    def ids(self) -> Sequence[str]:
        """The name of each request, its index as text where none was given."""
        given = self.given_ids
        if given is None:
            return IndexNames(len(self))
        if None not in given:
            return cast(Sequence[str], given)
        return [str(index) if name is None else name for index, name in enumerate(given)]

    @property
    def sequences(self) -> int:
        """Answers that all requests want together, all choices of all prompts."""
        counts = [
            counts
            for counts in (self.choices, None if self.prompts is None else self.prompts.counts)
            if counts is not None
        ]
        return int(np.prod(counts, axis=0).sum()) if counts else len(self)

    @property
    def names_llms(self) -> BoolArray:
        """Whether each request names the LLMs that may serve it, shape (n,)."""
        return np.zeros(len(self), dtype=bool) if self.llms is None else self.llms.given

    def complaints(self, candidates: Candidates) -> Complaints:
        """Return what the schema cannot see: lengths, repeated ids, unknown LLMs and pools."""
        found = self._uneven()
        if not found:
            found.extend(self._repeated_ids())
            found.extend(self._falling_quantiles())
            found.extend(self._unknown("llms", self.llms, candidates.llms))
            found.extend(self._unknown("pools", self.pools, candidates.pool_names))
            for index, field, message in pin_errors(self.pinned, candidates):
                found.add(FieldError(self.pointer_to(index, "pinned", field), message))
        return found

    def _uneven(self) -> Complaints:
        columns: Mapping[str, Sized | None] = {
            "id": self.given_ids,
            "llms": self.llms,
            "pools": self.pools,
            "min_quality": self.min_quality,
            "deadline_seconds": self.deadline_s,
            "choices": self.choices,
            "pinned": self.pinned,
        }
        named: list[tuple[tuple[str, ...], Sized | None]]
        named = [((name,), column) for name, column in columns.items()]
        named += [(("output_tokens", *path), c) for path, c in columns_of(self.output_tokens)]
        complaints = Complaints()
        for path, column in named:
            if column is not None and len(column) != len(self):
                message = (
                    f"Expected as many entries as input_tokens ({len(self)}), got {len(column)}."
                )
                complaints.add(FieldError(pointer("columns", *path), message))
        return complaints

    def _falling_quantiles(self) -> Complaints:
        complaints = Complaints()
        for lower, name, index in falling(self.output_tokens):
            where = pointer("columns", "output_tokens", name, index)
            message = f"Expected quantiles that do not fall, got {name} below {lower}."
            complaints.add(FieldError(where, message))
        return complaints

    def _repeated_ids(self) -> Complaints:
        complaints = Complaints()
        if self.given_ids is None:
            return complaints
        ids = self.ids
        if len(set(ids)) == len(ids):
            return complaints
        first: dict[str, int] = {}
        for index, name in enumerate(ids):
            if first.setdefault(name, index) != index:
                where = self.pointer_to(index, "id")
                before = self.pointer_to(first[name], "id")
                message = f"Expected ids that differ, got {name!r:.80} as in {before}."
                complaints.add(FieldError(where, message, before))
        return complaints

    def _unknown(
        self, field: str, choices: AllowedNames | None, known: Sequence[str]
    ) -> Complaints:
        complaints = Complaints()
        if choices is None:
            return complaints
        strange = choices.naming_others_than(known)
        errors = (
            FieldError(
                self.pointer_to(int(index), field, position),
                unknown_name(name, known, f"one of the fleet's {field}"),
            )
            for index in strange
            for position, name in enumerate(choices.distinct[choices.codes[index]] or ())
            if name not in known
        )
        first = list(islice(errors, MAX_FIELD_ERRORS))
        each = [sum(name not in known for name in names or ()) for names in choices.distinct]
        complaints.add(*first, count=int(np.array(each)[choices.codes].sum()))
        return complaints

    def to_requests(self, candidates: Candidates) -> Requests:
        """Return the arrays of a batch that nobody complains of."""
        return Requests(
            workload=workload_of(self.input_tokens, self.output_tokens, self.choices, self.prompts),
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
            choices.mask(names)
            for choices, names in ((self.llms, llm_of), (self.pools, pool_of))
            if choices is not None and any(entry is not None for entry in choices.distinct)
        ]
        admitted = pinned_placements(self.pinned, candidates)
        masks += [] if admitted is None else [admitted]
        if self.set_aside:
            kept = np.ones((len(self), len(candidates.placements)), dtype=bool)
            kept[list(self.set_aside)] = False
            masks.append(kept)
        return None if not masks else np.logical_and.reduce(masks)


def _names(column: Sequence[Sequence[str] | None] | None) -> AllowedNames | None:
    return None if column is None else AllowedNames.of(column)


def _counts(column: Sequence[int | None] | None) -> IntArray | None:
    if column is None or not any(column):
        return None
    return np.array([count or 1 for count in column], dtype=np.int64)


def _numbers(column: Sequence[float | None] | None) -> FloatArray | None:
    return None if column is None else np.array(column, dtype=np.float64)


def _filled(column: FloatArray | None, n: int, empty: float) -> FloatArray:
    if column is None:
        return np.full(n, empty)
    return np.where(np.isnan(column), empty, column)
