"""What a fit learns from: uniform windows, mixed ones where those do not suffice, and why not."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.provenance import GPU
from profiler.errors import UnfittablePairError
from profiler.fit.learning import choose_learning
from profiler.fit.pair_fit import fit_pair
from profiler.observations import joined
from tests.profiler.builders import SERVED, kv_on_trials, log_normal, mixed_trials

BATCHES = (1.0, 4.0, 16.0, 64.0, 128.0)
MIXES = ((60, 400), (300, 180), (1500, 60))


def windows(mixes=MIXES, batches=BATCHES):
    return [
        (*log_normal(*mix, seed=10 * place + number), batch)
        for place, mix in enumerate(mixes)
        for number, batch in enumerate(batches)
    ]


def fitted(trials):
    return fit_pair("made-up", "1xh100", trials, None, None).cost_model


def test_mixes_of_several_lengths_predict_mixes_between_them():
    cost_model = fitted(mixed_trials(windows(), noise=0.02))
    assert cost_model.basis == "kv_on"
    for batch in (1.0, 8.0, 100.0):
        for mean_in, mean_out in ((100, 300), (400, 150), (1000, 90)):
            tin, tout = log_normal(mean_in, mean_out, seed=99)
            truth = mixed_trials([(tin, tout, batch)])
            joules = cost_model.energy_j(tin, tout, batch).mean()
            seconds = cost_model.device_seconds(tin, tout, batch).mean()
            assert joules == pytest.approx(truth.energy_gpu_j[0], rel=0.04)
            assert seconds == pytest.approx(truth.device_seconds[0], rel=0.04)


def test_without_noise_the_mixes_give_back_the_truth():
    cost_model = fitted(mixed_trials(windows()))
    truth = kv_on_trials()
    np.testing.assert_allclose(
        cost_model.energy_j(truth.input_tokens, truth.output_tokens, truth.concurrency),
        truth.energy_gpu_j,
        rtol=1e-3,
    )


def test_mixes_of_equal_lengths_teach_the_same_as_uniform_windows():
    uniform = kv_on_trials()
    equal = mixed_trials(
        [(np.full(5, tin), np.full(5, tout), float(batch)) for tin, tout, batch in SERVED]
    )
    one, other = fitted(uniform), fitted(equal)
    np.testing.assert_allclose(one.energy_coefficients, other.energy_coefficients, rtol=1e-5)
    assert np.array_equal(one.region.points, other.region.points)


def test_a_card_says_how_many_mixed_windows_taught_it():
    cost_model = fitted(mixed_trials(windows(), noise=0.02))
    assert cost_model.mixed_lengths is None
    assert "15 windows" in cost_model.provenance.null_reasons["mixed_lengths"]
    assert any("15 of the 15 windows" in note for note in cost_model.provenance.notes)
    means = sorted((tin.mean(), tout.mean(), batch) for tin, tout, batch in windows())
    np.testing.assert_allclose(sorted(map(tuple, cost_model.region.points)), means)


def test_one_mix_prices_the_answers_token_with_its_share_of_the_prompt():
    trials = mixed_trials(windows(mixes=[(300, 180)]), noise=0.01)
    cost_model = fitted(trials)
    assert cost_model.basis == "kv_on_decode"
    assert any("one mix of lengths" in note for note in cost_model.provenance.notes)
    predicted = cost_model.energy_j(trials.input_tokens, trials.output_tokens, trials.concurrency)
    np.testing.assert_allclose(predicted, trials.energy_gpu_j, rtol=0.1)
    outside = cost_model.region.outside([3000.0], [180.0], 16.0)
    assert outside.tolist() != [0], "another prompt is no longer what was measured"


def test_one_mix_at_two_concurrencies_names_what_is_missing():
    trials = mixed_trials(windows(mixes=[(300, 180)], batches=(1.0, 16.0)))
    with pytest.raises(UnfittablePairError, match="3 distinct concurrencies are needed") as caught:
        fitted(trials)
    assert "prompt" in str(caught.value)


def test_mixed_windows_judge_a_fit_that_uniform_ones_suffice_for():
    trials = joined([kv_on_trials(), mixed_trials(windows())])
    learning, data = choose_learning(trials, GPU)
    assert learning.mixed == 0
    assert len(data) == len(SERVED)
    cost_model = fitted(trials)
    assert cost_model.mixed_lengths is not None
    assert cost_model.mixed_lengths["windows"] == 15


def test_mixed_windows_teach_where_the_uniform_ones_are_of_one_length():
    uniform = kv_on_trials(np.array([(256.0, 128.0, batch) for batch in BATCHES]))
    learning, data = choose_learning(joined([uniform, mixed_trials(windows())]), GPU)
    assert data.basis.name == "kv_on"
    assert learning.mixed == 15
    assert len(data) == 20


def test_mixed_windows_without_their_means_are_left_out_with_the_remedy():
    trials = mixed_trials(windows(), extra={})
    with pytest.raises(UnfittablePairError, match="--save-detailed") as caught:
        fitted(trials)
    assert "15 of mixed lengths without the means" in str(caught.value)


def test_one_mix_is_learnt_from_mean_lengths_alone():
    known = mixed_trials(windows(mixes=[(300, 180)]), noise=0.01)
    unknown = mixed_trials(windows(mixes=[(300, 180)]), noise=0.01, extra={})
    learning, data = choose_learning(unknown, GPU)
    assert (learning.mixed, data.basis.name) == (len(BATCHES), "kv_on_decode")
    one, other = fitted(known), fitted(unknown)
    assert one.energy_coefficients == other.energy_coefficients
    assert other.mixed_lengths is None


def test_an_unknown_mix_never_takes_part_where_known_lengths_suffice():
    unknown = mixed_trials(windows(mixes=[(300, 180)]), extra={})
    cost_model = fitted(joined([kv_on_trials(), unknown]))
    assert cost_model.energy_coefficients == fitted(kv_on_trials()).energy_coefficients
    assert cost_model.mixed_lengths is None


def test_too_few_mixes_say_that_one_would_do():
    mixes = [(60, 400), (300, 180), (1500, 60)]
    with pytest.raises(UnfittablePairError, match="3 concurrencies would do"):
        fitted(mixed_trials(windows(mixes=mixes, batches=(2.0, 48.0))))


def test_nothing_to_learn_from_names_each_reason_with_its_count_and_remedy():
    trials = kv_on_trials()
    joules = trials.energy_gpu_j.copy()
    joules[:5] = 0.0
    warm = np.arange(len(trials)) >= 5
    with pytest.raises(UnfittablePairError) as caught:
        fitted(kv_on_trials(energy_gpu_j=joules, warmup=warm))
    said = str(caught.value)
    assert said.startswith(f"no trial to learn from, of {len(SERVED)}: ")
    assert f"{len(SERVED) - 5} warm-up (" in said
    assert "5 zero joules (the meter saw nothing" in said


def test_too_few_points_say_what_was_left_out_too():
    warm = np.arange(len(SERVED)) >= 4
    with pytest.raises(UnfittablePairError, match=r"needed\. Left out: 23 warm-up"):
        fitted(kv_on_trials(warmup=warm))
