"""A server that follows a folder of models, and the folder put back as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.service.server import Server
from tests.stand_ins import clear
from tests.waiting import wait_until

_RELOADS = "jouleplan_reload_successful{"


def taken_over(server: Server) -> list[Any]:
    """Return what a server says of its models: what is loaded, what fails, how many workers."""
    lines = server.client.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith((_RELOADS, "jouleplan_workers "))]
    loaded = [server.client.get(path).json() for path in ("/placements", "/cost-models")]
    return [sorted(found), *loaded]


@contextmanager
def following(models: Path) -> Iterator[tuple[Server, Callable[[], None]]]:
    """Give a server of two workers over a folder, and what puts folder and server back.

    A file is replaced at once and only where it differs, so that what the server says is as it
    was before only when it has taken over all of it.
    """
    good = {path: path.read_bytes() for path in models.iterdir()}
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models),
        "JOULEPLAN_RELOAD_SECONDS": "0.1",
        "JOULEPLAN_WORKERS": "2",
    }

    def restore() -> None:
        for path, content in good.items():
            if not path.is_file() or path.read_bytes() != content:
                part = models / f".{path.name}.part"
                part.write_bytes(content)
                part.replace(path)
        for path in set(models.iterdir()) - good.keys():
            clear(path)
        wait_until(lambda: taken_over(server) == before)

    with Server(settings) as server:
        server.wait_until_ready()
        wait_until(lambda: "jouleplan_workers 2.0" in server.client.get("/metrics").text)
        before = taken_over(server)
        yield server, restore
