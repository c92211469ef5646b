"""Reads files of a test as batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from service.calls.batch_files.batch_file import BatchFile
from service.calls.batch_files.reading import read_batch
from service.calls.schemas.batch_query import TokenRule


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., BatchFile]:
    def of(name: str, content: bytes | str, **renamed: str) -> BatchFile:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_batch(str(path), None, TokenRule(output_tokens=100), renamed)

    return of
