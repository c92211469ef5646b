import builtins
import copyreg
import gzip
import io
import os
import pickle
import struct
import tracemalloc
import zlib

import joblib
import numpy as np
import pytest

from costmodel.artefact import dump_joblib, load
from costmodel.conversion import to_artefact
from costmodel.errors import ArtefactError, MalformedArtefactError, UnsafeArtefactError
from costmodel.unpickler import MAX_INFLATED_BYTES, read_plain
from tests.costmodel.builders import kv_off_cost_model
from tests.costmodel.forging import forge_bytes, forge_pickle

ARTEFACT = to_artefact(kv_off_cost_model())
PROGRAM = pickle.dumps(ARTEFACT, protocol=4)


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Persists(pickle.Pickler):
    def persistent_id(self, obj):
        return "outside" if obj == "me" else None


def joblib_bytes(value):
    buffer = io.BytesIO()
    joblib.dump(value, buffer)
    return buffer.getvalue()


def persistent(protocol):
    buffer = io.BytesIO()
    Persists(buffer, protocol).dump({"a": "me"})
    return buffer.getvalue()


def hostile_programs(marker):
    touch = f"open({str(marker)!r}, 'w').close()"
    command = f"touch {marker}"
    yield from (
        pickle.dumps({**ARTEFACT, "errors": Calls(os.system, command)}, protocol)
        for protocol in range(2, 6)
    )
    yield pickle.dumps(Calls(eval, touch), 4)
    yield pickle.dumps(Calls(exec, touch), 4)
    yield pickle.dumps([Calls(builtins.__import__, "this")], 4)
    yield pickle.dumps({**ARTEFACT, "load_s": np.float64(1.0)}, 4)
    yield pickle.dumps(np.arange(3), 5)
    yield pickle.dumps(np.array([Calls(os.system, command)], dtype=object), 4)
    yield joblib_bytes({"a": np.arange(1000.0)})
    yield joblib_bytes(np.array([Calls(os.system, command)], dtype=object))
    yield persistent(2)
    yield persistent(4)
    yield pickle.dumps(kv_off_cost_model(), 4)
    yield pickle.dumps(slice(1, 2), 4)
    yield pickle.dumps((1, 2), 4)
    yield pickle.dumps({1, 2}, 4)
    yield pickle.dumps(b"bytes", 4)
    yield pickle.dumps(bytearray(b"x"), 5)
    yield pickle.dumps({1: 2}, 4)
    yield b"\x80\x02cos\nsystem\n(S'" + command.encode() + b"'\ntR."
    yield b"\x80\x02(S'" + command.encode() + b"'\nios\nsystem\n."
    yield b"\x80\x02(cos\nsystem\nS'" + command.encode() + b"'\no."
    yield b"\x80\x05\x97."
    yield b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"."
    yield b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"."
    yield b"\x80\x02r" + struct.pack("<I", 2**31) + b"."
    yield b"\x80\x02Nr" + struct.pack("<I", 2**31) + b"."


def test_no_hostile_pickle_is_loaded_and_none_of_it_runs(tmp_path):
    marker = tmp_path / "it_ran"
    tried = 0
    for program in hostile_programs(marker):
        for data in (program, zlib.compress(program), gzip.compress(program, mtime=0)):
            path = forge_bytes(tmp_path, data)
            with pytest.raises(ArtefactError, match=r"^Expected"):
                load(path)
            tried += 1
    assert tried > 80
    assert not marker.exists()


def test_the_hostile_pickles_would_run_elsewhere(tmp_path):
    marker = tmp_path / "it_ran"
    pickle.loads(next(hostile_programs(marker)))
    assert marker.exists()


@pytest.mark.parametrize("cached", [False, True])
def test_a_registered_extension_is_not_reached(tmp_path, cached):
    copyreg.add_extension("os", "system", 0x77)
    program = b"\x80\x02\x82\x77(S'true'\ntR."
    try:
        if cached:
            copyreg._extension_cache[0x77] = os.system  # type: ignore[attr-defined]
        with pytest.raises(UnsafeArtefactError, match="EXT1"):
            load(forge_pickle(tmp_path, program))
    finally:
        copyreg.remove_extension("os", "system", 0x77)


@pytest.mark.timeout(30)
def test_laughs_by_the_billion_are_refused(tmp_path):
    lines: list[object] = ["ha"]
    for _ in range(60):
        lines = [lines, lines]
    with pytest.raises(UnsafeArtefactError, match=r"once|nesting"):
        load(forge_pickle(tmp_path, pickle.dumps(lines, 4)))


def test_a_list_within_itself_is_refused(tmp_path):
    snake: list[object] = []
    snake.append(snake)
    with pytest.raises(UnsafeArtefactError, match="again"):
        load(forge_pickle(tmp_path, pickle.dumps(snake, 4)))


@pytest.mark.parametrize("opening", [b"]", b"}\x8c\x01a"])
def test_a_deep_nest_is_refused_without_deep_recursion(tmp_path, opening):
    depth = 20_000
    closing = b"a" if opening == b"]" else b"s"
    program = b"\x80\x04" + opening * depth + b"N" + closing * depth + b"."
    with pytest.raises(UnsafeArtefactError, match="nesting of at most 16"):
        load(forge_pickle(tmp_path, program))


@pytest.mark.parametrize("wrap", [zlib.compress, gzip.compress])
def test_a_bomb_is_never_inflated(tmp_path, wrap):
    bomb = wrap(b"\x80\x04" + b"N" * 100_000_000)
    assert len(bomb) < 1_000_000
    path = forge_bytes(tmp_path, bomb)
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeArtefactError, match="bytes inflated"):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_INFLATED_BYTES
    finally:
        tracemalloc.stop()


def test_a_program_of_too_many_instructions_is_refused(tmp_path):
    program = b"\x80\x04](" + b"N" * 7_000_000 + b"e."
    with pytest.raises(UnsafeArtefactError, match="instructions"):
        load(forge_pickle(tmp_path, program))


def test_a_memo_that_asks_for_room_is_refused(tmp_path):
    program = b"\x80\x02Nr" + struct.pack("<I", 2**31 - 1) + b"."
    with pytest.raises(UnsafeArtefactError, match="memo"):
        load(forge_pickle(tmp_path, program))


@pytest.mark.parametrize("wrap", [bytes, zlib.compress, gzip.compress])
def test_the_formats_that_joblib_writes_are_read(wrap):
    assert read_plain(wrap(PROGRAM)) == ARTEFACT


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("zlib", 9)])
def test_what_joblib_wrote_is_read(compress):
    buffer = io.BytesIO()
    joblib.dump(ARTEFACT, buffer, compress=compress)
    assert read_plain(buffer.getvalue()) == ARTEFACT


@pytest.mark.parametrize("compress", [("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_other_compressions_are_refused(compress):
    buffer = io.BytesIO()
    joblib.dump(ARTEFACT, buffer, compress=compress)
    with pytest.raises(MalformedArtefactError, match="by zlib or gzip"):
        read_plain(buffer.getvalue())


@pytest.mark.parametrize("wrap", [bytes, zlib.compress, gzip.compress])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, wrap):
    whole = wrap(PROGRAM)
    for length in range(0, len(whole), 23):
        with pytest.raises(ArtefactError, match=r"^Expected"):
            load(forge_bytes(tmp_path, whole[:length]))


@pytest.mark.parametrize("wrap", [bytes, zlib.compress, gzip.compress])
def test_what_follows_the_end_is_refused(tmp_path, wrap):
    with pytest.raises(MalformedArtefactError, match="Expected the end of the file, got 4 bytes"):
        load(forge_bytes(tmp_path, wrap(PROGRAM) + b"more"))
    with pytest.raises(MalformedArtefactError, match="Expected the end of the file, got 4 bytes"):
        load(forge_bytes(tmp_path, zlib.compress(PROGRAM + b"more")))


def test_flipped_bits_never_do_more_than_be_refused_or_read():
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(3000):
        program = bytearray(PROGRAM)
        for position in rng.integers(0, len(program), 2):
            program[position] ^= 1 << int(rng.integers(0, 8))
        try:
            read_plain(bytes(program))
        except ArtefactError:
            refused += 1
    assert refused > 1000


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x04.",
        b"\x80\x04h\x05.",
        b"\x80\x04}]Ns.",
        b"\x80\x04N(NNe.",
        b"\x80\x04}(Nu.",
        b"\x80\x04]}a}NNs.",
        b"\x80\x09N.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
        b"\x80\x04\x8c\x01\xff.",
        b"\x80",
    ],
)
def test_admitted_instructions_in_a_senseless_order_are_refused(program):
    with pytest.raises(ArtefactError, match=r"^Expected"):
        read_plain(program)


def test_an_honest_file_is_far_below_every_limit():
    assert len(dump_joblib(ARTEFACT)) < 20_000
