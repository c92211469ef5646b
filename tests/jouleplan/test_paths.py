"""Paths that are none, that no file can have, and devices, which never end, are refused at once."""

from __future__ import annotations

import pytest

from tests.jouleplan.command import jouleplan
from tests.service.server import ROOT

OBSERVATIONS = f"{ROOT}/examples/simulated_gpu/recorded/observations.csv"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("plan", "a.json", "--out", "."), "--out: expected the path of a file, got '.'"),
        (("plan", "a.json", "--out", "b/"), "--out: expected the path of a file, got 'b/'"),
        (("plan", "a.json", "--fleet", ""), "--fleet: expected a path, got an empty text"),
        (("fit", OBSERVATIONS, "--models-dir", ""), "--models-dir: expected a path, got an empty"),
        (("plan", "/dev/zero", "--format", "csv"), "/dev/zero: Expected a file that can be read"),
        (("plan", "/dev/zero", "--format", "json"), "got: a device, not a file."),
        (("fit", "/dev/zero", "--models-dir", "m"), "got: a device, not a file."),
        (("import", "csv", "/dev/zero", "--out", "o.csv"), "got: a device, not a file."),
    ],
)
def test_a_path_that_will_not_do_is_refused(arguments: tuple[str, ...], words: str) -> None:
    done = jouleplan(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
