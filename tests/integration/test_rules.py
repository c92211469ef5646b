"""promtool judges the rules, and the rules keep what their tests say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.prometheus_server import SHIPPED

pytestmark = pytest.mark.heavy


def promtool(*arguments: str | Path) -> tuple[int, str]:
    finished = subprocess.run(
        ["promtool", *arguments], text=True, capture_output=True, cwd=SHIPPED, check=False
    )
    return finished.returncode, finished.stdout + finished.stderr


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "rules.yml"), ("check", "config", "prometheus.yml")],
    ids=lambda arguments: arguments[1],
)
def test_promtool_accepts_what_is_shipped(arguments: tuple[str, ...]) -> None:
    status, printed = promtool(*arguments)
    assert status == 0, printed
    assert re.search(r"SUCCESS: [1-9]\d* rule", printed), printed


def test_the_rules_do_what_their_tests_say() -> None:
    status, printed = promtool("test", "rules", "rules_test.yml")
    assert status == 0, printed


@pytest.mark.parametrize(
    ("given", "spoilt"),
    [
        ("jouleplan_cost_models_refused > 0", "jouleplan_cost_models_refused > 2"),
        ("jouleplan_workers == 0", "jouleplan_workers >= 0"),
        (" > 2.5", " > 1"),
        ("for: 15m", "for: 1m"),
        ("_predicted_energy_joules_total[1h])) > 0)", "_predicted_energy_joules_total[1h])))"),
    ],
)
def test_the_tests_of_the_rules_see_a_spoilt_rule(given: str, spoilt: str, tmp_path: Path) -> None:
    rules = (SHIPPED / "rules.yml").read_text("utf-8")
    assert given in rules
    (tmp_path / "rules.yml").write_text(rules.replace(given, spoilt), "utf-8")
    shutil.copy(SHIPPED / "rules_test.yml", tmp_path)
    status, _ = promtool("check", "rules", tmp_path / "rules.yml")
    assert status == 0
    status, printed = promtool("test", "rules", tmp_path / "rules_test.yml")
    assert status == 1
    assert "FAILED" in printed
