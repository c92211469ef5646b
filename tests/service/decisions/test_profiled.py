"""What a decision calls extrapolated is what a plan does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.one_request import Prompts
from costmodel.region import ProfiledRegion
from service.calls.fleet.decision_table import profiled_of
from tests.service.decisions.rows import ROWS

TOKENS = st.integers(0, 12).map(float)
POINTS = st.lists(st.tuples(TOKENS, TOKENS, st.sampled_from([1.0, 4.0, 16.0])), min_size=1)
ASKED = st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=20)


@settings(deadline=None)
@given(POINTS, st.booleans(), ASKED, st.sampled_from([1.0, 2.0, 4.0, 16.0, 32.0]))
def test_single_requests_are_inside_where_arrays_are(
    points: list[tuple[float, float, float]],
    known: bool,
    asked: list[tuple[float, float]],
    concurrency: float,
) -> None:
    array = np.array(points)
    if not known:
        array[:, 0] = np.nan
    region = ProfiledRegion(array)
    profiled = profiled_of(region.at(concurrency))
    # Profiled points themselves, and what is beside them.
    for tin, tout in [*asked, *((one[0], one[1]) for one in points)]:
        inside = profiled is not None and profiled.holds(tin, tout)
        assert inside == (region.outside([tin], [tout], concurrency)[0] == 0)


def test_of_several_prompts_each_must_be_inside() -> None:
    corners = [[10.0, 10.0, 1.0], [100.0, 10.0, 1.0], [100.0, 50.0, 1.0], [10.0, 50.0, 1.0]]
    row = replace(ROWS[0], profiled=profiled_of(ProfiledRegion(np.array(corners)).at(1.0)))
    assert not row.extrapolates(Prompts.of(10.0, 50.0, 100.0), 20.0)
    assert row.extrapolates(Prompts.of(9.0, 50.0), 20.0)
    assert row.extrapolates(Prompts.of(101.0, 50.0), 20.0)
    assert row.extrapolates(Prompts.of(50.0), 51.0)
    assert replace(row, profiled=None).extrapolates(Prompts.of(50.0), 20.0)
