"""A file of actuals for each test, in a folder that is not made yet."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "actuals.sqlite3"
