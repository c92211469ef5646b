"""Files of each schema as they were once written, which every later release must read alike."""

import hashlib
import json
from pathlib import Path

import joblib
import numpy as np
import pytest

from costmodel.artefact import load, save
from costmodel.catalogue import Catalogue
from costmodel.intervals import ConformalInterval
from costmodel.provenance import Provenance
from tests.costmodel.builders import L_SWEEP

GOLDEN = Path(__file__).parent / "golden" / "schema_1"
KV_OFF = GOLDEN / "llama-2-7b-chat__1xa100-sxm4-40gb.joblib"
DECODE = GOLDEN / "qwen3-30b-a3b-instruct-2507__4xb200-tp1-ep4-dp1.joblib"
DIGESTS = {
    KV_OFF: "467bafa893ad3d5220815ebd064bec7b06c5fd0d384a93f6e7f430cbdec69265",
    DECODE: "81103d01184f2abc975a2ca42edb7771a2b17c03f4126a8bfcfe66a6a2db6505",
}


@pytest.mark.parametrize("path", DIGESTS, ids=lambda path: path.stem)
def test_the_golden_files_are_the_ones_once_written(path):
    assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGESTS[path]


def test_schema_1_with_everything_known_still_means_what_it_meant():
    cost_model = load(KV_OFF)
    assert (cost_model.llm, cost_model.device, cost_model.num_gpus, cost_model.basis) == (
        "llama-2-7b-chat",
        "1xa100-sxm4-40gb",
        1,
        "kv_off",
    )
    assert cost_model.energy_coefficients == (12.5, 1.25, 0.03125, 0.0)
    assert cost_model.device_seconds_coefficients == (0.0625, 0.03125, 0.00012207, 0.0)
    assert cost_model.region.points.tolist() == L_SWEEP
    assert cost_model.energy_interval == ConformalInterval(1.5, 16, 0.9)
    assert cost_model.device_seconds_interval == ConformalInterval(1.25, 16, 0.9)
    assert (cost_model.load_s, cost_model.load_energy_j) == (42.297, 2334.0)
    assert (cost_model.idle_watts, cost_model.max_context_tokens) == (57.0, 4096)
    assert cost_model.mixed_lengths is None
    assert cost_model.errors == {"energy": {"mape": 0.036}, "control": {"energy": {"mape": 2.4}}}
    assert cost_model.provenance == Provenance(
        source="wilkins2024",
        kv_cache="off",
        energy_scope="gpu",
        engine="transformers",
        observations=48,
        points=8,
        notes=("Made up for tests.",),
        null_reasons={"date": "the source gives none", "mixed_lengths": "one prompt a trial"},
    )
    # 12.5 + 1.25 * 100 + 0.03125 * (100 * 200 + 4950)
    assert cost_model.energy_j([200], [100], 1.0).tolist() == [917.1875]


def test_schema_1_with_much_unknown_still_means_what_it_meant():
    cost_model = load(DECODE)
    assert (cost_model.num_gpus, cost_model.basis) == (4, "kv_on_decode")
    assert cost_model.energy_coefficients == (0.1, 6.0, 0.25)
    assert np.isnan(cost_model.region.points[:, 0]).all()
    assert cost_model.region.points[:, 1:].tolist() == [[480, 8], [500, 64], [520, 256]]
    unknown = ("energy_interval", "load_s", "load_energy_j", "idle_watts", "max_context_tokens")
    assert [getattr(cost_model, name) for name in unknown] == [None] * 5
    assert cost_model.provenance.task == "lm-arena-chat"
    # 500 * (0.1 + 6 / 64 + 0.25 / 8)
    assert cost_model.energy_j([7], [500], 64.0) == pytest.approx([112.5])


@pytest.mark.parametrize("path", DIGESTS, ids=lambda path: path.stem)
def test_a_golden_cost_model_is_written_today_as_it_was_then(tmp_path, path):
    again = save(load(path), tmp_path)
    assert joblib.load(again) == joblib.load(path)
    then, now = (
        json.loads(file.with_suffix(".json").read_text(encoding="utf-8")) for file in (path, again)
    )
    # Another zlib may compress the same data to other bytes.
    del then["sha256"], now["sha256"]
    assert now == then


def test_a_folder_of_golden_files_is_a_catalogue():
    catalogue = Catalogue.load(GOLDEN)
    assert len(catalogue.cost_models) == len(DIGESTS)
    assert catalogue.refused == ()
