"""Refusals that pages quote are those of the program, in its words."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.contract.pages import DOCS, ROOT, blocks
from tests.contract.readers_files import fleet_of_the_page
from tests.service.server import Server
from tests.waiting import wait_until

SIMULATED = ROOT / "examples" / "simulated_gpu" / "recorded"


def quoted(page: str, begin: str) -> str:
    """Return the block of a how-to page that begins with some words."""
    texts = [block.text.strip() for block in blocks(DOCS / "how-to" / f"{page}.md")]
    return next(text for text in texts if text.startswith(begin))


def not_ready(server: Server) -> str:
    """Return what `/readyz` says once a worker has said why nothing can be planned."""
    bodies = [""]

    def is_explained() -> bool:
        with suppress(httpx.TransportError):
            bodies.append(server.client.get("/readyz").text)
        return '"reasons"' in bodies[-1] and "No worker is ready yet." not in bodies[-1]

    wait_until(is_explained)
    return bodies[-1]


def test_a_service_that_everybody_reaches_wants_keys() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jouleplan", "serve"],
        env={"JOULEPLAN_HOST": "0.0.0.0"},  # noqa: S104  refused
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert quoted("run-the-containers", "Expected JOULEPLAN_API_KEYS_FILE") in done.stderr


@pytest.mark.parametrize(
    ("page", "begin"),
    [
        ("write-a-fleet-file", '"reasons"'),
        ("profile-your-own", '{"type":"urn:jouleplan:problem:not-ready"'),
    ],
)
def test_what_readyz_says_of_fleets_and_of_simulations(
    page: str, begin: str, tmp_path: Path
) -> None:
    fleet = tmp_path / "my-fleet.yaml"
    fleet.write_text(fleet_of_the_page().replace("idle_watts", "idle_wats", 1))
    settings = {
        "write-a-fleet-file": {"JOULEPLAN_FLEET": str(fleet)},
        "profile-your-own": {"JOULEPLAN_MODELS_DIR": str(SIMULATED)},
    }
    shown = quoted(page, begin).replace("my-llm-7b__1xl4", "random-7m__1xcpu-core")
    shown = shown.replace("my-fleet.yaml", str(fleet))
    with Server(settings[page]) as server:
        body = not_ready(server)
    assert [part for part in shown.split("...") if part.strip(" ,") not in body] == [], body
