"""Names that are not known, and the known ones that were meant."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.errors import NameRefusedError
from costmodel.names import check_device, check_llm, device_named, llm_name
from costmodel.nearest import MAX_SHOWN_NAMES, nearest, unknown_name

FLEET = (
    "llama-3.1-8b-instruct",
    "llama-3.3-70b-instruct",
    "llama-3.1-405b-instruct",
    "mistral-7b-v0.1",
    "qwen3-8b",
    "qwen3-30b-a3b-instruct-2507",
    "gpt-oss-120b",
)
llms = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda name: ".." not in name
)
gpus = st.sampled_from(["h100", "a100-sxm4-40gb", "b200", "l4", "v100-16gb", "mi300x"])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("llama3.1:8b", "llama-3.1-8b-instruct"),
        ("llama3.3:70b", "llama-3.3-70b-instruct"),
        ("meta.llama3-1-8b-instruct-v1:0", "llama-3.1-8b-instruct"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b-instruct"),
        ("meta.llama3-1-405b-instruct-v1:0", "llama-3.1-405b-instruct"),
        ("mistral.mistral-7b-instruct-v0:2", "mistral-7b-v0.1"),
        ("qwen3:8b", "qwen3-8b"),
        ("qwen3:30b-a3b-instruct-2507-q4_K_M", "qwen3-30b-a3b-instruct-2507"),
        ("gpt-oss:120b", "gpt-oss-120b"),
        ("bedrock/meta.llama3-1-8b-instruct-v1:0", "llama-3.1-8b-instruct"),
        ("lama-3.1-8b-instrct", "llama-3.1-8b-instruct"),
    ],
)
def test_the_name_that_was_meant_comes_first(written: str, meant: str) -> None:
    assert nearest(written, FLEET)[0] == meant


@pytest.mark.parametrize("written", ["gpt-4o", "claude-sonnet-4", "x", "", ":", "a" * 100_000])
def test_nothing_is_suggested_where_nothing_is_like_it(written: str) -> None:
    assert nearest(written, FLEET) == []


def test_a_large_fleet_is_not_listed_whole() -> None:
    message = unknown_name("llm-7", [f"llm-{number}x" for number in range(1000)], "one of the llms")
    assert f" and {1000 - MAX_SHOWN_NAMES} more), got llm-7. Nearest: llm-7x" in message
    assert len(message) < 400


@settings(deadline=None)
@given(st.lists(llms, min_size=1, max_size=8), st.data())
def test_a_known_name_is_nearest_to_itself_however_it_is_spelled(
    known: list[str], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(known))
    assert nearest(f"Org/{name.upper()}", known)[0] == name


@settings(deadline=None)
@given(llms, st.sampled_from(["", "meta-llama/", "hosted_vllm/Qwen/", "openai/"]))
def test_a_published_name_and_its_normal_form_are_one(name: str, publisher: str) -> None:
    assert llm_name(f" {publisher}{name.upper()}") == llm_name(name) == check_llm(name)


@settings(deadline=None)
@given(st.integers(1, 9999), gpus, st.sampled_from(["", "NVIDIA ", "nvidia "]))
def test_a_device_is_the_same_however_it_is_written(count: int, gpu: str, maker: str) -> None:
    name = check_device(f"{count}x{gpu}")
    assert device_named(f"{count}x{maker}{gpu.upper()}") == name
    assert device_named(f"{count} X {gpu.upper()}") == name
    assert device_named(name) == name
    if count == 1:
        assert device_named(f"{maker}{gpu.upper()}") == name


@pytest.mark.parametrize(
    "name", ["1xa100-sxm4-40gb", "4xb200-tp1-ep4-dp1", "m1-pro", "8xh100", "1xv100-16gb", "m4"]
)
def test_normal_forms_stay_as_they_are(name: str) -> None:
    assert device_named(name) == name


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_name_or_is_refused_without_a_pattern(text: str) -> None:
    for normal, check in ((llm_name, check_llm), (device_named, check_device)):
        message = _refusal(normal, text)
        if message is None:
            assert check(normal(text)) == normal(text)
        else:
            assert message.startswith("Expected the name of")
            assert "[a-z" not in message


def _refusal(normal: Callable[[str], str], text: str) -> str | None:
    try:
        normal(text)
    except NameRefusedError as refused:
        return str(refused)
    return None
