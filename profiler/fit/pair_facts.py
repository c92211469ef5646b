"""What is known of a pair besides its trials: engine, hardware, scope, task, date; or why not."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from costmodel.errors import MomentRefusedError
from costmodel.intervals import MIN_INTERVAL_POINTS
from costmodel.moments import read_moment, written
from costmodel.nearest import counted
from costmodel.provenance import GPU, GPU_AND_CPU
from profiler.errors import UnfittablePairError
from profiler.fit.loads import IDLE_METERED_NOTE, IDLE_NOTE, LoadFigures
from profiler.fit.published import Campaign, campaign_of
from profiler.observations import Observations

SINGLE_VALUED_COLUMNS = ("engine", "task", "energy_scope", "hardware", "driver")
"""Further columns that say what a card must: one value a pair."""


@dataclass(frozen=True)
class PairFacts:
    """Facts of one pair for its card; None where not known.

    Attributes
    ----------
    source, kv_cache, energy_scope, date, engine, task, hardware, driver
        As `costmodel.provenance.Provenance` has them.
    max_context_tokens
        Input and output together that the LLM was made for.
    notes
        Notes for a reader of the card.
    """

    source: str
    kv_cache: str
    energy_scope: str
    date: str | None
    engine: str | None
    task: str | None
    hardware: str | None
    driver: str | None
    max_context_tokens: int | None
    notes: tuple[str, ...]


def pair_facts(llm: str, device: str, trials: Observations, date: str | None) -> PairFacts:
    """Gather the facts of a pair from its columns and from what its campaign published.

    Parameters
    ----------
    llm, device
        Names of the pair.
    trials
        All trials of the pair.
    date
        Date in place of the campaign's; None to keep that.

    Returns
    -------
    PairFacts
        A column of the file wins over the campaign.

    Raises
    ------
    UnfittablePairError
        If trials of different sources, KV-cache settings, engines, tasks, scopes or hardware would
        be mixed in one cost model.
    """
    source = _one("source", trials.source.tolist())
    campaign = campaign_of(source)
    said = {
        name: _one(name, trials.extra[name].tolist()) or None if name in trials.extra else None
        for name in SINGLE_VALUED_COLUMNS
    }
    return PairFacts(
        source=source,
        kv_cache=_one("kv_cache", trials.kv_cache.tolist()),
        energy_scope=said["energy_scope"] or _scope_of(device),
        date=date or _started(trials) or campaign.date,
        engine=said["engine"] or campaign.engine,
        task=said["task"],
        hardware=said["hardware"] or campaign.hardware.get(device),
        driver=said["driver"],
        max_context_tokens=_context(trials) or campaign.max_context_tokens.get(llm),
        notes=_notes(campaign),
    )


def null_reasons(
    facts: PairFacts,
    load: LoadFigures | None,
    points: int,
    *,
    input_recorded: bool,
    mixed: bool = False,
    mixed_taught: int = 0,
) -> Mapping[str, str]:
    """Say why a field of the card is null.

    Parameters
    ----------
    facts
        Facts of the pair.
    load
        None where no load was measured.
    points
        Distinct grid points of the fit.
    input_recorded
        Whether input lengths are in the observations.
    mixed
        Whether the fit was scored on windows of mixed lengths.
    mixed_taught
        Number of such windows that it learnt from.

    Returns
    -------
    Mapping
        Reason by field.
    """
    reasons = {}
    if not mixed:
        reasons["mixed_lengths"] = (
            f"the {mixed_taught} windows of mixed lengths are what the fit learnt from"
            if mixed_taught
            else "no window of mixed lengths was measured"
        )
    if facts.driver is None:
        published = campaign_of(facts.source).citation is not None
        reasons["driver"] = "not published" if published else "not recorded"
    if points < MIN_INTERVAL_POINTS:
        few = f"{points} distinct points, {MIN_INTERVAL_POINTS} needed"
        reasons |= {"energy_interval": few, "device_seconds_interval": few}
    if not input_recorded:
        reasons["input_tokens"] = "input lengths are not in the observations"
    if facts.max_context_tokens is None:
        reasons["max_context_tokens"] = "not in the observations: it is a setting of the server"
    if facts.task is None:
        reasons["task"] = "one prompt length at a time, no task's mix"
    if load is None or load.load_s is None:
        absent = "no load of this LLM on this device was measured"
        reasons |= {"load_s": absent, "load_energy_j": absent}
    if load is None:
        reasons["idle_watts"] = "not measured"
    return reasons


def load_notes(load: LoadFigures | None) -> tuple[str, ...]:
    """Say on the card where load and idle figures come from."""
    if load is None:
        return ()
    idle = IDLE_METERED_NOTE if load.idle_metered else IDLE_NOTE
    if load.load_s is None:
        return (idle,)
    return (f"Load figures are means of {counted(load.repeats, 'measured load')}.", idle)


def _one(column: str, values: list[str]) -> str:
    found = sorted(set(values))
    if len(found) > 1:
        raise UnfittablePairError(f"mixes {column} {' and '.join(found)}: one cost model is of one")
    return found[0]


def _scope_of(device: str) -> str:
    # An Apple chip has one power domain that is read as processor and GPU; all others meter GPUs.
    return GPU if device[0].isdigit() else GPU_AND_CPU


def _started(trials: Observations) -> str | None:
    """Return the day on which the first trial began, in UTC; None where no cell is a moment."""
    began_s = []
    for text in trials.extra.get("started_at", ()):
        with contextlib.suppress(MomentRefusedError):
            began_s.append(read_moment(str(text)).at_s)
    return written(min(began_s))[:10] if began_s else None


def _context(trials: Observations) -> int | None:
    said = [text for text in trials.extra.get("max_context_tokens", []) if text]
    return min(int(float(text)) for text in said) if said else None


def _notes(campaign: Campaign) -> tuple[str, ...]:
    return (campaign.citation, *campaign.notes) if campaign.citation else campaign.notes
