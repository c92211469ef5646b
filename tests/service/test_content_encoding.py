"""Bodies that come gzip'd: the same answers, the same limits, and no bomb."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.http.routes.content_encoding import INFLATED_BYTES, Inflater
from service.problems import ProblemError
from tests.service.bodies import rows
from tests.service.decision_fleet import save_two_pools
from tests.service.server import Server

JSON = "application/json"
LIMIT = 2_000_000
PACKED = {"content-type": JSON, "content-encoding": "gzip"}
DECISION = {"llm": "qwen3-8b", "input_tokens": 100, "output_tokens": 50}
ACTUALS = {"actuals": [{"id": "g1", "llm": "qwen3-8b", "pool": "small", "output_tokens": 7}]}
PLAN = {"requests": rows(3)}
BODIES: list[tuple[str, Any]] = [
    ("/plan", PLAN),
    ("/predict", PLAN),
    ("/plan/frontier", {**PLAN, "frontier": {"axes": ["energy", "makespan"], "points": 2}}),
    ("/decision", DECISION),
    ("/destination", {"model": "qwen3-8b", "messages": []}),
    ("/actuals", ACTUALS),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chosen = {
        "JOULEPLAN_MODELS_DIR": str(save_two_pools(tmp_path_factory.mktemp("models"))),
        "JOULEPLAN_ACTUALS_PATH": ":memory:",
        "JOULEPLAN_MAX_BODY_BYTES": str(LIMIT),
    }
    with Server(chosen) as running:
        running.wait_until_ready()
        yield running


def post(server: Server, path: str, content: bytes, encoding: str = "gzip") -> Any:
    return server.client.post(
        path, content=content, headers={**PACKED, "content-encoding": encoding}
    )


@pytest.mark.parametrize(("path", "body"), BODIES)
@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP"])
def test_every_route_reads_gzip(server: Server, path: str, body: Any, encoding: str) -> None:
    answer = post(server, path, gzip.compress(json.dumps(body).encode()), encoding)
    assert answer.status_code == 200, answer.text


def test_a_large_body_is_read_inflated(server: Server) -> None:
    body = json.dumps({"requests": rows(20_000)}).encode()
    assert INFLATED_BYTES < len(body) < LIMIT
    answer = post(server, "/predict", gzip.compress(body, mtime=0))
    assert answer.status_code == 200, answer.text[:300]
    assert len(answer.json()["energy_joules"]) == 20_000


def test_a_policy_is_put_compressed(server: Server) -> None:
    content = gzip.compress(b'{"min_mean_quality": 0.0}', mtime=0)
    assert server.client.put("/policy", content=content, headers=PACKED).status_code == 200
    assert server.client.delete("/policy").status_code == 200


@pytest.mark.parametrize("path", [path for path, _ in BODIES])
@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "nonsense"])
def test_other_encodings_are_refused_with_the_one_that_is_read(
    server: Server, path: str, encoding: str
) -> None:
    answer = post(server, path, b"{}", encoding)
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip"
    assert "Expected Content-Encoding gzip" in answer.json()["detail"]


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """What holds 300 MB, and takes a second to make."""
    return gzip.compress(b" " * 300_000_000, 6, mtime=0)


@pytest.mark.parametrize("path", [path for path, _ in BODIES])
def test_a_bomb_is_stopped_at_the_limit(server: Server, path: str, bomb: bytes) -> None:
    answer = post(server, path, bomb)
    assert answer.status_code == 413, answer.text
    assert server.client.get("/healthz").status_code == 200
    assert post(server, "/decision", gzip.compress(json.dumps(DECISION).encode())).is_success


@pytest.mark.parametrize("path", ["/plan", "/decision"])
@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"{}", mtime=0)[:-3],
        gzip.compress(b"{}", mtime=0)[:8],
        b"{}",
        gzip.compress(b"{}", mtime=0) + b"trailing",
        zlib.compress(b"{}"),
    ],
)
def test_what_is_not_gzip_is_refused_as_such(server: Server, path: str, content: bytes) -> None:
    answer = post(server, path, content)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:jouleplan:problem:malformed-encoding"


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=200), min_size=1, max_size=3),
    st.integers(1, 50),
    st.integers(1, 3),
)
def test_any_cut_of_any_members_inflates_to_what_was_packed(
    members: list[bytes], step: int, repeats: int
) -> None:
    plain = [member * repeats for member in members]
    packed = b"".join(map(gzip.compress, plain))
    inflater, found = Inflater(), []
    for start in range(0, len(packed), step):
        inflater.feed(packed[start : start + step])
        while piece := inflater.piece():
            found.append(piece)
    inflater.end()
    assert b"".join(found) == b"".join(plain)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_inflate_or_are_refused(content: bytes) -> None:
    inflater = Inflater()
    inflater.feed(content)
    try:
        while inflater.piece():
            pass
        inflater.end()
        slug = None
    except ProblemError as refused:
        slug = refused.problem.slug
    assert slug in (None, "malformed-encoding")
    assert slug is not None or not content or content.startswith(b"\x1f\x8b")


def test_a_piece_is_never_larger_than_it_may_be() -> None:
    inflater = Inflater()
    inflater.feed(gzip.compress(b"\0" * (3 * INFLATED_BYTES), mtime=0))
    assert [len(piece) for piece in iter(inflater.piece, b"")] == [INFLATED_BYTES] * 3
