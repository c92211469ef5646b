"""The documentation's links lead somewhere, and its reference pages leave nothing out."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from costmodel import errors as costmodel_errors
from costmodel.conversion import to_artefact
from costmodel.errors import ArtefactError
from jouleplan.__main__ import PROGRAM
from profiler.observations import COLUMNS
from service.problems import PROBLEM_TYPES
from service.settings.settings import VARIABLE_PREFIX, Settings
from tests.contract.pages import DOCS, FENCE, PAGES, ROOT, anchors, text_of
from tests.contract.public_names import fields, metrics, openapi, options
from tests.costmodel.builders import kv_off_cost_model
from tests.jouleplan.command import PARSERS, verb_parsers

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
OUTSIDE = ("https://", "http://", "mailto:")
LONGEST = 200
HTTP_PAGES = ("http", "batch-files", "asynchronous-plans", "decisions", "refusals")


def http_reference() -> str:
    return "".join(text_of(f"reference/{page}.md") for page in HTTP_PAGES)


def links(page: Path) -> Iterator[str]:
    for link, image in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        target = link or image
        if not target.startswith(OUTSIDE):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    found, pending = set(), [DOCS / "README.md"]
    while pending:
        page = pending.pop()
        if page in found:
            continue
        found.add(page)
        targets = [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
        pending += [target for target in targets if target.suffix == ".md"]
    assert set(DOCS.rglob("*.md")) - found == set()


def test_the_changelog_says_nothing_twice_and_goes_from_added_to_fixed() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    entries = Counter(line for line in lines if line.startswith("- "))
    assert [entry for entry, times in entries.items() if times > 1] == []
    for release in "\n".join(lines).split("\n## ")[1:]:
        kinds = re.findall(r"^### (.+)$", release, re.MULTILINE)
        assert kinds == [kind for kind in ("Added", "Changed", "Fixed") if kind in kinds]


def test_no_page_is_too_long_to_be_read() -> None:
    lengths = {page.name: len(page.read_text("utf-8").splitlines()) for page in DOCS.rglob("*.md")}
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}


def test_every_path_is_in_the_http_reference() -> None:
    page = http_reference()
    calls = [
        f"`{method.upper()} {path}`"
        for path, operations in openapi()["paths"].items()
        for method in operations
    ]
    assert len(calls) >= 7
    assert [call for call in calls if call not in page] == []


def test_every_field_of_bodies_and_answers_is_in_the_http_reference() -> None:
    page = http_reference()
    named = {word for code in re.findall(r"`([^`]+)`", page) for word in re.findall(r"\w+", code)}
    assert len(fields()) > 50
    assert fields() - named == set()


def test_every_refusal_is_in_the_http_reference_with_its_status() -> None:
    page = http_reference()
    rows = [f"| `{slug}` | {status} |" for slug, (status, _) in PROBLEM_TYPES.items()]
    assert [row for row in rows if row not in page] == []


def test_every_setting_is_in_its_reference_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", text_of("reference/settings.md"), re.MULTILINE)
    documented = dict(rows)
    fields = {
        VARIABLE_PREFIX + name.upper(): field for name, field in Settings.model_fields.items()
    }
    assert set(documented) == set(fields)
    for name, field in fields.items():
        if field.default_factory is None and field.default not in (None, ()):
            default = str(field.default)
            default = default.lower() if isinstance(field.default, bool) else default
            assert documented[name].startswith(f"`{default}`"), name


def test_every_metric_is_in_its_reference_and_no_other() -> None:
    rows = re.findall(r"^\| (`jouleplan_[^|]*) \|", text_of("reference/metrics.md"), re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert set(documented) == metrics()


def test_every_column_of_observations_is_in_the_command_line_reference() -> None:
    page = text_of("reference/cli.md")
    assert [name for name in COLUMNS if f"`{name}`" not in page] == []


def test_every_verb_and_option_is_in_the_command_line_reference() -> None:
    page = text_of("reference/cli.md")
    parsers = [one for make in PARSERS.values() for one in verb_parsers(make(PROGRAM))]
    documented = " ".join(re.findall(r"`([^`]+)`", page))
    assert len(options()) > 60
    assert options() - set(re.findall(r"--[a-z-]+", documented)) == set()
    assert [one.prog for one in parsers if f"{one.prog} " not in f"{documented} "] == []


def test_every_field_and_refusal_of_an_artefact_is_in_its_reference() -> None:
    page = text_of("reference/artefact-and-card.md")
    kinds = {
        error.kind
        for error in vars(costmodel_errors).values()
        if isinstance(error, type) and issubclass(error, ArtefactError) and error != ArtefactError
    }
    names = [*to_artefact(kv_off_cost_model()), *kinds]
    assert [name for name in names if f"`{name}`" not in page] == []
