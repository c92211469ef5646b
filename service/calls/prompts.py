"""Which text of a request's body the LLM's server will read, and what of it cannot be counted.

One rule for bodies of Chat Completions, Completions, Responses, embeddings and Anthropic Messages,
whichever way they come. Each piece counts once, by where it stands:

- the members of `MEMBERS`: messages, prompts, instructions, a system prompt, documents for the chat
  template. Inside them, messages, parts and items are read by `TEXTS` (text, or parts of it) and
  `JSON_TEXTS` (arguments and inputs of calls, which templates write as JSON);
- tools and functions, and the schema of a structured answer, as their JSON text. Servers that hold
  the schema in the grammar alone read it too, and hosted ones count it. The members that constrain
  decoding by other names (``guided_json``, ``structured_outputs``) never reach the prompt and count
  nothing, nor do roles, ids and types: what the chat template writes about them is a few tokens;
- of several names that servers give one reasoning, the first counts; members of `EXTRA` count as if
  they stood in the body, where OpenAI's client and gateways put them;
- members that are unknown here and hold more than a setting (`contents`, `inputs`, a text in
  ``chat_template_kwargs``) are noted, since another API's server may read them;
- images, audio, video, files and whatever the server looks up by an id have no text here. They are
  noted by kind, and their bytes never count.

Nothing here recurses, so that a body as deep as its parser admits costs its length and no more.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

CHARACTERS_PER_TOKEN = 4.0
"""What OpenAI's help centre gives for English: one token is about four characters."""
LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""Members of a body that limit its answer, the newest first."""
COUNTS = ("n", "best_of", "num_return_sequences")
"""Members that say how many answers a body wants, generated at least."""
NOT_COUNTED = "prompt_parts_not_counted"
"""Code of the warning that parts of prompts were not counted."""
EMPTY = "prompts_empty"
"""Code of the warning that nothing counts as a prompt."""
MEMBERS = ("system", "instructions", "messages", "prompt", "suffix", "input", "documents")
LISTS = ("prompt", "input")
"""Members that may list several prompts."""
JSON_MEMBERS = ("tools", "functions")
SCHEMAS = ("response_format", "output_format", "text", "output_config")
"""Members that may hold the schema of an answer, of themselves or below ``format``."""
TEXTS = frozenset(
    {"content", "text", "refusal", "thinking", "summary", "transcript", "stdout", "stderr"}
    | {"output", "name", "title", "context", "tool_calls", "function_call", "function", "custom"}
    | {"error", "code", "logs", "outputs", "queries", "results", "toolUse", "toolResult"}
)
REASONINGS = ("reasoning_content", "reasoning", "thinking_blocks", "reasoning_details")
"""Members of a message that hold its reasoning; some servers and gateways give it under several."""
JSON_TEXTS = frozenset(("arguments", "input", "action", "operation", "tools", "json"))
IMAGES, AUDIO, VIDEOS, FILES = "images", "audio", "videos", "files"
STORED, ENCRYPTED, OTHERS = "stored prompts or items", "encrypted parts", "unknown parts"
UNCOUNTED: Mapping[str, str] = {
    "image_url": IMAGES,
    "image": IMAGES,
    "images": IMAGES,
    "image_embeds": IMAGES,
    "input_audio": AUDIO,
    "audio_url": AUDIO,
    "audio": AUDIO,
    "video_url": VIDEOS,
    "video": VIDEOS,
    "file": FILES,
    "file_data": FILES,
    "file_id": FILES,
    "file_url": FILES,
    "source": FILES,
    "result": FILES,
    "data": ENCRYPTED,
    "encrypted_content": ENCRYPTED,
}
"""Members of a part that hold what is no text, and its kind where the part's type names none."""
TYPES: Mapping[str, str] = {
    "image": IMAGES,
    "screenshot": IMAGES,
    "audio": AUDIO,
    "video": VIDEOS,
    "file": FILES,
    "document": FILES,
    "container": FILES,
    "reference": STORED,
}
"""Words in the type of a part, and the kind that it then is."""
LOOKED_UP: Mapping[str, str] = {
    "previous_response_id": STORED,
    "conversation": STORED,
    "prompt_embeds": ENCRYPTED,
}
"""Members of a body that add to a prompt what is not in the body."""


EXTRA = "extra_body"
"""Member of a call of OpenAI's client whose members it puts into the body."""
SETTINGS = frozenset(
    {*MEMBERS, *JSON_MEMBERS, *SCHEMAS, *LOOKED_UP, *LIMITS, EXTRA, "model", "stop", "metadata"}
    | {"logit_bias", "prediction", "chat_template", "tool_choice", "structured_outputs", "grammar"}
    | {"guided_json", "guided_grammar", "guided_regex", "guided_choice", "stop_sequences"}
    | {"json_schema", "regex", "ebnf", "vllm_xargs", "kv_transfer_params"}
)
"""Members of a body that are read here, or that never reach a prompt whatever they hold."""
PART_SETTINGS = frozenset(
    {"role", "type", "id", "call_id", "tool_call_id", "tool_use_id", "status", "cache_control"}
    | {"signature", "thought_signature", "annotations", "citations", "logprobs", "metadata"}
    | {"provider_specific_fields", "extra_content", "caller", "filename", "url", "encrypted_index"}
)
"""Members of a message or part that no template writes, whatever they hold."""
MAX_SETTING = 200
"""Characters: what holds a longer text than this is no setting."""


class Prompt:
    """What a server reads of a body.

    Attributes
    ----------
    texts
        Pieces of text, in order.
    tokens
        Tokens that are given as ids.
    uncounted
        How many parts are no text, by kind; of all prompts that one body lists.

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


def merged(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a body with the members that its `EXTRA` would put into it.

    Examples
    --------
    >>> merged({"n": 1, "extra_body": {"n": 2, "top_k": 5}})["n"]
    2
    """
    extra = body.get(EXTRA)
    return {**body, **extra} if isinstance(extra, dict) else body


def is_whole(value: object) -> TypeGuard[float]:
    """Say whether a member of a body is a whole number, as an integer or as a float.

    Examples
    --------
    >>> [is_whole(value) for value in (2, 2.0, 2.5, True, "2")]
    [True, True, False, False, False]
    """
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def stated_limit(body: Mapping[str, Any]) -> int | None:
    """Return the limit that a body states of its answer, None where it states none.

    Zero and less are no limit: llama.cpp and its bindings generate without one then. But where a
    prompt is echoed, for its log probabilities, `max_tokens` of zero generates nothing.

    Examples
    --------
    >>> stated_limit({"max_completion_tokens": -1, "max_tokens": 50.0})
    50
    >>> stated_limit({"max_tokens": 0}), stated_limit({"max_tokens": 0, "echo": True})
    (None, 0)
    """
    body = merged(body)
    for name in LIMITS:
        value = body.get(name)
        least = 0 if name == "max_tokens" and body.get("echo") is True else 1
        if is_whole(value) and value >= least:
            return int(value)
    return None


def choices_of(body: Mapping[str, Any]) -> int:
    """Return how many answers a body wants of each prompt: the largest of `COUNTS`.

    Examples
    --------
    >>> choices_of({"n": 2.0}), choices_of({"prompt": ["a", "b"], "n": 2, "best_of": 3})
    (2, 3)
    """
    given = map(merged(body).get, COUNTS)
    return max([1, *(int(one) for one in given if is_whole(one))])


def told_uncounted(uncounted: Mapping[str, int]) -> str:
    """Return what was not counted in words.

    Examples
    --------
    >>> told_uncounted({"images": 2, "files": 1})
    '3 parts of prompts are no text that can be counted (2 images, 1 file) and count nothing.'
    >>> told_uncounted({"images": 1})
    '1 part of prompts is no text that can be counted (1 image) and counts nothing.'
    """
    one = {kind: " ".join(word.removesuffix("s") for word in kind.split()) for kind in uncounted}
    kinds = ", ".join(f"{n} {one[kind] if n == 1 else kind}" for kind, n in uncounted.items())
    total = sum(uncounted.values())
    if total == 1:
        return f"1 part of prompts is no text that can be counted ({kinds}) and counts nothing."
    return f"{total} parts of prompts are no text that can be counted ({kinds}) and count nothing."


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
