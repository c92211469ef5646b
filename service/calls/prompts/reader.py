"""Reads a body's prompts: its pieces of text in order, its token ids, and what is neither.

Nothing here recurses, so that a body as deep as its parser admits costs its length and no more.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from service.calls.prompts.members import (
    JSON_MEMBERS,
    JSON_TEXTS,
    LISTS,
    MAX_SETTING,
    MEMBERS,
    PART_SETTINGS,
    REASONINGS,
    SCHEMAS,
    SETTINGS,
    TEXTS,
    merged,
)
from service.calls.prompts.uncounted import LOOKED_UP, OTHERS, STORED, TYPES, UNCOUNTED


class Prompt:
    """What a server reads of a body: pieces of text, in order, and a number of token ids.

    `uncounted` are the parts that are no text, by kind; of all prompts that one body lists.

    Examples
    --------
    >>> part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    >>> (found,) = prompts_of({"messages": [{"role": "user", "content": ["abc", part]}]})
    >>> found.texts, found.uncounted
    (['abc'], Counter({'images': 1}))
    """

    __slots__ = ("texts", "tokens", "uncounted")

    # No dataclass: gateways load their plug-ins without a place in sys.modules, which it needs.
    def __init__(self, uncounted: Counter[str] | None = None) -> None:
        self.texts: list[str] = []
        self.tokens = 0
        self.uncounted: Counter[str] = Counter() if uncounted is None else uncounted

    @property
    def characters(self) -> int:
        """Characters of text."""
        return sum(map(len, self.texts))

    def add(self, node: object) -> None:
        """Count a prompt, a list of messages, or a part of either."""
        if isinstance(node, str):
            self.texts.append(node)
            return
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                self.texts.append(one)
            elif isinstance(one, list | tuple):
                waiting.extend(reversed(one))
            elif isinstance(one, dict):
                waiting.extend(reversed(self._parts(one)))
            elif isinstance(one, int) and not isinstance(one, bool):
                self.tokens += 1
            elif one is not None:
                self.uncounted[OTHERS] += 1

    def add_json(self, value: object) -> None:
        """Count what templates write as JSON; text stands as it is."""
        self.texts.append(value if isinstance(value, str) else json_text(value))

    def _parts(self, part: Mapping[str, Any]) -> list[Any]:
        """Return what is to be read of a message, part or item; what cannot be is noted."""
        parts: list[Any] = []
        kinds: list[str] = []
        seen = "role" in part
        for name, value in part.items():
            if name in TEXTS:
                parts.append(value)
            elif name in REASONINGS:
                before = REASONINGS[: REASONINGS.index(name)]
                parts.append(None if any(map(part.get, before)) else value)
            elif name in JSON_TEXTS:
                parts.append(value if value is None or isinstance(value, str) else json_text(value))
            elif name == "source" and (text := _source_text(value)) is not None:
                parts.append(text)
            elif name in UNCOUNTED:
                kinds += [UNCOUNTED[name]] if value else []
            elif name not in PART_SETTINGS and _holds_text(value):
                self.uncounted[OTHERS] += 1
            else:
                continue
            seen = True
        if (kinds and not isinstance(part.get("text"), str)) or not seen:
            self.uncounted[_kind(part, kinds[0] if kinds else OTHERS)] += 1
        return parts


def prompts_of(body: Mapping[str, Any]) -> list[Prompt]:
    """Return what the server will read of a body: one prompt, or each of those that it lists.

    Completions and embeddings list texts, or lists of token ids: the server takes each for a
    request of its own, and reads with each what else is in the body.

    Examples
    --------
    >>> [one.texts for one in prompts_of({"prompt": ["ab", "c"], "suffix": "d"})]
    [['ab', 'd'], ['c', 'd']]
    """
    body = merged(body)
    listed = next((name for name in LISTS if _is_listed(body.get(name))), None)
    if listed is None:
        return [_prompt_of(body)]
    others = _prompt_of({name: value for name, value in body.items() if name != listed})
    # Of one piece, so that many prompts cost no more than their number.
    shared = ["".join(others.texts)] if others.texts else []
    # Equal texts are one prompt: a call may list hundreds of thousands of short ones.
    texts: dict[str, Prompt] = {}
    found = []
    for one in body[listed]:
        prompt = texts.get(one) if isinstance(one, str) else None
        if prompt is None:
            prompt = Prompt(others.uncounted)
            prompt.add(one)
            prompt.texts += shared
            prompt.tokens += others.tokens
            if isinstance(one, str):
                texts[one] = prompt
        found.append(prompt)
    return found


def _is_listed(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(one, str | list) for one in value)


def _prompt_of(body: Mapping[str, Any]) -> Prompt:
    found = Prompt()
    for member in MEMBERS:
        value = body.get(member)
        if member == "prompt" and isinstance(value, dict):
            found.uncounted[STORED] += 1
            variables = value.get("variables")
            value = list(variables.values()) if isinstance(variables, dict) else None
        found.add(value)
    for member in JSON_MEMBERS:
        if body.get(member):
            found.add_json(body[member])
    for schema in _schemas(body):
        found.add_json(schema)
    for member, kind in LOOKED_UP.items():
        if body.get(member):
            found.uncounted[kind] += 1
    for member, value in body.items():
        known = member in SETTINGS and not (member in SCHEMAS and isinstance(value, str))
        if not known and _holds_text(value):
            found.uncounted[OTHERS] += 1
    return found


def json_text(value: object) -> str:
    """Return the JSON text of a value, compact; its strings alone where it is nested too deeply."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, TypeError, ValueError):
        return " ".join(_strings(value))


def _strings(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one


def _holds_text(value: object) -> bool:
    """Say whether a value has a text in it that is longer than a setting."""
    if not isinstance(value, str | list | dict):
        return False
    return any(len(text) > MAX_SETTING for text in _strings(value))


def _schemas(body: Mapping[str, Any]) -> Iterator[object]:
    for member in SCHEMAS:
        value = body.get(member)
        for one in (value, value.get("format")) if isinstance(value, dict) else ():
            if isinstance(one, dict) and one.get("type") == "json_schema":
                yield one.get("json_schema") or one


def _source_text(source: object) -> object | None:
    """Return the text of a source of an Anthropic document, None where it holds none."""
    if not isinstance(source, dict):
        return source if isinstance(source, str) else None
    return {"text": source.get("data"), "content": source.get("content")}.get(_type(source))


def _kind(part: Mapping[str, Any], otherwise: str) -> str:
    named = _type(part)
    return next((kind for word, kind in TYPES.items() if word in named), otherwise)


def _type(part: Mapping[str, Any]) -> str:
    named = part.get("type")
    return named[:64] if isinstance(named, str) else ""
