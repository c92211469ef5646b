"""The manifests under deploy/: valid, and calling the command line as it is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from profiler.cli import parser

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
VERSION = "1.31"
IMAGE = " jouleplan-profiler "
VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_keep_to_kubernetes_own_schema(path: Path) -> None:
    found = documents(path)
    assert found
    for document in found:
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_the_job_calls_the_profiler_as_it_is() -> None:
    job = next(one for one in documents(MANIFESTS[0]) if one["kind"] == "Job")
    pod = job["spec"]["template"]["spec"]
    commands = [one["args"] for one in (*pod["initContainers"], *pod["containers"])]
    assert [arguments[0] for arguments in commands] == ["measure", "fit"]
    for arguments in commands:
        parser().parse_args(arguments)


def test_the_compose_file_calls_the_profiler_as_it_is() -> None:
    path = ROOT / "deploy" / "compose" / "profile-vllm.yaml"
    services = yaml.safe_load(path.read_text())["services"]
    for name in ("measure", "fit"):
        arguments = [VARIABLE.sub(r"\1", one) for one in services[name]["command"]]
        assert parser().parse_args(arguments).verb == name


def test_the_how_to_calls_the_image_of_the_profiler_as_it_is() -> None:
    text = (ROOT / "docs" / "how-to" / "profile-a-live-server.md").read_text()
    lines = text.replace("\\\n", " ").splitlines()
    commands = [line.partition(IMAGE)[2] for line in lines if IMAGE in line]
    assert commands
    for command in commands:
        parser().parse_args(shlex.split(command))
