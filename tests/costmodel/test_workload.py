import numpy as np
import pytest

from costmodel.errors import InvalidCostModelError
from costmodel.workload import Workload


def test_a_workload_knows_its_size():
    assert Workload(np.array([0, 5]), np.array([1, 9])).size == 2
    assert len(Workload(np.array([], dtype=int), np.array([], dtype=int))) == 0


def test_a_workload_cannot_be_changed_and_leaves_the_arrays_it_was_given_writable():
    given = np.array([1, 2])
    workload = Workload(given, given)
    with pytest.raises(ValueError, match="read-only"):
        workload.input_tokens[0] = 9
    given[0] = 3
    assert given[0] == 3


@pytest.mark.parametrize(
    ("tin", "tout", "message"),
    [
        ([1, 2], [1], "as many input_tokens as output_tokens"),
        ([-1], [1], "input_tokens of at least 0, got -1 at index 0"),
        ([1, 1], [1, 0], "output_tokens of at least 1, got 0 at index 1"),
        ([1.5], [1], "whole numbers"),
        ([np.nan], [1], "whole numbers"),
        ([True], [1], "whole numbers"),
        ([[1]], [[1]], "one dimension"),
        ([2**63], [1], "below 2"),
    ],
)
def test_a_workload_of_other_than_token_counts_is_refused(tin, tout, message):
    with pytest.raises(InvalidCostModelError, match=message):
        Workload(np.array(tin), np.array(tout))
