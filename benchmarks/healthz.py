"""How long `/healthz` takes, asked again and again by a process of its own."""

from __future__ import annotations

import http.client
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Self
from urllib.parse import urlsplit

import numpy as np

PAUSE_S = 0.005


class Pinger:
    """Asks from entry to exit.

    Parameters
    ----------
    url
        What is asked.

    Attributes
    ----------
    seconds
        Seconds that each answer after the exit took.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.seconds: list[float] = []

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_ask, args=(self._url, theirs), daemon=True)
        self._process.start()
        self._ours.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send("stop")
        self.seconds = self._ours.recv()
        self._process.join()

    def milliseconds(self) -> list[str]:
        """Return how many answers there were, and their median, 99th percentile and largest."""
        figures = 1e3 * np.quantile(self.seconds, [0.5, 0.99, 1.0])
        return [f"{len(self.seconds):,}", *(f"{figure:.1f}" for figure in figures)]


def _ask(url: str, pipe: Connection) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    connection.request("GET", address.path)
    connection.getresponse().read()
    seconds = []
    pipe.send("ready")
    while not pipe.poll(PAUSE_S):
        begin = time.perf_counter()
        connection.request("GET", address.path)
        connection.getresponse().read()
        seconds.append(time.perf_counter() - begin)
    pipe.send(seconds)
