"""A body of `POST /plan` as a file."""

from __future__ import annotations

import orjson

from service.batch_files.batch_file import BatchFile, BatchFileError


def read_json(data: bytes) -> BatchFile:
    """Return the batch, with all that stands beside it in the body.

    Raises
    ------
    BatchFileError
        Where it is not a JSON object.
    """
    try:
        members = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BatchFileError(f"Expected JSON, got: {error}.") from None
    if not isinstance(members, dict):
        raise BatchFileError(f"Expected a JSON object, got {type(members).__name__}.")
    return BatchFile(members)
