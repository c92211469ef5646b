import json
import os
import pickle

import numpy as np
import pytest

from costmodel.artefact import save
from costmodel.catalogue import Catalogue
from costmodel.conversion import to_artefact
from costmodel.errors import UnknownCostModelError
from costmodel.provenance import Provenance
from costmodel.workload import Workload
from tests.costmodel.builders import decode_cost_model, kv_off_cost_model, kv_on_cost_model
from tests.costmodel.forging import STEM, forge, forge_pickle

SIMULATED = Provenance(source="simulated", kv_cache="on", energy_scope="gpu")


@pytest.fixture
def folder(tmp_path):
    save(kv_on_cost_model(), tmp_path)
    save(decode_cost_model(), tmp_path)
    return tmp_path


def test_every_artefact_of_a_folder_is_loaded(folder):
    catalogue = Catalogue.load(folder)
    assert list(catalogue.cost_models.values()) == [decode_cost_model(), kv_on_cost_model()]
    assert catalogue.refused == ()
    assert catalogue.get("qwen3-8b", "1xh100") == kv_on_cost_model()


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("unsafe", lambda folder: forge_pickle(folder, b"\x80\x02cos\nsystem\n(S'true'\ntR.")),
        ("malformed", lambda folder: forge_pickle(folder, b"\x80\x04}")),
        (
            "malformed",
            lambda folder: forge(
                folder, {**to_artefact(kv_off_cost_model()), "load_s": float("nan")}
            ),
        ),
        (
            "unsupported_schema",
            lambda folder: forge(folder, {**to_artefact(kv_off_cost_model()), "schema": 2}),
        ),
        (
            "digest_mismatch",
            lambda folder: save(kv_off_cost_model(), folder).write_bytes(b"other"),
        ),
        (
            "missing_file",
            lambda folder: save(kv_off_cost_model(), folder).with_suffix(".json").unlink(),
        ),
        ("missing_file", lambda folder: save(kv_off_cost_model(), folder).unlink()),
        ("unreadable", lambda folder: (folder / f"{STEM}.joblib").mkdir()),
        ("simulated", lambda folder: save(kv_off_cost_model(provenance=SIMULATED), folder)),
    ],
)
def test_a_bad_artefact_is_refused_with_its_kind_and_the_others_load(folder, kind, spoil):
    spoil(folder)
    if (folder / f"{STEM}.joblib").is_dir():
        (folder / f"{STEM}.json").write_text('{"sha256": ""}')
    catalogue = Catalogue.load(folder)
    assert set(catalogue.cost_models) == {
        ("qwen3-8b", "1xh100"),
        ("qwen3-30b-a3b-instruct-2507", "4xb200-tp1-ep4-dp1"),
    }
    (refusal,) = catalogue.refused
    assert (refusal.path, refusal.kind) == (f"{STEM}.joblib", kind)
    assert refusal.reason.startswith("Expected ")
    assert str(folder) not in refusal.reason


def test_simulations_are_admitted_only_on_request(folder):
    save(kv_off_cost_model(provenance=SIMULATED), folder)
    assert len(Catalogue.load(folder).cost_models) == 2
    assert len(Catalogue.load(folder, allow_simulated=True).cost_models) == 3


def test_a_file_that_cannot_be_opened_is_refused_and_the_others_load(folder):
    card = folder / "qwen3-8b__1xh100.json"
    card.unlink()
    card.symlink_to(card.name)
    catalogue = Catalogue.load(folder)
    assert len(catalogue.cost_models) == 1
    assert [refusal.path for refusal in catalogue.refused] == ["qwen3-8b__1xh100.joblib"]


def test_other_files_are_let_be(folder):
    (folder / "fleet.yaml").write_text("pools: []")
    (folder / "notes.json").write_text("{}")
    (folder / ".qwen3-8b__1xl4.joblib.half").write_bytes(b"half")
    assert Catalogue.load(folder).refused == ()


def test_a_folder_that_is_not_there_is_a_refusal(tmp_path):
    catalogue = Catalogue.load(tmp_path / "none")
    assert not catalogue.cost_models
    assert [refusal.kind for refusal in catalogue.refused] == ["missing_folder"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"\xff__1xh100.joblib", r"b'\xff__1xh100.joblib'"),
        (b"a\nb__1xh100.joblib", r"b'a\nb__1xh100.joblib'"),
        (b"x" * 240 + b"__1xh100.json", "x" * 100 + "..."),
    ],
)
def test_a_name_that_cannot_be_written_is_refused_as_its_bytes(folder, name, shown):
    (folder / os.fsdecode(name)).write_bytes(b"odd")
    catalogue = Catalogue.load(folder)
    assert len(catalogue.cost_models) == 2
    (refusal,) = catalogue.refused
    assert (refusal.path, refusal.pair) == (shown, None)
    assert json.dumps([refusal.path, refusal.reason], ensure_ascii=False).encode()


@pytest.mark.parametrize("suffix", [".joblib", ".json"])
def test_a_fifo_is_refused_without_waiting_for_its_writer(folder, suffix):
    (folder / f"qwen3-8b__1xh100{suffix}").unlink()
    os.mkfifo(folder / f"qwen3-8b__1xh100{suffix}")
    catalogue = Catalogue.load(folder)
    assert len(catalogue.cost_models) == 1
    assert [refusal.pair for refusal in catalogue.refused] == [("qwen3-8b", "1xh100")]


def test_an_unknown_pair_is_named_with_what_is_known(folder):
    catalogue = Catalogue.load(folder)
    with pytest.raises(UnknownCostModelError, match="only 1xh100"):
        catalogue.get("qwen3-8b", "1xl4")
    with pytest.raises(UnknownCostModelError, match="none for that LLM"):
        catalogue.get("gpt-9", "1xl4")


def test_columns_are_predicted_in_the_order_asked_for(folder):
    catalogue = Catalogue.load(folder)
    workload = Workload(np.array([100, 16]), np.array([500, 16]))
    decode = ("qwen3-30b-a3b-instruct-2507", "4xb200-tp1-ep4-dp1", 64.0)
    matrix = catalogue.predict(workload, [("qwen3-8b", "1xh100", 8), decode])
    expected = kv_on_cost_model().energy_j([100, 16], [500, 16], 8)
    assert np.array_equal(matrix.energy_j[:, 0], expected)
    assert matrix.outside.tolist() == [[0, 8], [0, 10]]


def test_a_catalogue_travels_to_a_worker_process(folder):
    catalogue = pickle.loads(pickle.dumps(Catalogue.load(folder)))
    assert catalogue.get("qwen3-8b", "1xh100") == kv_on_cost_model()


def test_the_catalogue_cannot_be_changed_through_its_view(folder):
    with pytest.raises(TypeError):
        Catalogue.load(folder).cost_models["a", "b"] = kv_on_cost_model()  # type: ignore[index]
