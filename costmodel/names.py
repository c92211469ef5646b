"""Names of LLMs and devices, and the file stems made of them.

An LLM is its published name after the last ``/`` in lower case. A device is a number of equal
accelerators that hold one replica, ``<count>x<accelerator>``, or an Apple chip, which has no count.
Names come in as people write them: `llm_name` and `device_named` are the one place where they get
their normal form. Everything else is refused, which also keeps paths safe.
"""

import re

from costmodel.errors import NameRefusedError

MAX_NAME_LENGTH = 96
STEM_SEPARATOR = "__"

_LLM = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", re.ASCII)
_APPLE = re.compile(r"m[1-9][0-9]?(?:-(?:pro|max|ultra))?", re.ASCII)
_COUNTED = re.compile(
    r"(?P<count>[1-9][0-9]{0,3})x(?P<gpu>[a-z][a-z0-9]*(?:-[a-z0-9]+)*?)"
    r"(?:-tp(?P<tp>[1-9][0-9]{0,3})-ep(?P<ep>[1-9][0-9]{0,3})-dp(?P<dp>[1-9][0-9]{0,3}))?",
    re.ASCII,
)
_WRITTEN = re.compile(
    r"(?:(?P<count>[1-9][0-9]{0,3})\s*[xX×*]\s*)?(?P<gpu>\S.*)", re.ASCII | re.DOTALL
)
_COUNTED_BEHIND = re.compile(
    r"(?P<gpu>[^0-9\s][^0-9]*[0-9].*?)[\s-]*[xX×*]\s*(?P<count>[1-9][0-9]{0,3})",
    re.ASCII | re.DOTALL,
)
"""GPU whose name has a number of its own, and its count: ``RTX4090`` is no 4090 of ``RT``."""
_PARALLELISM = re.compile(r"-(?:tp|ep|dp)[0-9]*(?:-|$)")


def llm_name(published: str) -> str:
    """Return the name of an LLM here for the name it was published under.

    Parameters
    ----------
    published : str
        Name as on a model hub, with or without its organisation, or a gateway's provider before it.

    Raises
    ------
    NameRefusedError
        If what follows the last ``/``, in lower case and without white space around it, is not a
        name.

    Examples
    --------
    >>> llm_name("meta-llama/Llama-2-7b-chat"), llm_name("hosted_vllm/Qwen/Qwen3-8B")
    ('llama-2-7b-chat', 'qwen3-8b')
    """
    return check_llm(published.rpartition("/")[2].strip().lower())


def check_llm(name: str) -> str:
    """Return `name` if it names an LLM.

    It matches ``[a-z0-9._-]+``, begins and ends with a letter or digit, holds neither ``..`` nor
    ``__`` and has at most 96 characters.

    Raises
    ------
    NameRefusedError
        If it names none.
    """
    if (
        not isinstance(name, str)
        or len(name) > MAX_NAME_LENGTH
        or not _LLM.fullmatch(name)
        or ".." in name
        or STEM_SEPARATOR in name
    ):
        msg = (
            "Expected the name of an LLM in lower-case letters, digits, '.', '_' and '-', at most "
            f"{MAX_NAME_LENGTH} characters, without '..' or '__' and with a letter or digit at "
            f"both ends, got {_shown(name)}."
        )
        raise NameRefusedError(msg)
    return name


def check_device(name: str) -> str:
    """Return `name` if it names a device.

    Raises
    ------
    NameRefusedError
        If it is neither ``<count>x<accelerator>``, with ``-tpX-epY-dpZ`` only where it is not plain
        tensor parallel over all, nor an Apple chip such as ``m1-pro``.

    Examples
    --------
    >>> check_device("4xb200-tp1-ep4-dp1")
    '4xb200-tp1-ep4-dp1'
    """
    device_num_gpus(name)
    return name


def device_num_gpus(name: str) -> int:
    """Return how many accelerators a device has; an Apple chip counts as one.

    Raises
    ------
    NameRefusedError
        If the name is none, as `check_device` has it.

    Examples
    --------
    >>> device_num_gpus("8xh100"), device_num_gpus("m1-pro")
    (8, 1)
    """
    if isinstance(name, str) and len(name) <= MAX_NAME_LENGTH:
        if _APPLE.fullmatch(name):
            return 1
        match = _COUNTED.fullmatch(name)
        if match and _parallelism_is_canonical(match):
            return int(match["count"])
    msg = (
        "Expected the name of a device such as '1xa100-sxm4-40gb', '8xh100', "
        f"'4xb200-tp1-ep4-dp1' or 'm1-pro', got {_shown(name)}."
    )
    raise NameRefusedError(msg)


def device_name(
    num_gpus: int, gpu: str, tp: int | None = None, ep: int | None = None, dp: int | None = None
) -> str:
    """Return the name of the device of `num_gpus` accelerators `gpu`.

    Parameters
    ----------
    num_gpus : int
        Accelerators of one replica, at least 1.
    gpu : str
        Name as published, ``H100``, or as its driver says, ``NVIDIA A100-SXM4-40GB``.
    tp, ep, dp : int, optional
        Tensor, expert and data parallelism; plain tensor parallel over all unless given.

    Raises
    ------
    NameRefusedError
        If the result is not the name of a device.

    Examples
    --------
    >>> device_name(1, "NVIDIA A100-SXM4-40GB")
    '1xa100-sxm4-40gb'
    >>> device_name(4, "B200", tp=1, ep=4, dp=1)
    '4xb200-tp1-ep4-dp1'
    >>> device_name(2, "B200", tp=2, ep=1, dp=1)
    '2xb200'
    """
    chip = re.sub(r"[\s_]+", "-", gpu.strip().lower().removeprefix("nvidia").strip())
    chip = chip.removeprefix("apple-")
    if num_gpus == 1 and _APPLE.fullmatch(chip):
        return chip
    degrees = (num_gpus if tp is None else tp, 1 if ep is None else ep, 1 if dp is None else dp)
    plain = degrees == (num_gpus, 1, 1)
    suffix = "" if plain else "-tp{}-ep{}-dp{}".format(*degrees)
    return check_device(f"{num_gpus}x{chip}{suffix}")


def device_named(written: str) -> str:
    """Return the name of a device here for what people and drivers call it.

    Parameters
    ----------
    written : str
        Name in any case, with its count before or behind it or without one, which then is 1.

    Raises
    ------
    NameRefusedError
        If that is not the name of a device.

    Examples
    --------
    >>> device_named("1xH100"), device_named("NVIDIA A100-SXM4-40GB"), device_named("Apple M1 Pro")
    ('1xh100', '1xa100-sxm4-40gb', 'm1-pro')
    >>> device_named("4x NVIDIA B200"), device_named("4xB200-TP1-EP4-DP1")
    ('4xb200', '4xb200-tp1-ep4-dp1')
    >>> device_named("H100x8"), device_named("NVIDIA A100-SXM4-80GB x 4"), device_named("RTX4090")
    ('8xh100', '4xa100-sxm4-80gb', '1xrtx4090')
    """
    found = _WRITTEN.fullmatch(written.strip()) if isinstance(written, str) else None
    if found is not None and not found["count"]:
        found = _COUNTED_BEHIND.fullmatch(written.strip()) or found
    # Every accelerator has a number in its name: without one, and uncounted, it is but a word.
    if found is None or not (found["count"] or re.search(r"[0-9]", found["gpu"])):
        return check_device(written)
    try:
        return device_name(int(found["count"] or 1), found["gpu"])
    except NameRefusedError:
        # What was written, and not what was made of it, is what its writer can mend.
        return check_device(written)


def artefact_stem(llm: str, device: str) -> str:
    """Return the stem of the two files of a cost model.

    Raises
    ------
    NameRefusedError
        If either name is refused.

    Examples
    --------
    >>> artefact_stem("llama-2-7b-chat", "1xa100-sxm4-40gb")
    'llama-2-7b-chat__1xa100-sxm4-40gb'
    """
    return f"{check_llm(llm)}{STEM_SEPARATOR}{check_device(device)}"


def split_stem(stem: str) -> tuple[str, str]:
    """Return the LLM and the device of a stem, the inverse of `artefact_stem`.

    Raises
    ------
    NameRefusedError
        If it is not made of two names.
    """
    llm, separator, device = stem.partition(STEM_SEPARATOR)
    if not separator:
        msg = f"Expected a file named <llm>__<device>, got {_shown(stem)}."
        raise NameRefusedError(msg)
    return check_llm(llm), check_device(device)


def _parallelism_is_canonical(match: re.Match[str]) -> bool:
    if _PARALLELISM.search(match["gpu"]):
        return False
    if match["tp"] is None:
        return True
    count = int(match["count"])
    degrees = [int(match[key]) for key in ("tp", "ep", "dp")]
    return degrees != [count, 1, 1] and max(degrees) <= count


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= MAX_NAME_LENGTH else f"{text[:MAX_NAME_LENGTH]}... (shortened)"
