"""The two files of a cost model: ``<llm>__<device>.joblib`` and ``<llm>__<device>.json``.

Each is written beside its place and moved there in one step, the joblib file first. A reader in
between sees a joblib file without its card, or beside an older one: both are refused, and the next
read finds the pair whole. So the card is what publishes an artefact.
"""

import hashlib
import io
import os
import tempfile
from pathlib import Path

import joblib

from costmodel.card import check_card, dump_card, parse_card, to_card
from costmodel.conversion import SCHEMA, from_artefact, to_artefact
from costmodel.cost_model import CostModel
from costmodel.errors import (
    DigestMismatchError,
    MalformedArtefactError,
    MissingFileError,
    NameRefusedError,
    UnsafeArtefactError,
)
from costmodel.files import is_absent, read_regular
from costmodel.names import artefact_stem, split_stem
from costmodel.unpickler import MAX_DISK_BYTES, read_plain

__all__ = [
    "CARD_SUFFIX",
    "JOBLIB_SUFFIX",
    "SCHEMA",
    "dump_joblib",
    "from_artefact",
    "load",
    "save",
    "to_artefact",
]

JOBLIB_SUFFIX = ".joblib"
CARD_SUFFIX = ".json"
# Enough for half the size; more gains nothing on a file of kilobytes.
_COMPRESSION = ("zlib", 6)


def save(cost_model: CostModel, folder: Path) -> Path:
    """Write the artefact of a cost model and its card; return the path of the joblib file.

    Parameters
    ----------
    cost_model : CostModel
        Cost model to write.
    folder : Path
        An existing directory; older files of the same pair are replaced.

    Raises
    ------
    MalformedArtefactError
        If the cost model holds something other than plain finite data.
    OSError
        If the folder cannot be written.
    """
    path = folder / (artefact_stem(cost_model.llm, cost_model.device) + JOBLIB_SUFFIX)
    artefact = to_artefact(cost_model)
    data = dump_joblib(artefact)
    if read_plain(data) != artefact:
        msg = f"Expected {path.name} to read back as written, got something else."
        raise MalformedArtefactError(msg)
    card = to_card(cost_model, artefact, hashlib.sha256(data).hexdigest())
    _replace(path, data)
    _replace(path.with_suffix(CARD_SUFFIX), dump_card(card).encode("utf-8"))
    return path


def load(path: Path) -> CostModel:
    """Return the cost model of a joblib file with its card beside it.

    Nothing of the files is executed; see `costmodel.unpickler`. The digest on the card shows that
    the pair is intact, not who wrote it.

    Parameters
    ----------
    path : Path
        Path of the joblib file.

    Raises
    ------
    ArtefactError
        If the artefact is refused; see `costmodel.errors`.
    OSError
        If it cannot be read.
    """
    llm, device = _names_of(path)
    card = parse_card(_read(path.with_suffix(CARD_SUFFIX)))
    data = _read(path)
    digest = hashlib.sha256(data).hexdigest()
    if digest != card["sha256"]:
        msg = f"Expected {path.name} with the SHA-256 of its card, got {digest}."
        raise DigestMismatchError(msg)
    artefact = read_plain(data)
    cost_model = from_artefact(artefact)
    if (cost_model.llm, cost_model.device) != (llm, device):
        msg = (
            f"Expected the cost model of {llm} on {device} as the file is named, "
            f"got {cost_model.llm} on {cost_model.device}."
        )
        raise MalformedArtefactError(msg)
    if isinstance(artefact, dict):
        check_card(card, artefact)
    return cost_model


def dump_joblib(artefact: dict[str, object]) -> bytes:
    """Return plain data as the bytes of a joblib file, compressed by zlib."""
    buffer = io.BytesIO()
    joblib.dump(artefact, buffer, compress=_COMPRESSION)
    return buffer.getvalue()


def _names_of(path: Path) -> tuple[str, str]:
    try:
        return split_stem(path.name.removesuffix(JOBLIB_SUFFIX))
    except NameRefusedError as error:
        raise MalformedArtefactError(str(error)) from error


def _read(path: Path) -> bytes:
    if is_absent(path):
        msg = f"Expected {path.name} beside its other half, got no such file."
        raise MissingFileError(msg)
    data = read_regular(path, MAX_DISK_BYTES)
    if len(data) > MAX_DISK_BYTES:
        msg = f"Expected {path.name} of at most {MAX_DISK_BYTES} bytes, got more."
        raise UnsafeArtefactError(msg)
    return data


def _replace(path: Path, data: bytes) -> None:
    # A leading dot keeps a half-written file out of every catalogue.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
