"""What workers run in tests of the pool: each does one odd thing."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from service.calls.content import to_bytes
from service.calls.messages import BEGUN, JSON, Description, Job, Reply, Update
from service.settings.files import FileSettings
from service.settings.settings import Settings
from service.workers.link import WorkerMain, start_worker
from service.workers.loaded_files import PoolListener
from service.workers.pool import WorkerPool

ENDS = {
    "abort": os.abort,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(0),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


def next_job(connection: Connection) -> Job:
    """Return the next call; pings are answered."""
    job: Job
    while (job := connection.recv()).kind == "ping":
        connection.send(Reply(200, b"", JSON, "alive"))
    connection.send(BEGUN)
    return job


def publish_for_ever(connection: Connection) -> None:
    """Tell and tell."""
    while True:
        connection.send(Update("number", b"0"))
        time.sleep(0.01)


def obey(connection: Connection, settings: Settings) -> None:
    """Do what the body of a job says, and answer with the process id."""
    connection.recv()
    connection.send(Description(b"{}", b"{}"))
    try:
        while True:
            job = next_job(connection)
            command, _, argument = to_bytes(job.body).decode().partition(" ")
            if command == "sleep":
                time.sleep(float(argument))
            elif command == "hold":
                while not Path(argument).exists():
                    time.sleep(0.01)
            elif command == "tell":
                for number in range(int(argument)):
                    connection.send(Update("number", str(number).encode()))
            elif command == "tell-for-ever":
                publish_for_ever(connection)
            elif command == "watched":
                connection.send(Reply(200, str(job.wants_updates).encode(), JSON, "predicted"))
                continue
            elif command == "status":
                os._exit(int(argument))
            elif command in ENDS:
                ENDS[command]()
            elif command == "garbage":
                connection.send_bytes(b"not a pickle")
                continue
            connection.send(Reply(200, str(os.getpid()).encode(), JSON, "predicted"))
    except EOFError:
        return


def never_ready(connection: Connection, settings: Settings) -> None:
    """End before saying what is loaded."""


def break_off(connection: Connection, settings: Settings) -> None:
    """Tell the first two lines of a front, then die."""
    connection.recv()
    connection.send(Description(b"{}", b"{}"))
    connection.recv()
    connection.send(Update("ends", b'{"type":"ends"}'))
    connection.send(Update("point", b'{"type":"point","index":0}'))
    os._exit(1)


def deaf_at_first(connection: Connection, settings: Settings) -> None:
    """Answer nothing in the first worker of a folder, obey in the others."""
    connection.recv()
    mark = settings.models_dir / "deaf"
    deaf = not mark.exists()
    mark.touch()
    connection.send(Description(b"{}", b"{}"))
    if deaf:
        time.sleep(600.0)
    try:
        while True:
            next_job(connection)
            connection.send(Reply(200, str(os.getpid()).encode(), JSON, "predicted"))
    except EOFError:
        return


FAULT = "a fault"
"""What a file holds on which the loading below fails."""


def fail_where_files_say_so(connection: Connection, settings: Settings) -> None:
    """Run a worker whose reading of a file fails as no reader should where the file says so.

    The file is an artefact, the fleet or, beside them, one called `all`.
    """
    # Heavy, and the other mains here are started often.
    from costmodel import catalogue
    from service.calls.fleet import loading
    from service.workers import process

    def failing(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
        def read_or_fail(path: Path) -> Any:
            if FAULT in path.read_text(errors="replace"):
                raise ZeroDivisionError
            return read(path)

        return read_or_fail

    def describe(loaded: loading.Loaded, fleet: Any, files: FileSettings) -> Description:
        if (settings.models_dir / "all").exists() and not loaded.failures:
            raise RecursionError
        return described(loaded, fleet, files)

    described = vars(process)["describe"]
    for module, name in ((catalogue, "load"), (loading, "read_fleet_file")):
        vars(module)[name] = failing(vars(module)[name])
    vars(process)["describe"] = describe
    process.run_worker(connection, settings)


def pool_of(
    settings: Settings, main: WorkerMain, listener: PoolListener | None = None
) -> WorkerPool:
    """Return a pool whose workers run `main`."""
    return WorkerPool(settings, partial(start_worker, main, settings), listener)
