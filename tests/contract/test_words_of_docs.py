"""Pages name what is in the checkout, by words that the glossary explains once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.contract.pages import DOCS, FENCE, PAGES, ROOT, text_of

CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(
    r"(?:costmodel|planner|service|profiler|jouleplan|models|examples|benchmarks|deploy|docs|tests)"
    r"/[\w./-]*"
)
DOTTED = re.compile(r"(?:costmodel|planner|service|profiler|benchmarks|examples|tests)(?:\.\w+)+")
MODULE = re.compile(r"python -m ((?:service|profiler|benchmarks|examples)[\w.]*)")
TYPE = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+")
TEST = re.compile(r"test_\w+")
FOREIGN = {
    *("ContextTokens", "GeneratedTokens"),  # columns of Azure's traces
    *("InferencePool", "SecurityPolicy", "HTTPRoute"),  # kinds of Kubernetes
    "EventSource",  # of browsers
    *("jouleplan/actuals.sqlite3", "jouleplan/plans.sqlite3"),  # in the user's state folder
}
GIVEN_UP = re.compile(
    r"\b(?:reckon\w*|steer(?:s|ed|ing)|knobs?|ledgers?|desks?|dealt|deals? out|sketch(?:es)?|hurry"
    r"|hasty|soonest|doubtful|hang in the balance|key ?rings?|pebbles?)\b",
    re.IGNORECASE,
)
"""Words that once stood for a term of the field (control, estimate, dispatch, quick pass, ...)."""
PUBLIC = {
    *("decision", "policy", "price", "actuals", "forecast", "shard", "campaign", "window"),
    *("point", "quote", "calibration", "placement", "plan", "pool", "device", "LLM", "cost model"),
}


def looked_at() -> list[Path]:
    """Return the pages that speak of today's checkout: a changelog tells of those before."""
    return [page for page in PAGES if page.name != "CHANGELOG.md"]


def sources() -> str:
    folders = ("costmodel", "planner", "service", "profiler", "jouleplan", "tests", "benchmarks")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def has_module(dotted: str) -> bool:
    at = ROOT.joinpath(*dotted.split("."))
    return at.with_suffix(".py").exists() or (at / "__init__.py").exists()


def test_every_path_and_module_that_a_page_names_is_there() -> None:
    missing, named = [], 0
    for page in looked_at():
        text = page.read_text(encoding="utf-8")
        codes = CODE.findall(FENCE.sub("", text))
        paths = {code for code in codes if PATH.fullmatch(code)} - FOREIGN
        modules = {code for code in codes if DOTTED.fullmatch(code)} | set(MODULE.findall(text))
        lost = [name for name in paths if not (ROOT / name).exists()]
        lost += [name for name in modules if not has_module(name)]
        missing += [f"{page.relative_to(ROOT)}: {name}" for name in lost]
        named += len(paths) + len(modules)
    assert named > 30
    assert missing == []


def test_every_class_and_test_that_a_page_names_is_defined() -> None:
    defined = set(re.findall(r"^\s*(?:class|def) (\w+)", sources(), re.MULTILINE))
    named = {
        code
        for page in looked_at()
        for code in CODE.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
        if TYPE.fullmatch(code) or TEST.fullmatch(code)
    }
    assert {"TokenTerms"} <= named
    assert named - FOREIGN - defined == set()


def glossary() -> list[str]:
    rows = re.findall(r"^\| ([^|`]+) \| ", text_of("reference/words.md"), re.MULTILINE)
    return [term for row in rows for term in re.split(r", ", row) if term != "word"]


def test_the_glossary_has_every_public_term_once() -> None:
    terms = glossary()
    assert PUBLIC - set(terms) == set()
    assert [term for term, times in Counter(terms).items() if times > 1] == []


def test_every_term_of_the_glossary_is_used_on_some_other_page() -> None:
    others = [page for page in looked_at() if page != DOCS / "reference" / "words.md"]
    text = " ".join(page.read_text(encoding="utf-8") for page in others).lower()
    unused = [term for term in glossary() if not re.search(rf"\b{term.lower()}", text)]
    assert unused == []


@pytest.mark.parametrize("page", looked_at(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_says_a_word_that_was_given_up_for_a_term_of_the_field(page: Path) -> None:
    assert GIVEN_UP.findall(page.read_text(encoding="utf-8")) == []
