"""Files that no honest writer makes, with a card whose digest is right."""

import hashlib
import json
import zlib
from pathlib import Path

from costmodel.artefact import dump_joblib

STEM = "llama-2-7b-chat__1xa100-sxm4-40gb"


def forge(folder: Path, value: object) -> Path:
    """Write any value as joblib would."""
    return forge_bytes(folder, dump_joblib(value))  # type: ignore[arg-type]


def forge_pickle(folder: Path, program: bytes) -> Path:
    """Write any pickle, compressed as joblib would."""
    return forge_bytes(folder, zlib.compress(program))


def forge_bytes(folder: Path, data: bytes) -> Path:
    """Write any bytes."""
    path = folder / f"{STEM}.joblib"
    path.write_bytes(data)
    card = {"sha256": hashlib.sha256(data).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(card))
    return path
