"""Files are read without waiting, and what is none is told in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from costmodel.files import is_absent, open_regular, read_regular, stamp
from tests.stand_ins import STAND_INS, clear, stand_in


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", STAND_INS)
def test_what_is_no_file_is_reported_at_once_in_words(tmp_path: Path, name: str) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("a file")
    stand_in(path, name)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match=STAND_INS[name][1]):
        open_regular(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    assert is_absent(path) is (name == "nothing")


def test_no_more_is_read_than_shows_that_there_is_too_much(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    assert len(read_regular(path, 10)) == 11
    assert len(read_regular(path, 200)) == 100


def test_nothing_is_where_a_file_stands_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert is_absent(tmp_path / "file" / "fleet.yaml")


def test_a_file_is_distinguished_from_other_versions_of_itself_whatever_its_clock_says(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    seen = set()
    for content in (b"abc", b"abd", b"abe"):
        # Where an older version is replaced, another file stands there.
        part = tmp_path / "part"
        part.write_bytes(content)
        os.utime(part, (1e9, 1e9))
        part.replace(path)
        seen.add(stamp(path))
    path.chmod(0o600)
    seen.add(stamp(path))
    for name in ("nothing", "FIFO", "link to itself"):
        stand_in(path, name)
        seen.add(stamp(path))
    assert len(seen) == 7
    clear(path)
    assert stamp(path) in seen
