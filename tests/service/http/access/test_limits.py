"""Rates by a clock of the test's own, places in flight, and both on a real server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.access.keys import ApiKey, KeyStore, digest_of, new_key
from service.http.access.limits import KeyLimits, TokenBucket
from service.problems import ProblemError
from tests.service.bodies import endless
from tests.service.http.access.keys import Keys, bearer, get
from tests.service.scraped_metrics import samples, value
from tests.service.server import Server
from tests.waiting import wait_until


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def headers_of(key: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {key}".encode())]


def row(key: str, **limits: float) -> ApiKey:
    return ApiKey("a", digest_of(key.encode()), **limits)  # type: ignore[arg-type]


def test_a_burst_then_exactly_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(10.0, 5, clock)
    assert [bucket.take() == 0.0 for _ in range(6)] == [True] * 5 + [False]
    let_in = 0
    for tick in range(1, 1001):
        clock.now = tick / 100
        let_in += bucket.take() == 0.0
    assert let_in == 100


def test_the_wait_that_is_reported_is_enough_and_no_longer_than_needed() -> None:
    clock = Clock()
    bucket = TokenBucket(0.25, 1, clock)
    bucket.take()
    clock.now = 1.0
    wait = bucket.take()
    assert wait == pytest.approx(3.0)
    clock.now += wait * 0.999
    assert bucket.take() > 0.0
    clock.now = 1.0 + wait
    assert bucket.take() == 0.0


@given(
    rate=st.floats(0.01, 1e4),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 10), max_size=200),
)
def test_no_pattern_of_calls_gets_more_than_burst_and_rate(
    rate: float, burst: int, gaps: list[float]
) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    let_in = 0
    for gap in gaps:
        clock.now += gap
        let_in += bucket.take() == 0.0
        assert let_in <= burst + rate * clock.now + 1e-6 * (1 + let_in)


def test_a_place_in_flight_is_free_again_after_its_call_only() -> None:
    limits = KeyLimits(max_concurrent=2)
    assert [limits.enter() == 0.0 for _ in range(3)] == [True, True, False]
    limits.leave()
    assert limits.enter() == 0.0
    assert limits.enter() > 0.0


def test_a_call_refused_for_want_of_a_place_costs_no_token() -> None:
    limits = KeyLimits(TokenBucket(1.0, 2, Clock()), max_concurrent=1)
    assert limits.enter() == 0.0
    for _ in range(5):
        assert limits.enter() > 0.0
    limits.leave()
    assert limits.enter() == 0.0


def test_reading_the_file_again_gives_no_tokens_away() -> None:
    clock, key = Clock(), new_key("a")
    limits = {"requests_per_second": 1.0, "burst": 2}
    keys = KeyStore([row(key, **limits)], clock)
    keys.admit(headers_of(key))
    keys.admit(headers_of(key))
    for _ in range(3):
        keys.replace([row(key, **limits)])
        with pytest.raises(ProblemError) as refused:
            keys.admit(headers_of(key))
        assert refused.value.problem.retry_after_s == 1
    clock.now = 1.0
    keys.admit(headers_of(key))


def test_calls_in_flight_count_on_under_new_limits() -> None:
    key = new_key("a")
    keys = KeyStore([row(key)])
    first, second = keys.admit(headers_of(key)), keys.admit(headers_of(key))
    keys.replace([row(key, max_concurrent=2)])
    with pytest.raises(ProblemError):
        keys.admit(headers_of(key))
    first.limits.leave()
    keys.admit(headers_of(key)).limits.leave()
    second.limits.leave()
    assert keys.admit(headers_of(key)).limits.calls == 1


def test_a_key_ends_at_the_second_it_expires() -> None:
    calendar, key = Clock(), new_key("a")
    keys = KeyStore([row(key, expires_at=100.0)], calendar=calendar)
    calendar.now = 99.999
    keys.admit(headers_of(key))
    calendar.now = 100.0
    with pytest.raises(ProblemError) as refused:
        keys.admit(headers_of(key))
    assert refused.value.problem.slug == "unauthenticated"


def unadmitted(server: Server, keys: Keys) -> dict[str, float]:
    """Return the calls that were refused for their keys' sake, by refusal."""
    found = samples(get(server, "/metrics", keys.texts["any"]).text)
    name = "unadmitted_calls_total"
    return {slug: value(found, name, status=slug) for slug in ("rate-limited", "unauthenticated")}


def in_force(server: Server, keys: Keys, name: str, **limits: float) -> str:
    """Add a key with limits, by way of one that says when the file was read."""
    key = keys.add(name, **limits)
    sign = keys.add(f"{name}-sign")
    wait_until(lambda: get(server, "/placements", sign).status_code == 200)
    return key


def test_a_spent_rate_is_429_with_the_seconds_to_wait_and_harms_no_other_key(
    guarded: Server, shared_keys: Keys
) -> None:
    key = in_force(guarded, shared_keys, "slow", requests_per_second=0.001, burst=3)
    before = unadmitted(guarded, shared_keys)
    answers = [get(guarded, "/placements", key) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].json()["type"] == "urn:jouleplan:problem:rate-limited"
    assert 900 < int(answers[-1].headers["retry-after"]) <= 1000
    assert get(guarded, "/placements", shared_keys.texts["any"]).status_code == 200
    assert get(guarded, "/healthz", key).status_code == 200
    assert get(guarded, "/placements", "wrong").status_code == 401
    after = unadmitted(guarded, shared_keys)
    assert after["rate-limited"] - before["rate-limited"] == 2
    assert after["unauthenticated"] - before["unauthenticated"] == 1


def free(server: Server, key: str) -> Callable[[], bool]:
    return lambda: get(server, "/placements", key).status_code == 200


def test_a_stream_holds_its_place_until_its_caller_leaves(
    guarded: Server, shared_keys: Keys
) -> None:
    other = shared_keys.texts["any"]
    key = in_force(guarded, shared_keys, "one", max_concurrent=1, owner="any")
    started = guarded.client.post(
        "/plan", json=endless(), headers=bearer(other) | {"Prefer": "respond-async"}
    )
    assert started.status_code == 202, started.text
    place = started.headers["location"]
    with httpx.Client(base_url=guarded.url, timeout=60) as listener:
        with listener.stream("GET", f"{place}/events", headers=bearer(key)) as stream:
            events = stream.iter_raw()
            assert next(events)
            assert get(guarded, "/placements", key).status_code == 429
            assert next(events)
            assert get(guarded, "/placements", key).status_code == 429
        wait_until(free(guarded, key))
    assert guarded.client.delete(place, headers=bearer(other)).status_code == 200
    guarded.client.delete(place, headers=bearer(other))


def test_places_come_back_however_a_call_ends(guarded: Server, shared_keys: Keys) -> None:
    key = in_force(guarded, shared_keys, "two", max_concurrent=1)
    endings = [
        b"GET /nothing HTTP/1.1\r\nHost: [::1]\r\n%s\r\n",
        b"DELETE /metrics HTTP/1.1\r\nHost: [::1]\r\n%s\r\n",
        b"POST /plan HTTP/1.1\r\nHost: [::1]\r\nContent-Type: a/b\r\nContent-Length: 9\r\n%s\r\n",
        b"POST /plan HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 900\r\n%s\r\n{",
        b"POST /decision HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 900\r\n%s\r\n{",
        b"POST /decision HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n%s\r\nzz\r\n",
    ]
    for ending in endings:
        with socket.create_connection(("127.0.0.1", guarded.port)) as caller:
            caller.sendall(ending % f"X-API-Key: {key}\r\n".encode())
            caller.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                caller.recv(65536)
        wait_until(free(guarded, key))


def test_many_at_once_never_exceed_the_places(guarded: Server, shared_keys: Keys) -> None:
    key = in_force(guarded, shared_keys, "three", max_concurrent=3)
    head = (
        f"POST /decision HTTP/1.1\r\nHost: [::1]\r\nX-API-Key: {key}\r\nContent-Length: 9\r\n\r\n{{"
    )
    callers = [socket.create_connection(("127.0.0.1", guarded.port)) for _ in range(12)]
    for caller in callers:
        caller.sendall(head.encode())
    answers = []
    for caller in callers:
        caller.settimeout(60)
        answers.append(caller.recv(65536)[9:12])
        caller.close()
    assert sorted(answers) == [b"408"] * 3 + [b"429"] * 9
    wait_until(free(guarded, key))
