import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import InvalidCostModelError
from costmodel.region import Outside, ProfiledRegion
from tests.costmodel.builders import L_SWEEP

BOTH = Outside.INPUT_TOKENS | Outside.OUTPUT_TOKENS

axis = st.integers(0, 40)
level = st.sampled_from([1.0, 2.0, 8.0, 64.0])
point = st.tuples(axis, axis, level)
clouds = st.lists(point, min_size=1, max_size=40)
# Not finer than rounding, up to which measured means are compared.
queries = st.lists(
    st.tuples(
        st.integers(0, 45), st.integers(0, 45), st.floats(1, 80).map(lambda one: round(one, 6))
    ),
    min_size=1,
)


def region_of(points):
    return ProfiledRegion(np.array(points, dtype=float))


def one(region, tin, tout, batch):
    return Outside(int(region.outside([tin], [tout], batch)[0]))


def by_definition(points, query):
    above = any(all(p >= q for p, q in zip(point, query, strict=True)) for point in points)
    below = any(all(p <= q for p, q in zip(point, query, strict=True)) for point in points)
    return above and below


def test_two_sweeps_are_an_l_and_not_its_box():
    region = region_of(L_SWEEP)
    assert not one(region, 2048, 32, 1)
    assert not one(region, 32, 2048, 1)
    assert not one(region, 20, 20, 1) & Outside.CONCURRENCY
    assert one(region, 2048, 2048, 1) == BOTH
    assert one(region, 512, 512, 1) == BOTH
    assert one(region, 33, 33, 1) == BOTH


def test_a_full_grid_is_its_box():
    region = region_of([[a, b, 1] for a in (8, 64, 512) for b in (8, 64, 512)])
    assert not region.outside([8, 512, 100, 8], [8, 512, 300, 512], 1.0).any()


def test_each_axis_out_of_range_is_named():
    region = region_of([[a, b, c] for a in (8, 512) for b in (16, 256) for c in (2, 32)])
    assert one(region, 7, 100, 8) == Outside.INPUT_TOKENS
    assert one(region, 513, 100, 8) == Outside.INPUT_TOKENS
    assert one(region, 100, 15, 8) == Outside.OUTPUT_TOKENS
    assert one(region, 100, 257, 8) == Outside.OUTPUT_TOKENS
    assert one(region, 100, 100, 1) == Outside.CONCURRENCY
    assert one(region, 100, 100, 33) == Outside.CONCURRENCY
    assert one(region, 9999, 1, 64) == BOTH | Outside.CONCURRENCY
    assert one(region, 100, 100, 31.7) == Outside(0)


def test_long_requests_at_a_concurrency_profiled_only_with_short_ones_are_outside():
    points = [[a, b, 1] for a in (8, 4096) for b in (8, 4096)]
    region = region_of([*points, [8, 8, 32], [64, 64, 32]])
    assert one(region, 4096, 4096, 1) == Outside(0)
    assert one(region, 64, 64, 32) == Outside(0)
    assert one(region, 4096, 4096, 32) == BOTH
    assert one(region, 65, 64, 16) == BOTH


def test_unrecorded_input_is_always_flagged_and_the_rest_is_judged_without_it():
    region = region_of([[np.nan, 100, 8], [np.nan, 200, 64]])
    assert not region.input_known
    assert one(region, 5, 150, 16) == Outside.INPUT_UNKNOWN
    assert one(region, np.nan, 150, 16) == Outside.INPUT_UNKNOWN
    assert one(region, 5, 99, 16) == Outside.INPUT_UNKNOWN | Outside.OUTPUT_TOKENS
    assert one(region, 5, 101, 64) == Outside.INPUT_UNKNOWN
    assert one(region, 5, 150, 4) == Outside.INPUT_UNKNOWN | Outside.CONCURRENCY
    assert region.ranges() == {
        "input_tokens": None,
        "output_tokens": (100.0, 200.0),
        "concurrency": (8.0, 64.0),
    }


def test_unrecorded_input_still_needs_an_interval_at_that_concurrency():
    region = region_of([[np.nan, 200, 8], [np.nan, 100, 64]])
    assert one(region, 5, 200, 8) == Outside.INPUT_UNKNOWN
    assert one(region, 5, 150, 64) == Outside.INPUT_UNKNOWN | Outside.OUTPUT_TOKENS


def test_a_query_of_unknown_input_is_outside_where_inputs_were_profiled():
    assert one(region_of(L_SWEEP), np.nan, 32, 1) == Outside.INPUT_TOKENS


def test_measured_means_are_compared_up_to_rounding():
    region = region_of([[10, 0.1 + 0.2, 7.3], [20, 1, 7.3]])
    assert one(region, 10, 0.3, 7.3) == Outside(0)
    assert one(region, 10, 0.3, 7.3 * (1 + 1e-12)) == Outside(0)


@given(clouds)
def test_a_region_contains_its_own_points(points):
    columns = np.array(points, dtype=float).T
    assert not region_of(points).outside(*columns).any()


@given(clouds, queries)
def test_inside_is_what_the_definition_says(points, asked):
    region = region_of(points)
    together = region.outside(*np.array(asked, dtype=float).T)
    for query, flags in zip(asked, together, strict=True):
        assert (flags == 0) == by_definition(points, query)
        assert region.outside([query[0]], [query[1]], query[2])[0] == flags


def test_many_steps_are_judged_like_few():
    rng = np.random.default_rng(7)
    stairs = [[step, 60 - step, 1] for step in range(60)] + [[0, 0, 1]]
    asked = rng.integers(0, 70, size=(300, 2))
    flags = region_of(stairs).outside(asked[:, 0], asked[:, 1], 1.0)
    assert [flag == 0 for flag in flags] == [by_definition(stairs, (*q, 1)) for q in asked]


def test_reasons_are_the_words_of_the_answers():
    names = ("input_tokens", "output_tokens", "concurrency", "input_unknown")
    assert Outside(15).reasons() == names
    assert Outside(0).reasons() == ()


def test_a_region_survives_pickling_and_equals_its_copy():
    region = region_of([[np.nan, 100, 8], [np.nan, 200, 64]])
    region.outside([1], [150], 8.0)
    copy = pickle.loads(pickle.dumps(region))
    assert copy == region
    assert hash(copy) == hash(region)
    assert copy != region_of(L_SWEEP)
    assert copy.max_concurrency == 64


@pytest.mark.parametrize(
    "points",
    [
        [],
        [[1, 2]],
        [[1, 2, 0.5]],
        [[-1, 2, 1]],
        [[1, np.nan, 1]],
        [[1, 2, np.inf]],
        [[np.nan, 2, 1], [1, 2, 1]],
    ],
)
def test_points_that_were_never_measured_are_refused(points):
    with pytest.raises(InvalidCostModelError, match=r"^Expected"):
        region_of(points)
