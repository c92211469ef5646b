"""Key files, made as the command makes them, and a server that asks for keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from service.http.access.keys import digest_of, new_key
from service.http.access.scopes import SCOPES
from tests.service.server import Server


class Keys:
    """A key file, and the keys that are in it as hashes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, dict[str, Any]] = {}
        self.texts: dict[str, str] = {}

    def add(self, name: str, **limits: Any) -> str:
        key = self.texts.setdefault(name, new_key(name))
        self.rows[name] = {"name": name, "sha256": digest_of(key.encode()).hex(), **limits}
        self.write(yaml.safe_dump({"keys": list(self.rows.values())}))
        return key

    def remove(self, name: str) -> None:
        del self.rows[name]
        self.write(yaml.safe_dump({"keys": list(self.rows.values())}))

    def write(self, text: str) -> None:
        part = self.path.with_suffix(".part")
        part.write_text(text)
        part.chmod(0o600)
        part.replace(self.path)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def get(server: Server, path: str, key: str | None = None) -> httpx.Response:
    return server.client.get(path, headers={} if key is None else bearer(key))


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
