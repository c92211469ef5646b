import copy
import json
import os

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from costmodel.artefact import load, save
from costmodel.conversion import READERS, SCHEMA, from_artefact, to_artefact
from costmodel.errors import (
    ArtefactError,
    DigestMismatchError,
    MalformedArtefactError,
    MissingFileError,
    UnsafeArtefactError,
    UnsupportedSchemaError,
)
from tests.costmodel.builders import BUILDERS, cost_models, decode_cost_model, kv_off_cost_model
from tests.costmodel.forging import forge


@given(cost_models())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_saved_is_what_is_loaded(tmp_path, cost_model):
    assert load(save(cost_model, tmp_path)) == cost_model


@pytest.mark.parametrize("builder", BUILDERS.values())
def test_an_artefact_is_a_plain_dict_that_joblib_alone_can_read(tmp_path, builder):
    path = save(builder(), tmp_path)
    artefact = joblib.load(path)
    assert artefact == to_artefact(builder())
    assert json.loads(json.dumps(artefact, allow_nan=False)) == artefact
    assert artefact["schema"] == SCHEMA


def test_saving_twice_writes_the_same_bytes(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    first = path.read_bytes(), path.with_suffix(".json").read_bytes()
    save(kv_off_cost_model(), tmp_path)
    assert (path.read_bytes(), path.with_suffix(".json").read_bytes()) == first


def test_saving_leaves_the_two_files_and_nothing_else(tmp_path):
    save(kv_off_cost_model(), tmp_path)
    stem = "llama-2-7b-chat__1xa100-sxm4-40gb"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem}.joblib", f"{stem}.json"]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in tmp_path.iterdir())


def test_a_write_that_fails_leaves_no_litter(tmp_path):
    card = tmp_path / "llama-2-7b-chat__1xa100-sxm4-40gb.json"
    card.mkdir()
    with pytest.raises(OSError, match="directory"):
        save(kv_off_cost_model(), tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    card.rmdir()
    assert load(save(kv_off_cost_model(), tmp_path)) == kv_off_cost_model()


def test_a_reader_between_the_two_writes_is_refused_and_the_next_save_heals_it(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    card = path.with_suffix(".json")
    older = card.read_bytes()
    save(kv_off_cost_model(load_s=1.0), tmp_path)
    card.write_bytes(older)
    with pytest.raises(DigestMismatchError, match="SHA-256"):
        load(path)
    save(kv_off_cost_model(load_s=1.0), tmp_path)
    assert load(path).load_s == 1.0


def test_a_file_without_its_card_is_refused(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(MissingFileError, match=r"\.json"):
        load(path)


def test_a_card_without_its_file_is_refused(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    path.unlink()
    with pytest.raises(MissingFileError, match=r"\.joblib"):
        load(path)


def test_one_flipped_bit_anywhere_is_a_digest_mismatch(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    whole = path.read_bytes()
    for position in range(0, len(whole), 97):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(DigestMismatchError):
            load(path)


def test_an_oversized_file_is_refused_before_it_is_read(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    os.truncate(path, 2**40)
    with pytest.raises(UnsafeArtefactError, match="at most 1000000 bytes"):
        load(path)


def test_an_oversized_card_is_refused(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    os.truncate(path.with_suffix(".json"), 2**40)
    with pytest.raises(UnsafeArtefactError, match="at most 1000000 bytes"):
        load(path)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="a folder, not a file"):
        load(path)


@pytest.mark.parametrize(
    "card",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"sha256": 7}',
        b'{"sha256": NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"sha256": "", "x": ' + b"[" * 50_000,
    ],
)
def test_a_card_that_is_none_is_refused(tmp_path, card):
    path = save(kv_off_cost_model(), tmp_path)
    path.with_suffix(".json").write_bytes(card)
    with pytest.raises(MalformedArtefactError, match=r"^Expected a card"):
        load(path)


def test_a_card_edited_by_hand_is_refused(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    card = json.loads(path.with_suffix(".json").read_text())
    card["idle_watts"] = 1.0
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(MalformedArtefactError, match="repeat idle_watts"):
        load(path)


@pytest.mark.parametrize("name", ["other__1xa100-sxm4-40gb", "llama-2-7b-chat__1xh100"])
def test_a_file_named_after_another_pair_is_refused(tmp_path, name):
    path = save(kv_off_cost_model(), tmp_path)
    path.with_suffix(".json").rename(tmp_path / f"{name}.json")
    with pytest.raises(MalformedArtefactError, match="as the file is named"):
        load(path.rename(tmp_path / f"{name}.joblib"))


def test_a_file_named_after_no_pair_is_refused(tmp_path):
    path = save(kv_off_cost_model(), tmp_path)
    with pytest.raises(MalformedArtefactError, match=r"Expected a file named|Expected the name"):
        load(path.rename(tmp_path / "copy of it.joblib"))


@pytest.mark.parametrize("schema", [2, 0, -1, 10**15])
def test_a_schema_without_a_reader_is_refused(tmp_path, schema):
    path = forge(tmp_path, {**to_artefact(kv_off_cost_model()), "schema": schema})
    with pytest.raises(UnsupportedSchemaError, match=f"schema 1, got {schema}"):
        load(path)


def test_every_schema_up_to_the_current_one_has_a_reader():
    assert sorted(READERS) == list(range(1, SCHEMA + 1))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", None),
        ("schema", 1.0),
        ("schema", True),
        ("llm", "../../etc/passwd"),
        ("llm", 7),
        ("device", "h100"),
        ("num_gpus", 1.0),
        ("num_gpus", 4),
        ("basis", "bilinear"),
        ("basis", ["kv_off"]),
        ("terms", ["1", "tout", "S2", "S1"]),
        ("terms", "1"),
        ("energy_coefficients", [1.0, 1.0, 1.0]),
        ("energy_coefficients", [1.0, 1.0, 1.0, float("nan")]),
        ("energy_coefficients", [1.0, 1.0, 1.0, float("inf")]),
        ("energy_coefficients", [1.0, 1.0, 1.0, -0.5]),
        ("energy_coefficients", [1.0, 1.0, 1.0, True]),
        ("energy_coefficients", [1.0, 1.0, 1.0, "1"]),
        ("energy_coefficients", [1.0, 1.0, 1.0, 10**30]),
        ("device_seconds_coefficients", {"0": 1.0}),
        ("device_seconds_coefficients", [1.0, float("-inf"), 1.0, 1.0]),
        ("profiled_points", []),
        ("profiled_points", [[1.0, 2.0]]),
        ("profiled_points", [[1.0, 2.0, 0.0]]),
        ("profiled_points", [[None, 2.0, 1.0]]),
        ("profiled_points", [[1.0, None, 1.0]]),
        ("profiled_points", [1.0, 2.0, 1.0]),
        ("energy_interval", {"quantile": 1.0, "points": 3, "level": 0.9}),
        ("energy_interval", {"quantile": 1.0, "points": 9, "level": 0.9, "extra": 1}),
        ("energy_interval", [1.0]),
        ("load_s", -1.0),
        ("load_s", "42"),
        ("idle_watts", False),
        ("max_context_tokens", 0.5),
        ("mixed_lengths", []),
        ("errors", None),
        ("errors", {"mape": float("nan")}),
        ("provenance", None),
        ("provenance", {}),
        ("unknown", 1),
    ],
)
def test_a_field_that_cannot_be_is_refused(tmp_path, field, value):
    path = forge(tmp_path, {**to_artefact(kv_off_cost_model()), field: value})
    with pytest.raises(MalformedArtefactError, match=r"^Expected"):
        load(path)


@pytest.mark.parametrize("field", to_artefact(kv_off_cost_model()))
def test_a_field_that_is_missing_is_refused(field):
    artefact = to_artefact(kv_off_cost_model())
    del artefact[field]
    with pytest.raises(MalformedArtefactError, match=r"^Expected"):
        from_artefact(artefact)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", ""),
        ("kv_cache", "maybe"),
        ("energy_scope", None),
        ("notes", "x"),
        ("extra", 1),
        ("null_reasons", {"load_s": None}),
        ("points", "many"),
        ("date", 2024),
    ],
)
def test_provenance_that_cannot_be_is_refused(field, value):
    artefact = copy.deepcopy(to_artefact(kv_off_cost_model()))
    artefact["provenance"][field] = value
    with pytest.raises(MalformedArtefactError, match=r"^Expected"):
        from_artefact(artefact)


@pytest.mark.parametrize("whole", [None, [], "artefact", 7])
def test_what_is_no_dict_is_refused(tmp_path, whole):
    with pytest.raises(MalformedArtefactError, match="artefact as an object"):
        load(forge(tmp_path, whole))


@pytest.mark.parametrize("errors", [{"mape": np.nan}, {"mape": object()}, {1: 2}, {"a": {1, 2}}])
def test_what_is_not_plain_finite_data_is_never_written(tmp_path, errors):
    with pytest.raises(MalformedArtefactError, match=r"^Expected"):
        save(kv_off_cost_model(errors=errors), tmp_path)
    assert not list(tmp_path.iterdir())


def test_numpy_figures_are_written_as_plain_numbers(tmp_path):
    figures = {"mape": np.float64(0.25), "folds": np.array([1, 2]), "pair": (1, 2)}
    path = save(kv_off_cost_model(errors=figures), tmp_path)
    assert load(path).errors == {"mape": 0.25, "folds": [1, 2], "pair": [1, 2]}


def test_a_nest_too_deep_to_read_is_never_written(tmp_path):
    nest: dict[str, object] = {}
    for _ in range(40):
        nest = {"nest": nest}
    with pytest.raises(ArtefactError, match="nesting of at most 16"):
        save(decode_cost_model(errors=nest), tmp_path)
