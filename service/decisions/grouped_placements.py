"""The placements of the fleet: which may serve a request, and what the gateway calls them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from costmodel.nearest import listed, nearest, shown, unknown_name
from service.calls.placement_row import PlacementRow
from service.calls.schemas.decisions import CandidateBody, DecisionBody
from service.calls.schemas.names import read_llm
from service.decisions.rule import Group
from service.problems import FieldError, invalid

Key = tuple[str, str]
"""LLM and pool."""
Names = Mapping[Key, str | None]
"""The gateway's own name of each candidate."""


class GroupedPlacements:
    """The fleet's placements, grouped by LLM and pool."""

    def __init__(self, rows: Sequence[PlacementRow]) -> None:
        levels: dict[Key, list[PlacementRow]] = {}
        self._of_llm: dict[str, dict[Key, str | None]] = {}
        for row in rows:
            levels.setdefault((row.llm, row.pool), []).append(row)
            self._of_llm.setdefault(row.llm, {})[row.llm, row.pool] = None
        self._groups: dict[Key, Group] = {
            key: tuple(sorted(group, key=lambda row: row.concurrency))
            for key, group in levels.items()
        }

    @property
    def llms(self) -> tuple[str, ...]:
        """Names of the LLMs, in the order of the fleet."""
        return tuple(self._of_llm)

    @property
    def pools(self) -> frozenset[str]:
        """Names of the pools."""
        return frozenset(pool for _, pool in self._groups)

    @property
    def highest_quality(self) -> float | None:
        """The highest score of the LLMs; None where none has one."""
        scores = (one[0].quality for one in self._groups.values())
        return max((score for score in scores if score is not None), default=None)

    @property
    def groups(self) -> Sequence[Group]:
        """Placements of each LLM on each pool."""
        return tuple(self._groups.values())

    def idle_power(self) -> Mapping[str, tuple[int, float | None]]:
        """Return the devices of each pool, and the idle watts of one."""
        return {one[0].pool: (one[0].devices, one[0].idle_watts) for one in self._groups.values()}

    def group(self, llm: str, pool: str) -> Group | None:
        """Return the placements of an LLM on a pool by rising concurrency; None for none."""
        return self._groups.get((llm, pool))

    def candidates(self, body: DecisionBody) -> tuple[Sequence[Group], Names]:
        """Return what may serve a request.

        Raises
        ------
        ProblemError
            If the fleet has nothing of what is asked for (422).
        """
        where, llm = _named(body)
        if read_llm(llm) not in self._of_llm and (body.llm is not None or body.candidates is None):
            message = unknown_name(llm, self.llms, "one of the fleet's llms")
            raise invalid([FieldError(where, message)])
        if body.candidates is None:
            found: Names = self._of_llm[read_llm(llm)]
        else:
            found = {key: one.name for one in body.candidates for key in self._keys(one)}
            if body.llm is not None:
                found = {key: name for key, name in found.items() if key[0] == body.llm}
            if not found:
                raise invalid([FieldError("/candidates", self._unknown(body.candidates))])
        return [self._groups[key] for key in found], found

    def unknown(self, body: DecisionBody) -> str | None:
        """Return the sentence for the candidates that the fleet does not have; None for none."""
        strange = [one for one in body.candidates or () if not self._keys(one)]
        return self._unknown(strange) if strange else None

    def _unknown(self, candidates: Sequence[CandidateBody]) -> str:
        """Return the sentence for candidates of which the fleet has none."""
        has = listed([f"{llm} on {pool}" for llm, pool in self._groups])
        near = [
            *_nearest((one.llm for one in candidates), self.llms),
            *_nearest((one.pool for one in candidates if one.pool is not None), self.pools),
        ]
        hint = f" Nearest: {listed(near)}." if near else ""
        got = listed([f"{shown(one.llm)} on {one.pool or 'any pool'}" for one in candidates])
        return f"Expected a candidate that the fleet has ({has}), got {got}.{hint}"

    def _keys(self, candidate: CandidateBody) -> Sequence[Key]:
        if candidate.pool is not None:
            key = candidate.llm, candidate.pool
            return [key] if key in self._groups else []
        return list(self._of_llm.get(candidate.llm, ()))


def _nearest(names: Iterable[str], known: Collection[str]) -> dict[str, None]:
    """Return, once each, the known names that those which are not known may stand for."""
    strange = [name for name in dict.fromkeys(names) if name not in known]
    return dict.fromkeys(found for name in strange for found in nearest(name, known, 1))


def _named(body: DecisionBody) -> tuple[str, str]:
    """Return the LLM that a request is for, and the pointer to where the caller names it."""
    if body.llm is not None:
        return "/llm", body.llm
    return "/request/model", str((body.request or {}).get("model"))
