"""Arrow streams that are small and hold much, over HTTP: 413, and the worker lives on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from service.calls.messages import ARROW
from tests.service.arrow_streams import stream
from tests.service.decision_fleet import save_two_pools
from tests.service.server import Server

MEMORY_BYTES = 2**28
"""Memory that a call may take at most, whatever a stream of some kilobytes says that it holds."""
TWO = {"input_tokens": [472, 1087], "output_tokens": [18, 230]}


def ones(count: int) -> dict[str, Any]:
    column = pa.array(np.ones(count, dtype=np.int8))
    return {"input_tokens": column, "output_tokens": column}


def constant(text: str, count: int) -> pa.Array:
    indices = pa.array(np.zeros(count, dtype=np.int8))
    return pa.DictionaryArray.from_arrays(indices, pa.array([text]))


def many_rows() -> bytes:
    return stream(ones(250_000_000), compression="zstd")


def many_rows_bit_by_bit() -> bytes:
    table = pa.table(ones(1_000_000))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        for _ in range(2_000):
            writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def a_long_text() -> bytes:
    return stream({**TWO, "id": ["a", "x" * 300_000_000]}, compression="zstd")


def a_long_text_of_no_use() -> bytes:
    return stream({**TWO, "note": ["a", "x" * 300_000_000]}, compression="zstd")


def a_long_list() -> bytes:
    count = 50_000_000
    offsets = pa.array([0, 1, count], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, constant("qwen3-8b", count))
    return stream({**TWO, "llms": lists}, compression="zstd")


def a_text_in_every_row() -> bytes:
    return stream({**ones(900_000), "id": constant("x" * 1_000, 900_000)}, compression="zstd")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chosen = {
        "JOULEPLAN_MODELS_DIR": str(save_two_pools(tmp_path_factory.mktemp("models"))),
        "JOULEPLAN_MEMORY_BYTES": str(MEMORY_BYTES),
    }
    with Server(chosen) as running:
        running.wait_until_ready()
        yield running


def post(server: Server, body: bytes) -> Any:
    return server.client.post("/plan", content=body, headers={"content-type": ARROW})


def kilobytes(pid: int, name: str) -> int:
    """Return what the system tells of a process, such as the most memory that it ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@pytest.mark.parametrize(
    "bomb",
    [
        many_rows,
        many_rows_bit_by_bit,
        a_long_text,
        a_long_text_of_no_use,
        a_long_list,
        a_text_in_every_row,
    ],
)
def test_a_small_stream_that_holds_much_is_too_large(
    server: Server, bomb: Callable[[], bytes]
) -> None:
    body = bomb()
    assert len(body) < 20_000_000
    workers = server.worker_pids()
    plain = stream(TWO)
    assert post(server, plain).status_code == 200
    before = kilobytes(workers[0], "VmRSS")

    refused = post(server, body)
    assert (refused.status_code, refused.json()["type"]) == (413, "urn:jouleplan:problem:too-large")
    assert kilobytes(workers[0], "VmHWM") < before + 1.5 * MEMORY_BYTES / 1024

    assert post(server, plain).status_code == 200
    assert server.worker_pids() == workers
