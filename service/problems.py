"""Problem details (RFC 9457): the one form in which the service says no."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:jouleplan:problem:"

PROBLEM_TYPES: Mapping[str, tuple[int, str]] = {
    "malformed-request": (400, "The call is not HTTP as it should be"),
    "malformed-json": (400, "The body is not JSON"),
    "malformed-encoding": (400, "The body is not compressed as it says"),
    "unauthenticated": (401, "No API key that is in force"),
    "forbidden": (403, "The API key may not do this"),
    "cross-site": (403, "A page of another site asks"),
    "not-found": (404, "No such path"),
    "plan-not-found": (404, "No such plan"),
    "shard-not-found": (404, "The plan has no such shard"),
    "method-not-allowed": (405, "The path does not take this method"),
    "not-acceptable": (406, "No answer of a type that is accepted"),
    "body-timeout": (408, "The body did not arrive in time"),
    "not-finished": (409, "The plan is still being made"),
    "no-result": (410, "The plan ended without an answer"),
    "plan-gone": (410, "The plan is kept no more"),
    "too-large": (413, "The call is too large"),
    "unsupported-media-type": (415, "The body is announced as nothing that can be read"),
    "host-not-served": (421, "The host is not served here"),
    "malformed-arrow": (422, "The body is not an Arrow stream"),
    "invalid-request": (422, "The call is not one that can be answered"),
    "mixed-provenance": (422, "The cost models were not measured alike"),
    "unplaceable": (422, "Some requests fit no placement"),
    "infeasible": (422, "No plan keeps all limits"),
    "confidence-unattained": (422, "No plan was found that keeps the deadlines so surely"),
    "rate-limited": (429, "The limits of the API key are spent"),
    "overloaded": (429, "Too many calls wait already"),
    "internal": (500, "The service made a mistake"),
    "undecided": (503, "No plan was found in time"),
    "not-ready": (503, "The service cannot plan now"),
    "store-unavailable": (503, "Nothing can be kept on disk now"),
    "worker-lost": (503, "The worker of this call was lost"),
    "timed-out": (503, "The call took too long"),
}
"""Status and title of every problem type, by its slug, which is stable; wording may change."""

_NUMBER = re.compile(r"[0-9]+")
MAX_FIELD_ERRORS = 100
"""Largest number of field errors in one answer: of a million bad rows the first are named."""
MAX_EXAMPLES = 3


@dataclass(frozen=True)
class FieldError:
    """One thing to mend.

    Attributes
    ----------
    pointer
        JSON pointer (RFC 6901) into the request body; empty for the whole of it.
    detail
        What was expected and what was found.
    quoted
        Another pointer, which the detail quotes.
    alike
        How many more places it stands for, as the detail says.
    """

    pointer: str
    detail: str
    quoted: str = ""
    alike: int = 0

    def moved(self, place: Callable[[str], str]) -> FieldError:
        """Return the same of another document, by what returns where a pointer leads in it.

        Examples
        --------
        >>> FieldError("/b", "Got c as at /a.", "/a").moved(lambda where: f"/x{where}")
        FieldError(pointer='/x/b', detail='Got c as at /x/a.', quoted='/x/a', alike=0)
        """
        if not self.quoted:
            return replace(self, pointer=place(self.pointer))
        quoted = place(self.quoted)
        detail = self.detail.replace(self.quoted, quoted)
        return replace(self, pointer=place(self.pointer), detail=detail, quoted=quoted)


@dataclass
class Complaints:
    """What is to be mended: the first `MAX_FIELD_ERRORS` of it, and how many there are in all.

    Examples
    --------
    >>> complaints = Complaints()
    >>> complaints.add(FieldError("/a", "Expected b."), FieldError("/c", "Expected d."))
    >>> complaints.count, bool(complaints), len(complaints.first)
    (2, True, 2)
    """

    first: list[FieldError] = field(default_factory=list)
    count: int = 0

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, *errors: FieldError, count: int | None = None) -> None:
        """Add errors, the first of `count` where more were found than are given."""
        self.first += errors[: max(0, MAX_FIELD_ERRORS - len(self.first))]
        self.count += len(errors) if count is None else count

    def extend(self, other: Complaints) -> None:
        """Add what others complain of."""
        self.add(*other.first, count=other.count)

    def refusal(self) -> ProblemError:
        """Return the refusal of the body, where there is a complaint."""
        return invalid(self.first, self.count - len(self.first))

    def refuse(self) -> None:
        """Raise the refusal of the body, where there is a complaint."""
        if self.count:
            raise self.refusal()


class AlikeErrors:
    """Errors that say the same of many places, each kept once with a count.

    Places are alike where they differ in numbers only: ``/lines/3/url`` and ``/lines/7/url``.

    Examples
    --------
    >>> found = AlikeErrors(FieldError(f"/lines/{n}/url", "Expected b.") for n in (3, 7, 9, 12))
    >>> found.errors()[0].detail
    'Expected b. (and 3 more alike: /lines/7/url, /lines/9/url, /lines/12/url)'
    """

    def __init__(self, errors: Iterable[FieldError] = ()) -> None:
        self._first: dict[tuple[str, str], FieldError] = {}
        self._others: dict[tuple[str, str], list[str]] = {}
        self._count: Counter[tuple[str, str]] = Counter()
        self._more = 0
        for error in errors:
            self.add(error)

    def __bool__(self) -> bool:
        return bool(self._first)

    def add(self, error: FieldError) -> None:
        """Take in an error; of those that are alike, some places are kept."""
        kind = _NUMBER.sub("#", error.pointer), error.detail
        if kind not in self._first:
            if len(self._first) == MAX_FIELD_ERRORS:
                self._more += 1
                return
            self._first[kind], self._others[kind] = error, []
            return
        self._count[kind] += 1
        if len(self._others[kind]) < MAX_EXAMPLES:
            self._others[kind].append(error.pointer)

    def errors(self) -> list[FieldError]:
        """Return one error for each kind, in the order in which they came."""
        return [
            replace(error, detail=error.detail + self._alike(kind), alike=self._count[kind])
            for kind, error in self._first.items()
        ]

    def complaints(self) -> Complaints:
        """Return the same, with how many are left out."""
        errors = self.errors()
        return Complaints(errors, len(errors) + self._more)

    def _alike(self, kind: tuple[str, str]) -> str:
        count, others = self._count[kind], self._others[kind]
        if not count:
            return ""
        such = ": " if count == len(others) else ", such as "
        return f" (and {count:,} more alike{such}{', '.join(others)})"


class ProblemError(Exception):
    """Raised to answer with a problem instead of a result."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@dataclass(frozen=True)
class Problem:
    """One problem answer.

    Attributes
    ----------
    slug
        Key of `PROBLEM_TYPES`; the `type` member is ``urn:jouleplan:problem:<slug>``.
    detail
        What happened in this call.
    errors
        Fields to mend.
    omitted
        How many more there are.
    summary
        The detail without what `extra` says too, for who shows both; empty for the detail.
    extra
        Further members, e.g. ``conflict``.
    retry_after_s
        Value of the Retry-After header [s]; None for no header.
    """

    slug: str
    detail: str
    errors: Sequence[FieldError] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    retry_after_s: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    omitted: int = 0
    summary: str = ""

    @property
    def status(self) -> int:
        """HTTP status code."""
        return PROBLEM_TYPES[self.slug][0]

    def all_headers(self) -> dict[str, str]:
        """Return the headers that go with the body, Retry-After among them where there is one."""
        retry = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return {**self.headers, **retry}


def invalid(errors: Sequence[FieldError], omitted: int = 0) -> ProblemError:
    """Return the refusal of a body with field errors, `omitted` of which are not at hand."""
    first, others = errors[0], errors[1:]
    more = sum(1 + error.alike for error in others) + omitted
    detail = f"{first.pointer or 'The body'}: {first.detail}"
    if more:
        detail += f" ({more} more)"
    return ProblemError(Problem("invalid-request", detail, errors, omitted=omitted))


def from_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """Return the problem for a bare HTTP status of the web framework."""
    slugs = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}
    slug = slugs.get(status, "internal" if status >= 500 else "invalid-request")
    return Problem(slug, f"{HTTPStatus(status).phrase}.", headers=headers or {})


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a path into a document.

    Examples
    --------
    >>> pointer("requests", 3, "input_tokens")
    '/requests/3/input_tokens'
    >>> pointer("quality", "a/b~c")
    '/quality/a~1b~0c'
    >>> pointer()
    ''
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
