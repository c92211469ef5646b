"""Key files, made as the command makes them, and calls with a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import yaml

from service.http.access.keys import digest_of, new_key
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


def is_refused(answer: httpx.Response, status: int, slug: str) -> bool:
    return (
        answer.status_code == status
        and answer.headers["content-type"] == "application/problem+json"
        and answer.json()["type"] == f"urn:jouleplan:problem:{slug}"
    )
