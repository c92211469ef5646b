"""Which known names somebody may have meant by one that is not known.

Public catalogues spell one LLM in many ways: ``llama3.1:8b`` is Ollama's tag and
``meta.llama3-1-8b-instruct-v1:0`` Bedrock's id of ``llama-3.1-8b-instruct``. They agree in their
words and numbers, so names are compared by these first and by their letters second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

MAX_SHOWN_NAMES = 20
"""Names that one message lists at most."""
MAX_SUGGESTIONS = 3
MAX_CHARACTERS = 256
"""Characters of a name that is compared or shown; the rest of a longer one says no more."""

_TOKEN = re.compile(r"[a-z]+|[0-9]+")
# Names that share nothing but a number and a word such as "instruct" score below.
_MIN_LIKENESS = 0.5


def likeness(name: str, other: str) -> float:
    """Return how alike two names are, 0 to 1: by words and numbers, and by letters, half and half.

    Examples
    --------
    >>> likeness("Qwen3-8B", "qwen3-8b")
    1.0
    >>> likeness("llama3.1:8b", "llama-3.1-8b") > likeness("llama3.1:8b", "llama-3.3-70b")
    True
    """
    one, two = _comparable(name), _comparable(other)
    tokens = SequenceMatcher(None, _TOKEN.findall(one), _TOKEN.findall(two), autojunk=False)
    letters = SequenceMatcher(None, one, two, autojunk=False)
    return (tokens.ratio() + letters.ratio()) / 2


def nearest(name: str, known: Iterable[str], n: int = MAX_SUGGESTIONS) -> list[str]:
    r"""Return at most `n` known names that are like a name, the likest first.

    Examples
    --------
    >>> known = ["llama-3.1-8b-instruct", "llama-3.3-70b-instruct", "qwen3-8b"]
    >>> nearest("llama3.1:8b", known, 1), nearest("gpt-4o", known)
    (['llama-3.1-8b-instruct'], [])
    >>> nearest(r"C:\models\Qwen3-8B", known), nearest("/models/Qwen3-8B/", known)
    (['qwen3-8b'], ['qwen3-8b'])
    """
    scored = sorted((-likeness(name, other), other) for other in dict.fromkeys(known))
    return [other for score, other in scored if -score >= _MIN_LIKENESS][:n]


def unknown_name(name: str, known: Sequence[str], kind: str) -> str:
    """Return the sentence for a name that is not among those that are known.

    Parameters
    ----------
    name
        The name as it was sent.
    known
        Names that would do.
    kind
        What those are: ``one of the fleet's llms``.

    Examples
    --------
    >>> unknown_name("llama3.1:8b", ["llama-3.1-8b", "qwen3-8b"], "one of the llms")
    'Expected one of the llms (llama-3.1-8b, qwen3-8b), got llama3.1:8b. Nearest: llama-3.1-8b.'
    """
    near = nearest(name, known)
    hint = f" Nearest: {', '.join(near)}." if near else ""
    return f"Expected {kind} ({listed(known) or 'there is none'}), got {shown(name)}.{hint}"


def listed(names: Sequence[str]) -> str:
    """Return names joined by commas, the first `MAX_SHOWN_NAMES` and how many more there are.

    Examples
    --------
    >>> listed(["a", "b"])
    'a, b'
    >>> listed([str(number) for number in range(22)])[-14:]
    ' 19 and 2 more'
    """
    more = len(names) - MAX_SHOWN_NAMES
    return ", ".join(names[:MAX_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def counted(count: int, noun: str) -> str:
    """Return how many there are of something.

    Examples
    --------
    >>> counted(1, "request"), counted(12000, "line")
    ('1 request', '12,000 lines')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shown(name: str) -> str:
    r"""Return a name as messages show it: printable, and cut where it is very long.

    Examples
    --------
    >>> shown("a/B"), shown("a\nb"), shown("")
    ('a/B', "'a\\nb'", "''")
    """
    cut = name if len(name) <= MAX_CHARACTERS else f"{name[:MAX_CHARACTERS]}..."
    return cut if cut.isprintable() and cut else repr(cut)


def _comparable(name: str) -> str:
    last = name.replace("\\", "/").strip().rstrip("/").rpartition("/")[2]
    return last.lower()[:MAX_CHARACTERS]
