"""Early requests on devices of their own LLM, so that no block of another makes them wait."""

from __future__ import annotations

import numpy as np
import pytest

from planner.schedule.list_scheduling import whole_devices


@pytest.mark.parametrize(
    ("work", "count", "expected"),
    [
        ([1.0, 1.0], 2, [1, 1]),
        ([0.3, 0.3, 7.4], 8, [1, 1, 6]),
        ([5.0, 0.0, 3.0], 8, [5, 0, 3]),
        ([1e-9, 1.0], 5, [1, 4]),
    ],
)
def test_whole_devices_are_shared_out_by_work_and_each_group_has_one(
    work: list[float], count: int, expected: list[int]
) -> None:
    found = whole_devices(np.array(work), count)
    assert found is not None
    assert [len(devices) for devices in found] == expected
    assert np.concatenate(found).tolist() == list(range(count))


@pytest.mark.parametrize(("work", "count"), [([1.0, 0.0], 4), ([1.0, 1.0, 1.0], 2)])
def test_nothing_is_kept_apart_for_one_group_or_on_too_few_devices(
    work: list[float], count: int
) -> None:
    assert whole_devices(np.array(work), count) is None
