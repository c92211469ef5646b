"""The artefacts in models/: that they reach their figures, and that the data still give them."""

import json

import numpy as np
import pytest

from costmodel.artefact import to_artefact
from costmodel.catalogue import Catalogue
from profiler.fit.loads import load_figures, read_loads
from profiler.fit.pair_fit import fit_pair
from profiler.importers.mlenergy_v3 import import_mlenergy_v3
from profiler.importers.wilkins2024 import import_wilkins2024
from tests.profiler.builders import MODELS, ROOT, profiler

GRIDS = [
    ("falcon-40b", "3xa100-sxm4-40gb"),
    ("falcon-7b", "1xa100-sxm4-40gb"),
    ("llama-2-13b-chat", "1xa100-sxm4-40gb"),
    ("llama-2-70b-chat", "4xa100-sxm4-40gb"),
    ("llama-2-7b-chat", "1xa100-sxm4-40gb"),
    ("mistral-7b-v0.1", "1xa100-sxm4-40gb"),
    ("mixtral-8x7b-v0.1", "3xa100-sxm4-40gb"),
]
SWEEPS = [
    (llm, device)
    for llm in ("falcon-7b", "llama-2-7b-chat", "mistral-7b-v0.1")
    for device in ("1xa100-pcie-40gb", "1xv100-16gb")
] + [("llama-2-7b-chat", "m1-pro"), ("mistral-7b-v0.1", "m1-pro")]
CAMPAIGNS = {"wilkins2024", "mlenergy_v3"}


@pytest.fixture(scope="module")
def shipped():
    catalogue = Catalogue.load(MODELS)
    assert catalogue.refused == ()
    models = catalogue.cost_models
    return {pair: one for pair, one in models.items() if one.provenance.source in CAMPAIGNS}


def test_every_pair_with_enough_trials_is_shipped(shipped):
    single = [pair for pair, one in shipped.items() if one.provenance.source == "wilkins2024"]
    assert sorted(single) == sorted(GRIDS + SWEEPS)
    assert len(shipped) - len(single) == 47


@pytest.mark.parametrize("pair", GRIDS, ids=lambda pair: pair[0])
def test_grids_reach_their_figures(shipped, pair):
    errors = shipped[pair].errors
    for quantity in ("energy", "runtime"):
        found = errors[quantity]
        assert found["mape"] <= 0.07
        assert found["wape"] <= 0.05
        assert found["negative_predictions"] == 0
        assert found["held_out"]["input_tokens"]["mape"] <= 0.10
        assert found["held_out"]["output_tokens"]["mape"] <= 0.08
    assert errors["control"]["energy"]["mape"] > 1.0
    assert errors["method"] == "5-fold by grid point, means of 10 seeded splits"


@pytest.mark.parametrize("quantity", ["energy", "runtime"])
def test_intervals_cover_what_they_promise_out_of_fold(shipped, quantity):
    found = [shipped[pair].errors[quantity] for pair in GRIDS]
    trials = [one["coverage_trials"] for one in found]
    assert 0.85 <= np.average([one["coverage90"] for one in found], weights=trials) <= 0.95


def test_only_measured_loads_are_on_a_card(shipped):
    for pair, one in shipped.items():
        assert (one.load_s is not None) == (pair in GRIDS)
        assert (one.idle_watts is not None) == (pair in GRIDS)
        assert one.mixed_lengths is None


def test_curves_say_that_inputs_were_never_recorded(shipped):
    curves = [one for one in shipped.values() if one.provenance.source == "mlenergy_v3"]
    for one in curves:
        assert one.basis == "kv_on_decode"
        assert not one.region.input_known
        assert one.provenance.task in ("lm-arena-chat", "gpqa")
        assert (one.provenance.engine, one.provenance.kv_cache) == ("vllm", "on")
        assert one.max_context_tokens is None


def test_steps_of_a_curve_are_on_its_card(shipped):
    (step,) = shipped["llama-3.1-8b-instruct", "1xb200"].errors["throughput_drops"]
    assert (round(step["from_concurrency"]), round(step["to_concurrency"])) == (64, 128)
    assert step["drop_ratio"] > 0.15


@pytest.mark.parametrize("pair", [GRIDS[3], ("llama-3.1-8b-instruct", "1xh100")], ids=str)
def test_the_data_give_the_shipped_card_again(shared_data, pair):
    """Fit anew and compare with the committed card, all but the digest of its compressed bytes."""
    wilkins = shared_data / "wilkins2024"
    trials = (
        import_wilkins2024(wilkins)
        if pair in GRIDS
        else import_mlenergy_v3(shared_data / "mlenergy_v3")[0]
    )
    of_pair = trials.take((trials.llm == pair[0]) & (trials.device == pair[1]))
    loads = load_figures(read_loads([wilkins / "loads.csv"]))
    again = fit_pair(pair[0], pair[1], of_pair, loads.get(pair), None)
    card = json.loads((MODELS / f"{pair[0]}__{pair[1]}.json").read_text(encoding="utf-8"))
    artefact = to_artefact(again.cost_model)
    assert artefact == {name: card[name] for name in artefact}


def test_check_scores_the_shipped_artefacts(shared_data):
    observations = shared_data / "wilkins2024" / "observations.csv"
    done = profiler("check", observations, "--models-dir", MODELS, "--json")
    assert done.returncode == 0
    found = {(one["llm"], one["device"]): one for one in json.loads(done.stdout)}
    assert set(found) == set(GRIDS + SWEEPS)
    for pair in GRIDS:
        assert found[pair]["energy"]["mape"] < 0.07
        assert found[pair]["runtime"]["mape"] < 0.07
    assert "falcon-7b on m1-pro: no artefact" in done.stderr


def test_the_page_of_errors_is_what_the_command_prints():
    page = ROOT / "docs" / "studies" / "cost-model-errors.md"
    assert profiler("errors", "--models-dir", MODELS).stdout == page.read_text(encoding="utf-8")
