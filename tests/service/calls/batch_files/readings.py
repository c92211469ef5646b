"""A file that is read as a batch, and what the tests ask of it."""

from __future__ import annotations

from typing import Any

from service.calls.batch_files.batch_file import BatchFile

PLAIN = {"input_tokens": [472, 1087], "output_tokens": [18, 230]}


CSV = "input_tokens,output_tokens\n472,18\n1087,230\n"


def tokens(batch: BatchFile) -> dict[str, Any]:
    return {name: batch.members["columns"][name] for name in PLAIN}
