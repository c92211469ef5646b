import numpy as np

from profiler.fit.throughput_drops import throughput_drops


def drops(batches, tokens_per_s):
    count = len(batches)
    return throughput_drops(
        np.array(batches, dtype=float), np.ones(count), 1.0 / np.array(tokens_per_s, dtype=float)
    )


def test_a_throughput_that_grows_has_no_step():
    assert drops([8, 16, 32], [100, 180, 300]) == []


def test_a_loss_of_more_than_three_per_cent_is_a_step_whatever_the_order():
    (found,) = drops([32, 8, 16], [150, 100, 200])
    assert (found["from_concurrency"], found["to_concurrency"]) == (16.0, 32.0)
    np.testing.assert_allclose(found["drop_ratio"], 0.25)


def test_a_loss_within_three_per_cent_is_none():
    assert drops([8, 16], [100, 97.5]) == []


def test_two_trials_of_one_batch_size_are_no_step():
    assert drops([250, 256], [100, 90]) == []
