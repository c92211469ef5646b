"""Tests run once more, and only then, where a gateway's interpreter crashed under them."""

from __future__ import annotations

import pytest


class Crashing:
    """Stands for a gateway."""

    def __init__(self) -> None:
        self.crashed = False
        self.begun = 1

    def begin_anew(self) -> None:
        self.crashed = False
        self.begun += 1


@pytest.fixture
def gateway() -> Crashing:
    return Crashing()


def test_a_crash_is_followed_by_another_try(gateway: Crashing) -> None:
    gateway.crashed = gateway.begun == 1
    assert not gateway.crashed
    assert gateway.begun == 2


@pytest.mark.xfail(strict=True)
def test_what_crashes_again_fails(gateway: Crashing) -> None:
    gateway.crashed = True
    assert not gateway.crashed


@pytest.mark.xfail(strict=True)
def test_what_fails_without_a_crash_is_not_tried_again(gateway: Crashing) -> None:
    gateway.begun += 1
    assert gateway.begun > 2
