"""The key file and the command that keeps it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service.__main__ import main
from service.cli.keys_command import COLUMNS
from service.http.access.key_file import KeyFileError, read_keys
from service.http.access.keys import is_key_of
from tests.plain_words import foreign_words
from tests.service.server import ROOT, run_service

HASH = "sha256: " + 64 * "0"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.yaml"


@pytest.fixture
def command(path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["keys", *arguments, "--file", str(path)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_a_key_is_printed_once_and_kept_as_its_hash(path: Path, command: Command) -> None:
    status, printed, _ = command("add", "gateway", "--requests-per-second", "2.5", "--burst", "4")
    key = printed.strip()
    assert status == 0
    (row,) = read_keys(path).keys
    assert is_key_of(row.key(), key.encode())
    assert (row.requests_per_second, row.burst, row.max_concurrent) == (2.5, 4, None)
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_keys_differ_and_are_listed_and_removed(path: Path, command: Command) -> None:
    first = command("add", "one", "--max-concurrent", "3")[1]
    second = command("add", "two", "--expires-in-days", "1.5")[1]
    assert first.rpartition(".")[2] != second.rpartition(".")[2]
    status, listed, _ = command("list")
    title, _, heading, _, *rows = listed.strip().splitlines()
    assert (status, title, len(rows)) == (0, f"Keys of {path}", 2)
    assert heading.split() == list(COLUMNS)
    assert rows[0].split() == [
        "one",
        "any",
        "any",
        "3",
        "never",
        "read,plan,policy",
        "one",
    ]
    assert command("remove", "one")[0] == 0
    assert [row.name for row in read_keys(path).keys] == ["two"]
    assert command("remove", "two")[0] == 0
    assert read_keys(path).keys == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "there"),
        ("add", "a b"),
        ("add", ""),
        ("add", "../x"),
        ("add", "a\n"),
        ("add", "a.b"),
        ("add", 65 * "a"),
        ("add", "x", "--requests-per-second", "0"),
        ("add", "x", "--requests-per-second", "nan"),
        ("add", "x", "--requests-per-second", "1", "--burst", "0"),
        ("add", "x", "--burst", "3"),
        ("add", "x", "--max-concurrent", "-1"),
        ("add", "x", "--expires-in-days", "0"),
        ("add", "x", "--expires-in-days", "1e300"),
        ("add", "x", "--expires-in-days", "nan"),
        ("remove", "nobody"),
    ],
)
def test_what_is_wrong_is_reported_in_one_line_and_changes_nothing(
    path: Path, command: Command, arguments: tuple[str, ...]
) -> None:
    command("add", "there")
    before = path.read_bytes()
    status, printed, said = command(*arguments)
    assert (status, printed, len(said.splitlines())) == (2, "", 1)
    assert foreign_words(said) is None, said
    assert path.read_bytes() == before


def test_without_a_file_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOULEPLAN_API_KEYS_FILE", raising=False)
    assert main(["keys", "list"]) == 2
    assert main(["keys", "list", "--file", str(tmp_path / "none")]) == 2
    assert main(["keys", "remove", "a", "--file", str(tmp_path / "none")]) == 2
    assert main(["keys", "add", "a", "--file", str(tmp_path / "none" / "keys.yaml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4
    assert list(tmp_path.iterdir()) == []


def test_many_at_once_lose_no_key(path: Path) -> None:
    def add(number: int) -> int:
        words = [sys.executable, "-m", "service", "keys", "add", f"k{number}", "--file", str(path)]
        return subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(add, range(6))) == [0] * 6
    assert {row.name for row in read_keys(path).keys} == {f"k{number}" for number in range(6)}


def test_a_link_to_the_file_stays_a_link(path: Path, command: Command, tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    path.symlink_to(real)
    assert command("add", "a")[0] == 0
    assert path.is_symlink()
    assert read_keys(real).keys[0].name == "a"


def test_a_link_to_itself_is_refused_in_one_line(path: Path, command: Command) -> None:
    path.symlink_to(path.name)
    status, printed, said = command("add", "a")
    assert (status, printed, len(said.splitlines())) == (2, "", 1)
    assert "a link that leads back to itself" in said


def kept(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "at /:"),
        (b"[]", "at /:"),
        (b"keys: 3", "at /keys"),
        (b"keys: [", "is not YAML"),
        (b"\xff\xfe", "UTF-8"),
        (b"!!python/object/apply:os.system [true]", "is not YAML"),
        (b"keys: [{name: a}]", "at /keys/0/sha256"),
        (b"keys: [{name: a, sha256: 12}]", "at /keys/0/sha256"),
        (f"keys: [{{name: 'a b', {HASH}}}]".encode(), "at /keys/0/"),
        (f"keys: [{{name: a, '{HASH}'}}]".encode(), "at /keys/0/"),
        (b"keys: [], more: 1", ":"),
        (b"x" * 2_000_000, "at most"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_garbled_file_is_refused_in_one_line_that_says_where(
    path: Path, content: bytes, words: str
) -> None:
    with pytest.raises(KeyFileError) as refused:
        read_keys(kept(path, content))
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "\n" not in message
    assert foreign_words(message) is None, message


def row(**members: Any) -> bytes:
    listed = ", ".join(f"{key}: {value}" for key, value in members.items())
    return f"keys: [{{name: a, sha256: {'ab' * 32}, {listed}}}]".encode()


@pytest.mark.parametrize(
    "members",
    [
        {"requests_per_second": 0},
        {"requests_per_second": ".inf"},
        {"requests_per_second": "fast"},
        {"burst": 3},
        {"requests_per_second": 1, "burst": 1.5},
        {"max_concurrent": 0},
        {"max_concurrent": "true"},
        {"expires_at": "2027-01-01"},
        {"expires_at": "2027-01-01 00:00:00"},
        {"expires_at": 5},
        {"expires_at": "soon"},
        {"colour": "red"},
    ],
)
def test_wrong_limits_are_refused(path: Path, members: dict[str, Any]) -> None:
    with pytest.raises(KeyFileError, match="at /keys/0") as refused:
        read_keys(kept(path, row(**members)))
    assert foreign_words(str(refused.value)) is None, refused.value


def test_json_is_taken_and_a_seconds_worth_is_the_burst(path: Path) -> None:
    limits = {"requests_per_second": 2.5, "max_concurrent": None}
    row = {"name": "a", "sha256": 32 * "ab", "expires_at": "1970-01-01T00:01:00Z"} | limits
    content = json.dumps({"keys": [row]}).encode()
    (key,) = (row.key() for row in read_keys(kept(path, content)).keys)
    assert (key.burst, key.max_concurrent, key.expires_at) == (3, None, 60.0)


@pytest.mark.parametrize(
    "written",
    ["2027-01-01T00:00:00Z", "2027-01-01 05:00:00 +0500", "20270101T000000Z", "1798761600000"],
)
def test_an_expiry_is_any_moment_with_its_zone(path: Path, written: str) -> None:
    (key,) = (row.key() for row in read_keys(kept(path, row(expires_at=written))).keys)
    assert key.expires_at == 1798761600.0


def test_names_and_hashes_may_not_repeat(path: Path) -> None:
    for first, second in (("a", "a"), ("a", "b")):
        other = "cd" * 32 if first == second else "ab" * 32
        rows = f"[{{name: {first}, sha256: {'ab' * 32}}}, {{name: {second}, sha256: {other}}}]"
        with pytest.raises(KeyFileError, match="once, got"):
            read_keys(kept(path, f"keys: {rows}".encode()))


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(path: Path, mode: int) -> None:
    with pytest.raises(KeyFileError, match="only its owner may write"):
        read_keys(kept(path, b"keys: []", mode))


@pytest.mark.parametrize("content", [b"keys: [", b"keys: [{name: a}]", None])
def test_the_service_does_not_start_with_a_file_it_cannot_use(
    path: Path, environment: dict[str, str], content: bytes | None
) -> None:
    if content is not None:
        kept(path, content)
    done = run_service(environment | {"JOULEPLAN_API_KEYS_FILE": str(path)})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert str(path) in line
