"""A real Portkey gateway routes by the pool that a real service decided."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.portkey_scenario import FOLDER, client_module
from tests.service.decision_fleet import FLEET, save_two_pools

ROOT = Path(__file__).parents[2]
PACKAGE, VERSION = "@portkey-ai/gateway", "1.15.2"
SHA512 = "OuwwQEJ0rnKQuPgaCqyMpP+X5Uly2h9EBDm5Lx/NYu9MXTzB/nKrKgjd8J3vPGeNpYoyxTzKSzTV2tGv8Dd+fg=="
NEEDED = ("node", "npm", "unshare")

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in NEEDED), reason=f"needs {', '.join(NEEDED)}"
    ),
]


def npm(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["npm", *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway's program, of the version and the bytes that are named here."""
    folder = tmp_path_factory.mktemp("portkey")
    archive = folder / npm(folder, "pack", f"{PACKAGE}@{VERSION}").split()[-1]
    digest = hashlib.sha512(archive.read_bytes()).digest()
    assert base64.b64encode(digest).decode() == SHA512
    (folder / "package.json").write_text("{}")
    quiet = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
    npm(folder, "install", *quiet, f"./{archive.name}")
    return folder / "node_modules" / PACKAGE / "build" / "start-server.js"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders: in the first a100 takes fewer joules, in the second h100."""
    folders = []
    for cheap, dear in (("a100", "h100"), ("h100", "a100")):
        fleet = FLEET.replace("small", cheap).replace("large", dear)
        folders.append(save_two_pools(tmp_path_factory.mktemp("models"), fleet))
    return folders


def test_every_completion_goes_to_the_decided_pool_and_to_the_default_without_a_planner(
    gateway: Path, models: list[Path]
) -> None:
    alone = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    scenario = [sys.executable, "-m", "tests.integration.portkey_scenario", str(gateway)]
    # A machine that runs tests may be too busy for 50 ms; late answers are another test's.
    environment = {**os.environ, "JOULEPLAN_BUDGET_MS": "10000"}
    done = subprocess.run(
        [*alone, *scenario, *map(str, models)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scenes = json.loads(done.stdout.splitlines()[-1])
    for scene, cheap, default in zip(scenes, ("a100", "h100"), ("h100", "a100"), strict=True):
        assert len(scene["with"]) == len(scene["without"]) == 20
        for one in scene["with"]:
            assert one == {"decided": cheap, "served": cheap, "status": 200}
        for one in scene["without"]:
            assert one == {"decided": None, "served": default, "status": 200}


def test_a_planner_that_does_not_answer_in_time_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("JOULEPLAN_BUDGET_MS", raising=False)
    client = client_module()
    config = json.loads((FOLDER / "config.json").read_text())

    async def decided(url: str) -> str | None:
        async with httpx.AsyncClient(base_url=url, timeout=60.0) as planner:
            return await client.decided_pool(planner, {"model": "qwen3-8b"}, config)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert asyncio.run(decided(f"http://127.0.0.1:{silent.getsockname()[1]}")) is None
