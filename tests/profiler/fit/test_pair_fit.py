import numpy as np
import pytest

from costmodel.artefact import load, save, to_artefact
from profiler.errors import UnfittablePairError
from profiler.fit.loads import LoadFigures
from profiler.fit.pair_fit import fit_pair
from profiler.observations import joined
from tests.profiler.builders import (
    GRID,
    KV_OFF_JOULES,
    KV_ON_SECONDS,
    SERVED,
    kv_off_trials,
    kv_on_trials,
)

LOAD = LoadFigures(load_s=40.0, load_energy_j=2000.0, idle_watts=50.0, repeats=2)


def fitted(trials, load=None, date=None):
    return fit_pair("made-up", "1xh100", trials, load, date).cost_model


def test_a_fit_saves_and_loads(tmp_path):
    cost_model = fitted(kv_off_trials(noise=0.03), LOAD, "2025-06-01")
    assert to_artefact(load(save(cost_model, tmp_path))) == to_artefact(cost_model)


def test_the_same_trials_give_the_same_bytes(tmp_path):
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path = save(fitted(kv_off_trials(noise=0.03)), tmp_path / name)
        written.append((path.read_bytes(), path.with_suffix(".json").read_bytes()))
    assert written[0] == written[1]


def test_the_true_coefficients_come_back():
    cost_model = fitted(kv_off_trials())
    np.testing.assert_allclose(cost_model.energy_coefficients, KV_OFF_JOULES, rtol=1e-4)


def test_joules_and_device_seconds_are_per_request_and_latency_is_not():
    cost_model = fitted(kv_on_trials())
    assert cost_model.basis == "kv_on"
    np.testing.assert_allclose(cost_model.device_seconds_coefficients, KV_ON_SECONDS, rtol=1e-3)
    served = kv_on_trials()
    for batch in (1, 8, 64):
        rows = served.take(served.concurrency == batch)
        point = rows.input_tokens, rows.output_tokens, float(batch)
        np.testing.assert_allclose(cost_model.energy_j(*point), rows.energy_gpu_j, rtol=1e-3)
        latency = cost_model.device_seconds(*point) * batch
        np.testing.assert_allclose(latency, rows.runtime_s, rtol=1e-3)


def test_the_profiled_region_is_the_trials_that_were_learnt_from():
    warm = np.zeros(16, dtype=np.bool_)
    warm[-1] = True
    cost_model = fitted(kv_off_trials(warmup=warm))
    assert cost_model.region.points.tolist() == GRID[:-1].tolist()
    assert cost_model.provenance.points == cost_model.provenance.observations == 15


def test_what_was_not_measured_is_null_with_a_reason():
    cost_model = fitted(kv_on_trials(input_tokens=np.full(len(SERVED), np.nan)))
    assert (cost_model.load_s, cost_model.load_energy_j, cost_model.idle_watts) == (None,) * 3
    assert cost_model.energy_interval is None
    assert cost_model.mixed_lengths is None
    assert not cost_model.region.input_known
    reasons = cost_model.provenance.null_reasons
    assert {"load_s", "idle_watts", "energy_interval", "mixed_lengths", "input_tokens"} <= set(
        reasons
    )


def test_what_was_measured_has_no_reason_to_be_null():
    reasons = fitted(kv_off_trials(), LOAD).provenance.null_reasons
    assert not {"load_s", "idle_watts", "energy_interval", "input_tokens"} & set(reasons)


def test_loads_and_their_power_are_on_the_card():
    cost_model = fitted(kv_off_trials(), LOAD)
    assert (cost_model.load_s, cost_model.load_energy_j) == (40.0, 2000.0)
    assert cost_model.idle_watts == 50.0
    assert any("upper estimate" in note for note in cost_model.provenance.notes)


def test_facts_come_from_further_columns():
    facts = {"engine": "vllm 0.11", "task": "chat", "hardware": "H100 SXM", "driver": "575.1"}
    extra = {name: np.full(16, text) for name, text in facts.items()}
    extra["started_at"] = np.full(16, "2025-10-03T09:00:00Z")
    provenance = fitted(kv_off_trials(extra=extra)).provenance
    assert {name: getattr(provenance, name) for name in facts} == facts
    assert provenance.date == "2025-10-03"


@pytest.mark.parametrize(("device", "scope"), [("1xh100", "gpu"), ("m1-max", "gpu+cpu")])
def test_an_apple_chip_is_metered_with_its_processor(device, scope):
    trials = kv_off_trials(device=np.full(16, device), energy_cpu_j=np.full(16, 1.0))
    cost_model = fit_pair("made-up", device, trials, None, None).cost_model
    assert cost_model.provenance.energy_scope == scope


def test_the_date_may_be_given():
    assert fitted(kv_off_trials(), date="2025-11").provenance.date == "2025-11"


def test_simulated_trials_stay_simulated():
    assert fitted(kv_off_trials(source=np.full(16, "simulated"))).provenance.simulated


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        (kv_off_trials(GRID[:3]), "3 distinct grid points, 4 needed"),
        (joined([kv_off_trials(GRID[:1])] * 20), "1 distinct grid point, 4 needed"),
        (joined([kv_off_trials(), kv_on_trials()]), "kv_cache off and on"),
        (kv_off_trials(source=np.array(["a"] * 8 + ["b"] * 8)), "source a and b"),
        (kv_off_trials(extra={"task": np.array(["a"] * 8 + ["b"] * 8)}), "task a and b"),
        (kv_off_trials(warmup=np.ones(16, dtype=np.bool_)), "no trial to learn from"),
        (kv_off_trials(input_tokens=np.full(16, np.nan)), "must be recorded"),
        (kv_off_trials(concurrency=np.full(16, 4.0)), "only concurrency 1"),
    ],
    ids=["few", "repeats", "kv_cache", "source", "task", "warm-ups", "inputs", "concurrency"],
)
def test_a_pair_that_cannot_be_fitted_says_why(trials, reason):
    with pytest.raises(UnfittablePairError, match=reason):
        fitted(trials)
