"""What came of the calls of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.markdown import table


@dataclass
class CaseOutcome:
    """What came of one drawn case.

    Attributes
    ----------
    seed
        Seed by which the case is drawn again.
    kind
        Which call it was.
    ended
        How: ``optimal``, ``feasible``, the name of a problem.
    seconds, allowed_s
        Seconds from sending to the whole answer; the time limit and what may be added to it.
    faults
        What is wrong with the answers.
    calls
        Calls that were made for it, those that check the first one's answer among them.
    """

    seed: int
    kind: str
    ended: str
    seconds: float
    allowed_s: float
    faults: list[str] = field(default_factory=list)
    calls: int = 1

    @property
    def late(self) -> bool:
        """Whether the answer took longer than it may."""
        return self.seconds > self.allowed_s


def describe(outcomes: list[CaseOutcome]) -> str:
    """Return the table of a run: for each kind of call and end, how many, wrong and late."""
    groups: dict[tuple[str, str], list[CaseOutcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.kind, outcome.ended), []).append(outcome)
    rows = [
        [
            kind,
            ended,
            str(len(there)),
            str(sum(bool(one.faults) for one in there)),
            str(sum(one.late for one in there)),
            f"{max(one.seconds - one.allowed_s for one in there):+.2f}",
        ]
        for (kind, ended), there in sorted(groups.items())
    ]
    calls = sum(outcome.calls for outcome in outcomes)
    wrong = sum(bool(outcome.faults) for outcome in outcomes)
    late = sum(outcome.late for outcome in outcomes)
    errors = sum(outcome.ended == "internal" for outcome in outcomes)
    total = (
        f"{len(outcomes):,} cases, {calls:,} calls: {errors} answered by a 500, {wrong} wrong, "
        f"{late} over their time"
    )
    header = ["call", "ended", "cases", "wrong", "late", "s beyond its time, most"]
    return total + "\n\n" + table(header, rows)
