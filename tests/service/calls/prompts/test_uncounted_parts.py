"""What of a body is no text that counts: its kinds, and the warnings of it."""

from __future__ import annotations

from typing import Any

import pytest

from service.calls.prompts.reader import prompts_of
from service.calls.prompts.uncounted import ENCRYPTED, OTHERS, STORED, VIDEOS, describe_uncounted
from tests.service.calls.prompts.bodies import prompt_of

BYTES = "data:image/png;base64," + 40_000 * "A"


UNCOUNTED: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "image": ({"type": "image_url", "image_url": {"url": BYTES}}, {"images": 1}),
    "input image": ({"type": "input_image", "image_url": BYTES}, {"images": 1}),
    "image by id": ({"type": "input_image", "file_id": "f"}, {"images": 1}),
    "anthropic image": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BYTES}},
        {"images": 1},
    ),
    "audio": ({"type": "input_audio", "input_audio": {"data": BYTES}}, {"audio": 1}),
    "video": ({"type": "video_url", "video_url": {"url": BYTES}}, {"videos": 1}),
    "file": ({"type": "file", "file": {"file_data": BYTES}}, {"files": 1}),
    "input file": ({"type": "input_file", "file_data": BYTES, "filename": "a.pdf"}, {"files": 1}),
    "document": (
        {"type": "document", "source": {"type": "base64", "data": BYTES}},
        {"files": 1},
    ),
    "item": ({"type": "item_reference", "id": "msg"}, {"stored prompts or items": 1}),
    "sealed reasoning": (
        {"type": "reasoning", "summary": [], "encrypted_content": BYTES},
        {"encrypted parts": 1},
    ),
    "screenshot": (
        {
            "type": "computer_call_output",
            "output": {"type": "computer_screenshot", "image_url": BYTES},
        },
        {"images": 1},
    ),
    "no kind that is known": ({"type": "hologram", "hologram": BYTES}, {"unknown parts": 1}),
}


@pytest.mark.parametrize("case", UNCOUNTED)
def test_bytes_never_count_and_are_reported(case: str) -> None:
    part, kinds = UNCOUNTED[case]
    text = {"type": "text", "text": "seen"}
    for body in (
        {"messages": [{"role": "user", "content": [text, part]}]},
        {"input": [text, part]},
    ):
        found = prompt_of(body)
        assert found.texts == ["seen"]
        assert found.uncounted == kinds


def test_what_the_server_looks_up_is_reported() -> None:
    stored = {"id": "pmpt_1", "variables": {"city": "Rome", "photo": UNCOUNTED["input image"][0]}}
    found = prompt_of({"prompt": stored, "previous_response_id": "resp_1"})
    assert found.texts == ["Rome"]
    assert found.uncounted == {"stored prompts or items": 2, "images": 1}


def test_what_cannot_be_counted_of_several_prompts_is_reported_once() -> None:
    found = prompts_of({"prompt": ["a", [{"type": "image"}]], "prompt_embeds": "AAAA"})
    assert all(one.uncounted == {"encrypted parts": 1, "images": 1} for one in found)


@pytest.mark.parametrize(
    ("uncounted", "warned"),
    [
        ({"images": 1}, "1 part of prompts is no text that can be counted (1 image) and counts"),
        ({"audio": 1}, "1 part of prompts is no text that can be counted (1 audio) and counts"),
        (
            {"images": 2, "files": 1},
            "3 parts of prompts are no text that can be counted (2 images,",
        ),
        ({STORED: 1, OTHERS: 2}, "(1 stored prompt or item, 2 unknown parts) and count nothing."),
        ({ENCRYPTED: 1, VIDEOS: 1}, "(1 encrypted part, 1 video) and count nothing."),
    ],
)
def test_what_was_not_counted_is_reported_by_its_number(
    uncounted: dict[str, int], warned: str
) -> None:
    assert warned in describe_uncounted(uncounted)


LONG = 201 * "x"


@pytest.mark.parametrize(
    "body",
    [
        {"contents": [{"role": "user", "parts": [{"text": LONG}]}]},
        {"inputs": LONG},
        {"text": LONG},
        {"messages": [{"role": "user", "parts": [{"text": LONG}]}]},
        {"messages": [{"role": "user", "content": "a", "images": [LONG]}]},
        {"prompt": "a", "chat_template_kwargs": {"facts": [LONG]}},
    ],
)
def test_text_where_no_rule_looks_for_it_is_warned_of(body: dict[str, Any]) -> None:
    found = prompt_of(body)
    assert sum(found.uncounted.values()) == 1
    assert LONG not in found.texts


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "a", "chat_template_kwargs": {"enable_thinking": False}, "user": "u"},
        {"prompt": "a", "guided_json": {"description": LONG}, "metadata": {"note": LONG}},
        {"messages": [{"role": "user", "content": "a", "signature": LONG, "annotations": [LONG]}]},
    ],
)
def test_settings_are_no_prompt(body: dict[str, Any]) -> None:
    found = prompt_of(body)
    assert (found.texts, found.uncounted) == (["a"], {})
