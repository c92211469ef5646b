"""Reading the joblib file of an artefact without executing anything of it.

Pickle is a program that builds objects. Before it runs, every instruction is looked at, and only
those that build numbers, strings, lists and dicts are admitted: none that names a class, calls,
extends, or reaches out of the file. Only then it runs, on an unpickler that finds no class either,
and what it built is looked at once more. Sizes are capped before anything of that size exists.
"""

import io
import pickle
import pickletools
import zlib

from costmodel.errors import MalformedArtefactError, UnsafeArtefactError
from costmodel.plain_data import check_plain

MAX_DISK_BYTES = 1_000_000
MAX_INFLATED_BYTES = 8_000_000
# Some hundred times what a cost model takes; each costs a microsecond to look at.
MAX_INSTRUCTIONS = 100_000

_STRUCTURE = ("PROTO", "FRAME", "MARK", "STOP")
_SCALARS = ("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_TEXT = ("SHORT_BINUNICODE", "BINUNICODE")
_CONTAINERS = ("EMPTY_DICT", "EMPTY_LIST", "APPEND", "APPENDS", "SETITEM", "SETITEMS")
_MEMO_WRITES = ("MEMOIZE", "BINPUT", "LONG_BINPUT")
_MEMO_READS = ("BINGET", "LONG_BINGET")
_ADMITTED = frozenset((*_STRUCTURE, *_SCALARS, *_TEXT, *_CONTAINERS, *_MEMO_WRITES, *_MEMO_READS))
_INDEXED_WRITES = frozenset(("BINPUT", "LONG_BINPUT"))

_RAW = b"\x80"
_ZLIB = b"\x78"
_GZIP = b"\x1f\x8b"


def read_plain(data: bytes) -> object:
    """Return the plain data of a joblib file: uncompressed, or compressed by zlib or gzip.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    object
        A tree of dicts, lists, strings, numbers, booleans and None.

    Raises
    ------
    UnsafeArtefactError
        If the file is over 1 MB, inflates to over 8 MB or holds anything but plain data.
    MalformedArtefactError
        If it is truncated, followed by something else, or no joblib file of these formats.
    """
    if len(data) > MAX_DISK_BYTES:
        msg = f"Expected at most {MAX_DISK_BYTES} bytes on disk, got more."
        raise UnsafeArtefactError(msg)
    program = _inflated(data)
    _audit(program)
    try:
        value = _PlainUnpickler(io.BytesIO(program)).load()
    except UnsafeArtefactError:
        raise
    except Exception as error:
        # Admitted instructions in a senseless order fail in as many ways as there are.
        msg = "Expected a well-formed pickle, got one that cannot be read."
        raise MalformedArtefactError(msg) from error
    check_plain(value)
    return value


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        msg = f"Expected plain data, got a reference to {module:.60}.{name:.60}."
        raise UnsafeArtefactError(msg)

    def persistent_load(self, pid: object) -> object:
        msg = "Expected plain data, got a persistent reference."
        raise UnsafeArtefactError(msg)


def _inflated(data: bytes) -> bytes:
    if data.startswith(_RAW):
        return data
    if data.startswith(_ZLIB):
        return _inflate(data, zlib.MAX_WBITS)
    if data.startswith(_GZIP):
        return _inflate(data, zlib.MAX_WBITS | 16)
    msg = f"Expected a joblib file, plain or by zlib or gzip, got one that begins {data[:4]!r}."
    raise MalformedArtefactError(msg)


def _inflate(data: bytes, window_bits: int) -> bytes:
    stream = zlib.decompressobj(window_bits)
    try:
        program = stream.decompress(data, MAX_INFLATED_BYTES + 1)
    except zlib.error as error:
        msg = f"Expected an intact compressed file, got {error}."
        raise MalformedArtefactError(msg) from error
    if len(program) > MAX_INFLATED_BYTES:
        msg = f"Expected at most {MAX_INFLATED_BYTES} bytes inflated, got more."
        raise UnsafeArtefactError(msg)
    if not stream.eof:
        msg = "Expected a whole compressed file, got a truncated one."
        raise MalformedArtefactError(msg)
    if stream.unused_data:
        msg = f"Expected the end of the file, got {len(stream.unused_data)} bytes more."
        raise MalformedArtefactError(msg)
    return program


def _audit(program: bytes) -> None:
    end = -1
    try:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(program)):
            name = opcode.name
            if count >= MAX_INSTRUCTIONS:
                msg = f"Expected at most {MAX_INSTRUCTIONS} pickle instructions, got more."
                raise UnsafeArtefactError(msg)
            if name not in _ADMITTED:
                msg = f"Expected plain data, got the pickle instruction {name}."
                raise UnsafeArtefactError(msg)
            # An unpickler makes room for the largest index, so a small file could ask for much.
            if name in _INDEXED_WRITES and (not isinstance(argument, int) or argument > count):
                msg = f"Expected memo indices in order, got {argument}."
                raise UnsafeArtefactError(msg)
            end = (position or 0) + 1
    except (ValueError, UnicodeError) as error:
        # The library's message may quote the whole file.
        msg = "Expected a whole pickle, got one that is truncated or senseless."
        raise MalformedArtefactError(msg) from error
    if end != len(program):
        msg = f"Expected the end of the file, got {len(program) - end} bytes more."
        raise MalformedArtefactError(msg)
