"""What a worker plans over: artefacts and fleet as files have them, or as they last were good.

Files are read where they have changed. Where they cannot be used, what was read before stays in
force and the failure is reported: for a fleet as a whole, for an artefact by itself, and for both
together where the fleet names what an artefact no longer serves.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from costmodel.catalogue import Catalogue
from costmodel.cost_model import CostModel
from costmodel.files import is_absent
from costmodel.names import artefact_stem
from service.calls.fleet.file import FleetFile, FleetFileError, first_sentences, read_fleet_file
from service.calls.fleet.placements import Candidates, build_candidates, contradictions
from service.calls.messages import COST_MODELS, FLEET, RELOADED
from service.file_changes import UNEXPECTED, fingerprint
from service.settings.files import FileSettings

logger = logging.getLogger("service.fleet.loading")

Pair = tuple[str, str]


@dataclass(frozen=True)
class Loaded:
    """What is loaded: the artefacts, and the fleet's file, None where none can be used.

    `reasons` and `notes` say why the fleet cannot be used, and what of it cannot. `failures`
    are about files that cannot be used, by `service.calls.messages.RELOADED`. `seen` is how the
    files looked before they were read; see `service.file_changes.fingerprint`.
    """

    catalogue: Catalogue
    file: FleetFile | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    seen: str = ""

    @property
    def candidates(self) -> Candidates | None:
        """The placements of the fleet; None where it cannot be used."""
        if self.file is None or self.reasons:
            return None
        return build_candidates(self.file.fleet, self.catalogue)

    def after_a_fault(self, files: FileSettings) -> Loaded:
        """Return it as it stays where loading what is newer failed in a way that it never should.

        The failure names the files that were loaded.
        """
        words = f"{files.models_dir}, {files.fleet_path}: {UNEXPECTED}"
        reasons = self.reasons if self.catalogue.cost_models else (words,)
        return replace(self, reasons=reasons, failures=dict.fromkeys(RELOADED, words))

    def packed(self) -> bytes:
        """Return it as bytes for another process of this service."""
        return pickle.dumps(self)

    @staticmethod
    def unpacked(content: bytes) -> Loaded:
        """Return what `packed` made; only ever of a process of this service."""
        loaded: Loaded = pickle.loads(content)  # noqa: S301
        return loaded


def load_files(files: FileSettings, before: Loaded | None = None) -> Loaded:
    """Read the artefacts and the fleet that the settings name.

    `before` is in force, and stays where the files cannot be used; None at a start.
    """
    seen = fingerprint(files.models_dir, files.fleet_path)
    found = Catalogue.load(files.models_dir, allow_simulated=files.allow_simulated)
    last = before or Loaded(Catalogue({}))
    failures: dict[str, str] = {}
    try:
        file = _read_fleet(files, last)
    except FleetFileError as error:
        failures[FLEET], file = str(error), last.file
    except Exception:
        logger.exception("Reading the fleet file failed as it never should.")
        failures[FLEET], file = f"{files.fleet_path}: {UNEXPECTED}", last.file
    catalogue, kept = _completed(found, last.catalogue, file)
    if file is not None and last.file is not None:
        lost = _unserved(file, catalogue) - _unserved(last.file, last.catalogue)
        if lost:
            failures[FLEET] = file.describe(build_candidates(file.fleet, catalogue).missing)
            file = last.file
            catalogue, kept = _completed(found, last.catalogue, file)
    if kept:
        failures[COST_MODELS] = first_sentences(kept)
    return _judged(Loaded(catalogue, file, failures=failures, seen=seen))


def _read_fleet(files: FileSettings, last: Loaded) -> FleetFile | None:
    may_be_absent = files.fleet is None and last.file is None
    if may_be_absent and is_absent(files.fleet_path):
        return None
    file = read_fleet_file(files.fleet_path)
    wrong = contradictions(file.fleet)
    if wrong:
        raise FleetFileError(file.describe(wrong))
    return file


def _judged(loaded: Loaded) -> Loaded:
    """Say why the fleet cannot be used, or what of it cannot."""
    if loaded.file is None:
        failed = loaded.failures.get(FLEET)
        if failed is not None:
            return replace(loaded, reasons=(failed,))
        note = "There is no fleet file: a call must bring its own fleet."
        return replace(loaded, notes=(note,))
    file, candidates = loaded.file, loaded.candidates
    missing = () if candidates is None else candidates.missing
    notes = tuple(file.describe(missing).splitlines())
    if candidates is not None and candidates.placements:
        return replace(loaded, notes=notes)
    return replace(loaded, reasons=(f"{file.path}: no placement has a cost model.", *notes))


def _completed(
    found: Catalogue, last: Catalogue, file: FleetFile | None
) -> tuple[Catalogue, list[str]]:
    """Return what was found with what must stay of before, and why that stays."""
    if last.cost_models and (broken := _whole_folder(found)):
        return Catalogue(last.cost_models, found.refused), [broken]
    kept: dict[Pair, CostModel] = {}
    reasons = []
    for refusal in found.refused:
        pair = refusal.pair
        if pair is not None and pair in last.cost_models and pair not in found.cost_models:
            kept[pair] = last.cost_models[pair]
            reasons.append(f"{refusal.path}: {refusal.reason}")
    for pair, concurrency in _named(file):
        before, now = last.cost_models.get(pair), kept.get(pair) or found.cost_models.get(pair)
        if before is not None and _serves(before, concurrency) and not _serves(now, concurrency):
            kept[pair] = before
            reasons.append(_lost(pair, now, concurrency))
    return Catalogue({**found.cost_models, **kept}, found.refused), reasons


def _whole_folder(found: Catalogue) -> str | None:
    """Say what is wrong with the folder as a whole; None where nothing is."""
    for refusal in found.refused:
        if refusal.of_folder:
            return f"{refusal.path}: {refusal.reason}"
    if found.cost_models:
        return None
    first = [f" {one.path}: {one.reason}" for one in found.refused[:1]]
    return "".join(("Expected artefacts that can be used, got a folder without any.", *first))


def _serves(cost_model: CostModel | None, concurrency: int) -> bool:
    return cost_model is not None and concurrency <= cost_model.max_concurrency


def _lost(pair: Pair, now: CostModel | None, concurrency: int) -> str:
    name = f"{artefact_stem(*pair)}.joblib"
    if now is None:
        return f"{name}: is gone, and the fleet names it."
    return (
        f"{name}: expected a concurrency of {concurrency}, which the fleet names, got at most "
        f"{now.max_concurrency:g}."
    )


def _named(file: FleetFile | None) -> list[tuple[Pair, int]]:
    """Return each pair that a fleet names, with the concurrencies that it names."""
    if file is None:
        return []
    return list(
        dict.fromkeys(
            ((llm, pool.device), concurrency)
            for pool in file.fleet.pools
            for llm in pool.llms
            for concurrency in pool.concurrency
        )
    )


def _unserved(file: FleetFile, catalogue: Catalogue) -> set[tuple[Pair, int]]:
    return {
        (pair, concurrency)
        for pair, concurrency in _named(file)
        if not _serves(catalogue.cost_models.get(pair), concurrency)
    }
