"""What workers run in tests of the pool: each does one odd thing."""

import os
import signal
import time
from multiprocessing.connection import Connection

from service.settings import Settings
from service.workers.messages import JSON, Description, Job, Reply


def obey(connection: Connection, settings: Settings) -> None:
    """Do what the body of a job says, and answer with the process id."""
    connection.send(Description(b"{}", b"{}"))
    try:
        while True:
            job: Job = connection.recv()
            command, _, argument = job.body.decode().partition(" ")
            if command == "sleep":
                time.sleep(float(argument))
            elif command == "abort":
                os.abort()
            elif command == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif command == "exit":
                os._exit(0)
            elif command == "garbage":
                connection.send_bytes(b"not a pickle")
                continue
            connection.send(Reply(200, str(os.getpid()).encode(), JSON, "predicted"))
    except EOFError:
        return


def never_ready(connection: Connection, settings: Settings) -> None:
    """End before saying what is loaded."""
