import numpy as np
import pytest

from profiler.checking import check_pairs
from profiler.fit.pair_fit import fit_pair
from profiler.observations import joined
from tests.profiler.builders import kv_off_trials, kv_on_trials

PAIR = ("made-up", "1xh100")


@pytest.fixture(scope="module")
def cost_models():
    return {PAIR: fit_pair(*PAIR, kv_off_trials(), None, None).cost_model}


def test_what_an_artefact_was_fitted_on_exactly_it_predicts_exactly(cost_models):
    (found,), skipped = check_pairs(kv_off_trials(), cost_models)
    assert skipped == []
    assert found.record()["n"] == 16
    assert found.energy.mape < 1e-5
    assert found.runtime.p90_ape < 1e-5
    assert found.energy_coverage == 1.0


def test_joules_a_tenth_higher_are_scored_as_such(cost_models):
    trials = kv_off_trials()
    dearer = kv_off_trials(energy_gpu_j=trials.energy_gpu_j * 1.1)
    (found,), _ = check_pairs(dearer, cost_models)
    for figure in (found.energy.mape, found.energy.wape, found.energy.median_ape):
        np.testing.assert_allclose(figure, 0.1 / 1.1, rtol=1e-4)
    assert found.runtime.mape < 1e-5


def test_warm_ups_and_other_kv_cache_settings_are_not_scored(cost_models):
    warm = kv_off_trials(warmup=np.ones(16, dtype=np.bool_), runtime_s=np.full(16, 99.0))
    (found,), notes = check_pairs(joined([kv_off_trials(), warm, kv_on_trials()]), cost_models)
    assert found.record()["n"] == 16
    assert found.runtime.mape < 1e-5
    assert notes == ["made-up on 1xh100, of 59 trials: 16 warm-up, 27 with the KV cache not off"]


def test_what_cannot_be_held_against_an_artefact_is_counted_by_its_reason(cost_models):
    impossible = kv_off_trials(flags=np.full(16, "impossible_watts"), energy_gpu_j=np.full(16, 1e9))
    wall = kv_off_trials(extra={"energy_scope": np.full(16, "wall")})
    both = kv_off_trials(extra={"energy_scope": np.full(16, "gpu+cpu")})
    unseen = kv_off_trials(energy_gpu_j=np.zeros(16))
    (found,), (notes,) = check_pairs(joined([both, impossible, wall, unseen]), cost_models)
    assert found.record()["n"] == 16
    assert found.energy.mape < 1e-5
    assert "of 64 trials: 32 without joules of gpu, 16 joules that the device cannot" in notes


def test_another_task_is_not_scored():
    chat = kv_off_trials(extra={"task": np.full(16, "chat")})
    exam = kv_off_trials(extra={"task": np.full(16, "exam")})
    cost_models = {PAIR: fit_pair(*PAIR, chat, None, None).cost_model}
    assert check_pairs(chat, cost_models)[0][0].record()["n"] == 16
    assert check_pairs(exam, cost_models)[0] == []


def test_a_pair_without_artefact_is_named(cost_models):
    other = kv_off_trials(llm=np.full(16, "unheard-of"))
    checks, skipped = check_pairs(other, cost_models)
    assert checks == []
    assert skipped == ["unheard-of on 1xh100: no artefact"]


def test_without_an_interval_coverage_is_null():
    few = kv_off_trials().take(np.arange(16) < 8)
    cost_models = {PAIR: fit_pair(*PAIR, few, None, None).cost_model}
    (found,), _ = check_pairs(few, cost_models)
    assert found.record()["energy"]["coverage90"] is None
    assert found.record()["runtime"]["coverage90"] is None
