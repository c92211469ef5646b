"""Members of requests to an LLM that no server takes, and odd ones that servers do take."""

from __future__ import annotations

from typing import Any

WRONG: list[tuple[str, Any, str, str]] = [
    ("max_tokens", "abc", "", "Expected a whole number, got 'abc'."),
    ("max_tokens", -0.5, "", "Expected a whole number, got -0.5."),
    ("max_completion_tokens", 1.5, "", "Expected a whole number, got 1.5."),
    ("max_output_tokens", True, "", "Expected a whole number, got true."),
    ("n", "5", "", "Expected a whole number from 1 to 1024, got '5'."),
    ("n", 0, "", "Expected a whole number from 1 to 1024, got 0."),
    ("n", [5], "", "Expected a whole number from 1 to 1024, got a list."),
    ("n", 1025, "", "Expected a whole number from 1 to 1024, got 1025."),
    ("best_of", 10**18, "", "Expected a whole number from 1 to 1024, got 1000000000000000000."),
    ("best_of", -1, "", "Expected a whole number from 1 to 1024, got -1."),
    ("messages", "hi", "", "Expected a list of messages, got text."),
    ("messages", {}, "", "Expected a list of messages, got an object."),
    ("messages", [{"role": "user"}, 1], "/1", "Expected a message, an object, got 1."),
    ("messages", [{"content": 5}], "/0/content", "Expected text or a list of parts, got 5."),
    ("prompt", 5, "", "Expected text or a list, got 5."),
    ("input", False, "", "Expected text or a list, got false."),
    ("model", 5, "", "Expected text, got 5."),
    ("model", 0, "", "Expected text, got 0."),
    ("model", {}, "", "Expected text, got an object."),
]
TAKEN: list[dict[str, Any]] = [
    {"max_tokens": None, "n": None, "best_of": None, "messages": None, "model": None},
    {"n": 1.0, "max_tokens": 20.0},
    {"max_tokens": 0, "echo": True},
    {"max_tokens": -1, "max_completion_tokens": 0, "max_output_tokens": -(10**400)},
    {"max_tokens": -1.0},
    {"max_tokens": 10**400},
    {"prompt": {"id": "pmpt_1"}},
    {"messages": [{"role": "assistant", "content": None}, {"role": "user", "content": []}]},
    {"tools": "whatever", "temperature": "x", "stream": 3},
]
