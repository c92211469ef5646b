import numpy as np

from costmodel.provenance import GPU, GPU_AND_CPU
from profiler.fit.selection import choose_trials, follows_restart, scoped_energy_j
from tests.profiler.builders import kv_off_trials


def marked(column, place, value):
    values = getattr(kv_off_trials(), column).astype(object)
    values[place] = value
    return kv_off_trials(**{column: values.astype(getattr(kv_off_trials(), column).dtype)})


def test_steady_trials_are_all_kept():
    chosen, left_out = choose_trials(kv_off_trials(noise=0.02), GPU)
    assert chosen.all()
    assert left_out == {}


def test_warm_ups_are_left_out():
    chosen, left_out = choose_trials(marked("warmup", 3, True), GPU)
    assert not chosen[3]
    assert left_out == {"warm-up": 1}


def test_a_trial_slower_than_a_longer_answer_followed_a_restart():
    trials = marked("runtime_s", 0, 50.0)
    assert follows_restart(trials).tolist() == [True] + [False] * 15
    assert choose_trials(trials, GPU)[1] == {"after an unmarked restart": 1}


def test_another_prompt_proves_no_restart():
    points = np.array([(8, 64, 1.0), (2048, 8, 1.0)])
    assert not follows_restart(kv_off_trials(points, runtime_s=np.array([1.0, 9.0]))).any()


def test_trials_that_compiled_kernels_are_left_out():
    flags = np.array(["early_stop;mps_shape_compile_in_single_trial"] + [""] * 15)
    chosen, left_out = choose_trials(kv_off_trials(flags=flags), GPU)
    assert chosen.tolist() == [False] + [True] * 15
    assert left_out == {"compiled kernels while timed": 1}


def test_flags_that_were_measured_to_do_no_harm_are_kept():
    flags = np.array(["exceeds_model_context", "retok_gt_limit", "early_stop"] + [""] * 13)
    assert choose_trials(kv_off_trials(flags=flags), GPU)[0].all()


def test_joules_that_the_counter_did_not_see_are_left_out():
    assert choose_trials(marked("energy_gpu_j", 5, 0.0), GPU)[1] == {"zero joules": 1}


def test_processor_joules_count_only_in_their_scope():
    trials = kv_off_trials(energy_cpu_j=np.full(16, 5.0))
    np.testing.assert_allclose(scoped_energy_j(trials, GPU), trials.energy_gpu_j)
    np.testing.assert_allclose(scoped_energy_j(trials, GPU_AND_CPU), trials.energy_gpu_j + 5.0)
    assert not choose_trials(kv_off_trials(), GPU_AND_CPU)[0].any()
