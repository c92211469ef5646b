"""The memory of calls: what is estimated of one, what its body holds, what the machine has."""

import gc
from pathlib import Path

import pytest

from service.calls.content import AnonymousFile
from service.calls.messages import ARROW, JSON
from service.environment import available_bytes
from service.settings.settings import Settings
from service.workers.memory import CALL_BYTES, HeldBodies, estimated_bytes


def test_bodies_that_nobody_waits_for_leave_room_for_others() -> None:
    held = HeldBodies(100, max_patient=50)
    file = AnonymousFile.create()
    held.add(file, patient=True)
    file.write(b"x" * 40)
    assert (held.fits(10, patient=True), held.fits(11, patient=True)) == (True, False)
    assert (held.fits(60), held.fits(61)) == (True, False)


def test_one_owner_cannot_take_all_bytes_of_asynchronous_plans() -> None:
    held = HeldBodies(200, max_patient=100, max_of_owner=50)
    files = [AnonymousFile.create() for _ in range(2)]
    for file in files:
        held.add(file, patient=True, owner="a")
    files[0].write(b"x" * 40)
    assert (held.fits(10, patient=True, owner="a"), held.fits(11, patient=True, owner="a")) == (
        True,
        False,
    )
    assert (held.fits(60, patient=True, owner="b"), held.fits(61, patient=True, owner="b")) == (
        True,
        False,
    )
    assert held.fits(160)
    # One body alone may be as large as any.
    files[1].close()
    assert held.fits(60, patient=True, owner="a")


def test_bodies_are_held_until_a_worker_has_them_or_nobody_wants_them() -> None:
    held = HeldBodies(100)
    files = [AnonymousFile.create() for _ in range(3)]
    for file in files:
        held.add(file)
        file.write(b"x" * 30)
    assert (held.size, held.fits(10), held.fits(11)) == (90, True, False)
    files[0].close()
    assert held.size == 60
    del file, files
    gc.collect()
    assert held.size == 0


def test_estimates_grow_with_bytes_requests_and_placements() -> None:
    small = estimated_bytes(JSON, 1_000, 100, 8, 10**6)
    assert small == pytest.approx(CALL_BYTES, rel=0.01)
    large = estimated_bytes(JSON, 10**7, 2 * 10**6, 8, 10**6)
    assert large > estimated_bytes(JSON, 10**7, 10**6, 8, 10**6) > small
    assert large > estimated_bytes(JSON, 10**7, 2 * 10**6, 4, 10**6)
    assert large == estimated_bytes(JSON, 10**7, 4 * 10**6, 8, 10**6)
    assert estimated_bytes(ARROW, 8 * 10**6, 0, 8, 10**6) < large


def test_memory_is_that_of_the_machine_or_less() -> None:
    assert 2**27 < available_bytes() < 2**50
    assert Settings(models_dir=Path("unused")).memory_bytes == int(0.75 * available_bytes())
