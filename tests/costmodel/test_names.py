import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import NameRefusedError
from costmodel.names import (
    artefact_stem,
    check_device,
    check_llm,
    device_name,
    device_num_gpus,
    llm_name,
    split_stem,
)


@pytest.mark.parametrize(
    ("published", "name"),
    [
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "qwen3-235b-a22b-instruct-2507-fp8"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b-instruct"),
        ("mistral-7b-v0.1", "mistral-7b-v0.1"),
        ("org/team/My_LLM", "my_llm"),
    ],
)
def test_an_llm_is_its_published_name_after_the_last_slash_in_lower_case(published, name):
    assert llm_name(published) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a..b",
        "a__b",
        "_a",
        "a_",
        ".hidden",
        "a-",
        "A",
        "a b",
        "a\n",
        "é",
        "a\x00",
        "a\\b",
        "١",
        "a" * 97,
        "%2e",
        None,
        7,
    ],
)
def test_what_is_no_name_of_an_llm_is_refused(name):
    with pytest.raises(NameRefusedError, match=r"^Expected the name of an LLM"):
        check_llm(name)


@pytest.mark.parametrize(
    ("device", "gpus"),
    [
        ("1xa100-sxm4-40gb", 1),
        ("4xa100-sxm4-40gb", 4),
        ("1xa100-pcie-40gb", 1),
        ("1xh100-sxm5-80gb", 1),
        ("1xv100-16gb", 1),
        ("m1-pro", 1),
        ("m4-max", 1),
        ("8xh100", 8),
        ("2xb200", 2),
        ("1xl4", 1),
        ("4xb200-tp1-ep4-dp1", 4),
    ],
)
def test_devices_are_known_by_their_form(device, gpus):
    assert check_device(device) == device
    assert device_num_gpus(device) == gpus


@pytest.mark.parametrize(
    "device",
    [
        "",
        "h100",
        "0xh100",
        "01xh100",
        "1xH100",
        "1x",
        "x1",
        "1x..",
        "1xa/b",
        "1xa__b",
        "1x-a",
        "1xa-",
        "1xa--b",
        "m0-pro",
        "m1-foo",
        "1xm1 pro",
        "1xh100\n",
        "99999xh100",
        "1x" + "a" * 95,
        "4xb200-tp4-ep1-dp1",
        "4xb200-tp1-ep8-dp1",
        "4xb200-tp1",
        "4xb200-tp1-ep4",
        "1xb200-tp01",
        "4xb200-ep4-tp1-dp1",
        "4xb200-tp0-ep4-dp1",
        "4xb200-tp1-ep4-dp1-tp1-ep4-dp1",
        None,
    ],
)
def test_what_is_no_name_of_a_device_is_refused(device):
    with pytest.raises(NameRefusedError, match=r"^Expected the name of a device"):
        check_device(device)


def test_a_device_is_named_from_what_is_published_or_what_the_driver_says():
    assert device_name(1, "NVIDIA A100-SXM4-40GB") == "1xa100-sxm4-40gb"
    assert device_name(1, "NVIDIA H100 80GB HBM3") == "1xh100-80gb-hbm3"
    assert device_name(8, "H100") == "8xh100"
    assert device_name(1, "Apple M1 Pro") == "m1-pro"


def test_parallelism_is_named_only_where_it_is_not_plain_tensor_parallel():
    assert device_name(2, "B200", tp=2, ep=1, dp=1) == "2xb200"
    assert device_name(1, "B200", tp=1, ep=1, dp=1) == "1xb200"
    assert device_name(8, "H100", tp=1, ep=8, dp=1) == "8xh100-tp1-ep8-dp1"


def test_a_device_of_no_accelerator_is_refused():
    with pytest.raises(NameRefusedError):
        device_name(0, "H100")


@given(
    st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,20}\Z"),
    st.sampled_from(["1xh100", "m1-pro", "4xb200-tp1-ep4-dp1"]),
)
def test_a_stem_splits_into_the_names_it_was_made_of(llm, device):
    try:
        stem = artefact_stem(llm, device)
    except NameRefusedError:
        return
    assert split_stem(stem) == (llm, device)
    assert "/" not in stem
    assert ".." not in stem


@pytest.mark.parametrize(
    "stem", ["", "a", "__1xh100", "a__", "a__1xh100__b", "a_1xh100", "../a__b"]
)
def test_a_stem_that_is_not_two_names_is_refused(stem):
    with pytest.raises(NameRefusedError):
        split_stem(stem)
