"""Fleet files: what is read, and how a mistake is told."""

from pathlib import Path

import pytest

from service.calls.fleet.file import FleetFileError, read_fleet_file
from tests.plain_words import foreign_words
from tests.service.catalogue_maker import FLEET_YAML


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_fleet_file_is_the_fleet_of_the_api_with_sources(tmp_path: Path) -> None:
    fleet = read_fleet_file(write(tmp_path, FLEET_YAML)).fleet
    assert [pool.name for pool in fleet.pools] == ["h100", "b200"]
    assert fleet.sources == {"count": "an example"}


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (FLEET_YAML.replace("count: 4", "count: four"), "/pools/0/count"),
        (FLEET_YAML.replace("count: 2", "cuont: 2"), "/pools/1/cuont"),
        (FLEET_YAML.replace("0.483", "48.3"), "/quality/llama-3.1-8b-instruct"),
        (FLEET_YAML.replace("concurrency: [64]", "concurrency: [0]"), "/pools/1/concurrency/0"),
        ("pools: []", "/pools"),
        ("- just a list", "expected a mapping"),
        ("pools: [", "is not YAML in line 1: did not find"),
        ("pools:\n- name: [a\n  llms: []\n", "is not YAML in line 3: did not find"),
        ("pools: []\nx: [\n\n", "is not YAML in line 3: did not find"),
        ("pools: !!python/object/apply:os.system ['true']", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("pools: [{name: a, llms: [x :]}]", "is not YAML in line 1: found unexpected"),
        ('pools: [{name: "\\ud800"}]', "is not YAML"),
        ("pools: []\nx: !!bool x", "is not YAML in line 2: a number, a date or a value with"),
        ("pools: []\nx: !!timestamp 1", "is not YAML in line 2: a number, a date or"),
        ("pools: []\nx: !!int nope", "is not YAML in line 2: a number, a date or"),
        ("pools: []\n\nx: 2026-13-45", "is not YAML in line 3: a number, a date or"),
        ("pools:\n- name: a\npools: []", "is not YAML in line 3: the key 'pools' stands twice"),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path: Path, wrong: str, place: str) -> None:
    with pytest.raises(FleetFileError) as caught:
        read_fleet_file(write(tmp_path, wrong))
    assert place in str(caught.value)
    assert "fleet.yaml" in str(caught.value)
    assert foreign_words(str(caught.value)) is None


def test_a_missing_or_huge_file_is_an_error_and_no_more(tmp_path: Path) -> None:
    with pytest.raises(FleetFileError, match="cannot be read"):
        read_fleet_file(tmp_path / "none.yaml")
    with pytest.raises(FleetFileError, match="at most"):
        read_fleet_file(write(tmp_path, "#" * 2**21))
