"""What workers run in tests of the pool: each does one odd thing."""

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

from service.settings import Settings
from service.workers.messages import JSON, Description, Job, Reply, Update

ENDS = {
    "abort": os.abort,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(0),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


def obey(connection: Connection, settings: Settings) -> None:
    """Do what the body of a job says, and answer with the process id."""
    connection.recv()
    connection.send(Description(b"{}", b"{}"))
    try:
        while True:
            job: Job = connection.recv()
            command, _, argument = job.body.decode().partition(" ")
            if command == "sleep":
                time.sleep(float(argument))
            elif command == "hold":
                while not Path(argument).exists():
                    time.sleep(0.01)
            elif command == "tell":
                for number in range(int(argument)):
                    connection.send(Update("number", str(number).encode()))
            elif command == "tell-for-ever":
                while True:
                    connection.send(Update("number", b"0"))
                    time.sleep(0.01)
            elif command == "watched":
                connection.send(Reply(200, str(job.watched).encode(), JSON, "predicted"))
                continue
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
