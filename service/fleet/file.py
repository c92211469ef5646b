"""Fleet files: the fleet of the API as YAML, with the sources of its figures beside it.

::

    FleetFileError   the file cannot be read, is not YAML, or does not describe a fleet
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from service.calls.validation import path_of
from service.problems import pointer, words_of
from service.schemas.fleet import FleetFileSpec

MAX_BYTES = 1024 * 1024


class FleetFileError(ValueError):
    """The fleet file cannot be used; the message names the file and the place in it."""


def load_fleet_file(path: Path) -> FleetFileSpec:
    """Read a fleet file.

    Parameters
    ----------
    path
        A YAML file of at most 1 MiB.

    Raises
    ------
    FleetFileError
        If the file is missing, too large, not YAML or not a fleet. The message says where.
    """
    document = _parse(path)
    if not isinstance(document, dict):
        msg = f"{path}: expected a mapping with `pools`, got {type(document).__name__}."
        raise FleetFileError(msg)
    try:
        return FleetFileSpec.model_validate(document)
    except ValidationError as error:
        places = [
            f"{path}: at {pointer(*path_of(e)) or '/'}: {words_of(e)}"
            for e in error.errors(include_url=False)
        ]
        raise FleetFileError("\n".join(places)) from None


def _parse(path: Path) -> object:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            msg = f"{path}: expected a fleet file of at most {MAX_BYTES} bytes, got {size}."
            raise FleetFileError(msg)
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}."
        raise FleetFileError(msg) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, FleetFileError):
            raise
        msg = f"{path}: is not YAML: {error}"
        raise FleetFileError(msg) from None
