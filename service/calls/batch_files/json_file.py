"""A batch as JSON: a body of `POST /plan`, or a list of rows as tables are written."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from costmodel.kinds import kind_of
from service.calls.batch_files.batch_file import BatchFile, BatchFileError
from service.calls.batch_files.json_lines import OPENAI_MEMBERS
from service.calls.batch_files.table import batch_of, table_of_rows


def read_json(data: bytes, renamed: Mapping[str, str]) -> BatchFile:
    """Return the batch, with all that stands beside it in a body.

    Parameters
    ----------
    data
        Of the file, in UTF-8.
    renamed
        Their column for each of ours, where it is a list of rows.

    Raises
    ------
    BatchFileError
        Where it is neither a JSON object nor a list of them.
    """
    try:
        document = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise BatchFileError(f"Expected JSON, got: {error}.") from None
    if isinstance(document, list) and document and all(isinstance(row, dict) for row in document):
        if set(document[0]) >= OPENAI_MEMBERS:
            raise BatchFileError(
                "Expected rows, got lines of an OpenAI batch in a list: write each on a line of "
                "its own, in a file that ends in .jsonl."
            )
        return batch_of(table_of_rows(document, range(1, len(document) + 1)), renamed)
    if not isinstance(document, dict):
        raise BatchFileError(f"Expected a JSON object, got {kind_of(document)}.")
    if renamed:
        raise BatchFileError("Expected --column with a table only: a body has the names it has.")
    return BatchFile(document)
