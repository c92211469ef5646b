"""The grid and its anchors."""

from __future__ import annotations

import pytest

from profiler.campaign.points import Axes, Point, anchors, levels
from profiler.errors import UnusableInputError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1..8", (1, 2, 4, 8)),
        ("8..8", (8,)),
        ("32..100", (32, 64, 100)),
        ("32..70", (32, 70)),
        ("5,1,5", (1, 5)),
    ],
)
def test_levels_double_from_the_least_to_the_largest(text: str, found: tuple[int, ...]) -> None:
    assert levels(text, "--x") == found


@pytest.mark.parametrize("text", ["", "0..8", "8..4", "a", "1,,2", "-1..4", "1..9999999999"])
def test_levels_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UnusableInputError, match="--x"):
        levels(text, "--x")


def test_the_grid_keeps_to_the_servers_context() -> None:
    axes = Axes((16, 512), (16, 512), (1,))
    assert axes.points(600) == [Point(16, 16, 1), Point(16, 512, 1), Point(512, 16, 1)]
    assert len(axes.points(None)) == 4
    with pytest.raises(UnusableInputError, match="32 at least"):
        axes.points(31)


def test_anchors_are_points_of_the_grid_at_the_ends_of_each_axis() -> None:
    grid = Axes(levels("8..2048", ""), levels("8..2048", ""), (1,)).points(None)
    assert set(anchors(grid)) == {Point(2048, 256, 1), Point(8, 1024, 1), Point(2048, 8, 1)}
    wide = Axes(levels("32..512", ""), levels("16..256", ""), levels("1..16", "")).points(None)
    assert {point.concurrency for point in anchors(wide)} == {1, 4, 16}
    assert set(anchors(wide)) <= set(wide)


def test_a_grid_of_one_point_has_one_anchor() -> None:
    assert anchors([Point(64, 64, 4)]) == [Point(64, 64, 4)]
