"""All artefacts of a folder, loaded."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from costmodel.artefact import CARD_SUFFIX, JOBLIB_SUFFIX, load
from costmodel.cost_matrix import CostMatrix, predict
from costmodel.cost_model import CostModel
from costmodel.errors import (
    CostModelError,
    MissingFileError,
    NameRefusedError,
    SimulatedArtefactError,
    UnknownCostModelError,
)
from costmodel.files import is_absent, refusal_of, shown_name
from costmodel.names import STEM_SEPARATOR, split_stem
from costmodel.workload import Workload

logger = logging.getLogger(__name__)

MISSING_FOLDER = "missing_folder"
UNREADABLE_FOLDER = "unreadable_folder"
UNEXPECTED = (
    "Expected an artefact that can be loaded, got one at which jouleplan fails in a way that is a "
    "fault of its own; the log tells more."
)


@dataclass(frozen=True)
class Refusal:
    """An artefact that was not loaded.

    Attributes
    ----------
    path : str
        Name of the file in its folder, as `costmodel.files.shown_name` has it.
    reason : str
        One sentence.
    kind : str
        The ``kind`` of its error, see `costmodel.errors`; ``unreadable`` where the file system
        refused, ``unexpected`` where loading it failed in a way that it never should,
        ``missing_folder`` or ``unreadable_folder`` where it is the folder itself.
    pair : tuple of str or None
        LLM and device that the file is named for; None where it is named otherwise.
    """

    path: str
    reason: str
    kind: str
    pair: tuple[str, str] | None = None

    @property
    def of_folder(self) -> bool:
        """Whether the folder itself cannot be used, and nothing is known of what is in it."""
        return self.kind in {MISSING_FOLDER, UNREADABLE_FOLDER}


class Catalogue:
    """Cost models by (LLM, device).

    Parameters
    ----------
    cost_models : mapping of (str, str) to CostModel
        By LLM and device.
    refused : tuple of Refusal
        What was not loaded.
    """

    def __init__(
        self,
        cost_models: Mapping[tuple[str, str], CostModel],
        refused: tuple[Refusal, ...] = (),
    ) -> None:
        self._cost_models = dict(cost_models)
        self.refused = refused

    @property
    def cost_models(self) -> Mapping[tuple[str, str], CostModel]:
        """Cost models by (LLM, device), in the order of their files' names; read-only."""
        return MappingProxyType(self._cost_models)

    @classmethod
    def load(cls, folder: Path, *, allow_simulated: bool = False) -> Self:
        """Load every artefact of a folder; those that are refused leave the others untouched.

        Parameters
        ----------
        folder : Path
            Folder with joblib files and their cards.
        allow_simulated : bool
            Whether artefacts that were not measured are admitted.

        Returns
        -------
        Catalogue
            Never raises for what is in the folder, nor for a folder that is not there: the reasons
            are in ``refused``.
        """
        cost_models: dict[tuple[str, str], CostModel] = {}
        refused: list[Refusal] = []
        try:
            paths = _artefact_paths(folder)
        except OSError as error:
            return cls({}, (_folder_refusal(folder, error),))
        for path in paths:
            try:
                cost_model = _admitted(path, allow_simulated=allow_simulated)
            except Exception as error:  # whatever one file does, the others are loaded
                refused.append(_refusal(path, error))
            else:
                cost_models[cost_model.llm, cost_model.device] = cost_model
        return cls(cost_models, tuple(refused))

    def get(self, llm: str, device: str) -> CostModel:
        """Return the cost model of an LLM on a device.

        Raises
        ------
        UnknownCostModelError
            If the folder has none of that pair.
        """
        try:
            return self._cost_models[llm, device]
        except KeyError:
            devices = sorted(other for name, other in self._cost_models if name == llm)
            known = f"only {', '.join(devices)}" if devices else "none for that LLM"
            msg = f"Expected a cost model of {llm!r:.100} on {device!r:.100}, got {known}."
            raise UnknownCostModelError(msg) from None

    def predict(
        self,
        workload: Workload,
        columns: Sequence[tuple[str, str, float]],
        *,
        intervals: bool = True,
    ) -> CostMatrix:
        """Return energy and device-seconds of each request on each placement.

        Parameters
        ----------
        workload : Workload
            Workload of n requests.
        columns : sequence of (str, str, float)
            LLM, device and concurrency of each of the k placements.
        intervals : bool
            Whether to compute the bounds too.

        Raises
        ------
        UnknownCostModelError
            If a pair is not in the catalogue.
        InvalidCostModelError
            If a concurrency is out of range.
        """
        pairs = [(self.get(llm, device), batch) for llm, device, batch in columns]
        return predict(workload, pairs, intervals=intervals)


def _artefact_paths(folder: Path) -> list[Path]:
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    orphans = {
        name.removesuffix(CARD_SUFFIX) + JOBLIB_SUFFIX
        for name in names
        if name.endswith(CARD_SUFFIX) and STEM_SEPARATOR in name
    }
    joblibs = {name for name in names if name.endswith(JOBLIB_SUFFIX)}
    return [folder / name for name in sorted(joblibs | orphans)]


def _admitted(path: Path, *, allow_simulated: bool) -> CostModel:
    if is_absent(path):
        msg = f"Expected {shown_name(path.name)} beside its card, got no such file."
        raise MissingFileError(msg)
    cost_model = load(path)
    if cost_model.provenance.simulated and not allow_simulated:
        msg = f"Expected measurements, got source {cost_model.provenance.source}."
        raise SimulatedArtefactError(msg)
    return cost_model


def _refusal(path: Path, error: Exception) -> Refusal:
    name, pair = shown_name(path.name), _pair_of(path)
    if isinstance(error, CostModelError):
        return Refusal(name, str(error), error.kind, pair)
    if isinstance(error, OSError):
        which = shown_name(Path(error.filename or path).name)
        reason = f"Expected a readable file {which}, got: {error.strerror or 'none'}."
        return Refusal(name, reason, "unreadable", pair)
    logger.error("Loading %s failed as it never should.", name, exc_info=error)
    return Refusal(name, UNEXPECTED, "unexpected", pair)


def _folder_refusal(folder: Path, error: OSError) -> Refusal:
    name = shown_name(folder.name)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        reason = f"Expected a folder of artefacts, got no folder {name}."
        return Refusal(name, reason, MISSING_FOLDER)
    why = refusal_of(folder) or error.strerror
    reason = f"Expected a folder {name} that can be read, got: {why}."
    return Refusal(name, reason, UNREADABLE_FOLDER)


def _pair_of(path: Path) -> tuple[str, str] | None:
    try:
        return split_stem(path.name.removesuffix(JOBLIB_SUFFIX))
    except NameRefusedError:
        return None
