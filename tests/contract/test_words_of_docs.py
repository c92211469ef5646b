"""Pages name what is in the checkout, by words that the glossary explains once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from service.settings.settings import Settings
from tests.contract.pages import DOCS, FENCE, PAGES, ROOT, text_of
from tests.contract.public_names import fields, metrics, options

CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(
    r"(?:commandline|costmodel|planner|service|profiler|jouleplan|models|examples|benchmarks"
    r"|deploy|docs|tests)/[\w./-]*"
)
DOTTED = re.compile(
    r"(?:commandline|costmodel|planner|service|profiler|benchmarks|examples|tests)(?:\.\w+)+"
)
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
PLAIN = """
absolute accepted age alive allow allowed answers api applied at axes axis body budget build burst
by bytes ca call calls certfile certs characters clock code column columns committed connections
count created cut date days delay detail dir duplicates elapsed ended ends estimated events
expired expires explain factor failed force format from g grams hangs has header heartbeat
held help high host hosts hour id in index info input instance jouleplan joules json keep keyfile
kilojoules kind kwh label level lines links lost low max mean memory message min
minimise minimised minutes next niceness no notes num out output overwrite p50 p90 parse password
path peer per print quantity queries query queue quiet ratio ratios reason reasons recent records
refused report restart restarts result saved scrape self set sha256 shutdown silence simulated
since solve solver standard start started status stopped successful survives timings title tls to
total type unadmitted unauthenticated unit unsolved upper url value watts why without zone
"""
"""Words of public names that mean what they mean everywhere."""


def looked_at() -> list[Path]:
    """Return the pages that speak of today's checkout: a changelog tells of those before."""
    return [page for page in PAGES if page.name != "CHANGELOG.md"]


def sources() -> str:
    folders = (
        *("commandline", "costmodel", "planner", "service", "profiler", "jouleplan"),
        *("tests", "benchmarks"),
    )
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


def test_each_word_of_a_public_name_is_in_the_glossary_or_plain() -> None:
    names = fields() | metrics() | options() | set(Settings.model_fields)
    words = set(re.findall(r"[a-z0-9]+", " ".join(names).lower()))
    roots = {root(word) for term in glossary() for word in re.findall(r"\w+", term.lower())}
    assert sorted(word for word in words if root(word) not in roots) == sorted(PLAIN.split())


def root(word: str) -> str:
    """Return what `planned`, `plans` and `planning` have in common."""
    return word.rstrip("s")[:4]


def test_every_term_of_the_glossary_is_used_on_some_other_page() -> None:
    others = [page for page in looked_at() if page != DOCS / "reference" / "words.md"]
    text = " ".join(page.read_text(encoding="utf-8") for page in others).lower()
    used = {term: re.sub(r"[ -]", "[ _-]", term.lower()) for term in glossary()}
    assert [term for term, form in used.items() if not re.search(rf"(?<![a-z]){form}", text)] == []


@pytest.mark.parametrize("page", looked_at(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_says_a_word_that_was_given_up_for_a_term_of_the_field(page: Path) -> None:
    assert GIVEN_UP.findall(page.read_text(encoding="utf-8")) == []
