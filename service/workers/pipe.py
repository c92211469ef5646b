"""What is sent through the pipe of a worker: messages, and beside them the files of large bodies.

A message whose body is an `AnonymousFile` travels without it; the descriptor of the file follows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle

from service.calls.content import AnonymousFile
from service.calls.messages import Description, Job, Reply, Update

Message = Description | Job | Reply | Update


@dataclass(frozen=True)
class _Parted:
    """A message, and the size of the body that follows as a descriptor [bytes]."""

    message: Job | Reply
    size: int


def send(connection: Connection, message: Message) -> None:
    """Send a message; a body in a file is not copied.

    That of a reply is the other end's from then on; that of a call is when it has begun.
    """
    if isinstance(message, Job | Reply) and isinstance(message.body, AnonymousFile):
        body = message.body
        connection.send(_Parted(replace(message, body=b""), body.size))
        # The last argument is for systems where a handle must be made for the other process.
        send_handle(connection, body.fileno(), 0)
        if isinstance(message, Reply):
            body.close()
    else:
        connection.send(message)


def receive(connection: Connection) -> Message:
    """Return the next message.

    EOFError, OSError or pickle.UnpicklingError is raised if the other end is closed, or what
    comes is none.
    """
    received = connection.recv()
    if isinstance(received, _Parted):
        file = AnonymousFile(recv_handle(connection), received.size)
        return replace(received.message, body=file)
    message: Message = received
    return message
