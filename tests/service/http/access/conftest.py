"""Servers that ask for keys, and the files of those keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.http.access.scopes import SCOPES
from tests.service.http.access.keys import Keys
from tests.service.server import Server


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.yaml")


@pytest.fixture(scope="session")
def shared_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    made = Keys(tmp_path_factory.mktemp("keys") / "keys.yaml")
    made.add("any")
    return made


@pytest.fixture(scope="session")
def guarded(models_dir: Path, shared_keys: Keys) -> Iterator[Server]:
    """A real server that asks for keys, looks for changed ones often and is not patient."""
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_API_KEYS_FILE": str(shared_keys.path),
        "JOULEPLAN_RELOAD_SECONDS": "0.1",
        "JOULEPLAN_BODY_SILENCE_SECONDS": "1",
        "JOULEPLAN_BODY_TIMEOUT_SECONDS": "2",
        "JOULEPLAN_HEADER_TIMEOUT_SECONDS": "1",
        "JOULEPLAN_HEARTBEAT_SECONDS": "0.2",
        "JOULEPLAN_MAX_BODY_BYTES": "3000000",
    }
    with Server(settings) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="session")
def tenants_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    made = Keys(tmp_path_factory.mktemp("tenants") / "keys.yaml")
    for scope in SCOPES:
        made.add(scope, scopes=[scope])
    made.add("a")
    made.add("a-2", owner="a")
    made.add("b", max_concurrent=2)
    return made


@pytest.fixture(scope="session")
def tenants_server(
    models_dir: Path, tenants_keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_API_KEYS_FILE": str(tenants_keys.path),
        "JOULEPLAN_RELOAD_SECONDS": "0.1",
        "JOULEPLAN_STORE_PATH": str(tmp_path_factory.mktemp("store") / "plans.sqlite3"),
    }
    with Server(settings) as running:
        running.wait_until_ready()
        yield running
