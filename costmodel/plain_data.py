"""Plain data: numbers, strings, None, booleans, and lists and dicts of them; nothing else."""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from costmodel.errors import MalformedArtefactError, UnsafeArtefactError
from costmodel.kinds import kind_of

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

MAX_DEPTH = 16
_INT64 = 2**63


def to_plain(value: object) -> Any:  # noqa: ANN401 - any shape of plain data
    """Return a value as plain data: mappings as dicts, sequences and arrays as lists.

    Raises
    ------
    MalformedArtefactError
        If a number is not finite or too large, a key is no string, or a type has no plain form.

    Examples
    --------
    >>> to_plain({"mape": np.float64(0.04), "folds": (1, 2)})
    {'mape': 0.04, 'folds': [1, 2]}
    """
    return _to_plain(value, "artefact", MAX_DEPTH)


def check_plain(value: object) -> None:
    """Check that loaded data is plain, a tree, finite and not deep.

    Raises
    ------
    UnsafeArtefactError
        If it holds another type, shares or repeats a list or dict within itself, or nests deeper
        than 16.
    MalformedArtefactError
        If a number is not finite or does not fit in 64 bits.
    """
    seen: set[int] = set()
    pending: list[tuple[object, str, int]] = [(value, "artefact", 0)]
    while pending:
        item, path, depth = pending.pop()
        if type(item) not in (dict, list):
            _check_scalar(item, path)
            continue
        if depth >= MAX_DEPTH:
            msg = f"Expected nesting of at most {MAX_DEPTH}, got more at {path}."
            raise UnsafeArtefactError(msg)
        if id(item) in seen:
            msg = f"Expected each list and object once, got the one at {path} again."
            raise UnsafeArtefactError(msg)
        seen.add(id(item))
        pending.extend((child, name, depth + 1) for child, name in _children(item, path))


def _children(item: object, path: str) -> list[tuple[object, str]]:
    if isinstance(item, dict):
        for key in item:
            if type(key) is not str:
                msg = f"Expected text as the keys of {path}, got {kind_of(key)}."
                raise UnsafeArtefactError(msg)
        return [(child, f"{path}.{key:.40}") for key, child in item.items()]
    if isinstance(item, list):
        return [(child, f"{path}[{index}]") for index, child in enumerate(item)]
    return []


def _check_scalar(item: object, path: str) -> None:
    kind = type(item)
    if kind not in (float, int, str, bool, type(None)):
        msg = f"Expected plain data at {path}, got {kind_of(item)}."
        raise UnsafeArtefactError(msg)
    if isinstance(item, float) and not math.isfinite(item):
        msg = f"Expected a finite number at {path}, got {item}."
        raise MalformedArtefactError(msg)
    if isinstance(item, int) and not -_INT64 <= item < _INT64:
        msg = f"Expected a whole number of 64 bits at {path}, got one of {item.bit_length()} bits."
        raise MalformedArtefactError(msg)


def _to_plain(value: object, path: str, depth: int) -> Plain:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping | list | tuple) and depth == 0:
        msg = f"Expected nesting of at most {MAX_DEPTH}, got more at {path}."
        raise MalformedArtefactError(msg)
    if isinstance(value, Mapping):
        return {
            _text_key(key, path): _to_plain(child, f"{path}.{key}", depth - 1)
            for key, child in value.items()
        }
    if isinstance(value, list | tuple):
        return [_to_plain(child, f"{path}[{i}]", depth - 1) for i, child in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        _check_scalar(value, path)
        return value
    msg = f"Expected plain data at {path}, got {kind_of(value)}."
    raise MalformedArtefactError(msg)


def _text_key(key: object, path: str) -> str:
    if type(key) is not str:
        msg = f"Expected text as the keys of {path}, got {kind_of(key)}."
        raise MalformedArtefactError(msg)
    return key
