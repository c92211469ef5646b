"""Who is let in, and who is told what instead, on a real server."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest

from service.http.access.keys import new_key
from tests.service.answers import check_plain_words
from tests.service.bodies import a100_fleet, rows
from tests.service.http.access.keys import Keys, bearer, get, is_refused
from tests.service.server import Server
from tests.waiting import wait_until

BODY = {"requests": rows(), "fleet": a100_fleet()}
CLOSED = [
    "/placements",
    "/cost-models",
    "/metrics",
    "/plans",
    "/actuals",
    "/openapi.json",
    "/docs",
    "/docs-assets/favicon.png",
    "/nothing",
    "/healthz/",
    "/v1/metrics",
    "/v1/../metrics",
    "//metrics",
]


def unauthenticated(answer: httpx.Response) -> bool:
    challenged = answer.headers.get("www-authenticate", "").startswith("Bearer")
    return challenged and is_refused(answer, 401, "unauthenticated")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/healthz", "/v1/readyz"])
def test_health_needs_no_key(guarded: Server, path: str) -> None:
    assert get(guarded, path).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
def test_all_else_needs_a_key(guarded: Server, path: str) -> None:
    assert unauthenticated(get(guarded, path))


@pytest.mark.parametrize("path", ["/plan", "/predict", "/plan/frontier", "/decision", "/actuals"])
def test_calls_need_a_key(guarded: Server, path: str) -> None:
    assert unauthenticated(guarded.post(path, BODY))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "BeArEr", "Bearer "])
def test_a_key_opens_every_path_whatever_the_case_of_the_scheme(
    guarded: Server, shared_keys: Keys, scheme: str
) -> None:
    headers = {"Authorization": f"{scheme} {shared_keys.texts['any']}"}
    assert guarded.client.get("/placements", headers=headers).status_code == 200
    assert guarded.client.get("/v1/metrics", headers=headers).status_code == 200


def test_a_key_may_come_in_a_header_of_its_own(guarded: Server, shared_keys: Keys) -> None:
    headers = {"X-API-Key": shared_keys.texts["any"]}
    assert guarded.client.get("/placements", headers=headers).status_code == 200
    planned = guarded.client.post("/plan", json=BODY, headers=headers)
    assert planned.status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Basic YTpi",
        b"KEY",
        b"BearerKEY",
        b"Bearer KEY KEY",
        b"Bearer KEY,KEY",
        b"Bearer KEYx",
        b"Bearer jp.any." + 43 * b"A",
        b"Bearer jp.nobody." + 43 * b"A",
        b"Bearer jp..",
        b"Bearer \xff\xfe\xfd",
        "Bearer jp.äny.x".encode(),
        b"Bearer " + 8000 * b"A",
        b"Bearer jp." + 200 * b"a" + b"." + 43 * b"A",
        b"Bearer\tKEY",
    ],
)
@pytest.mark.parametrize("header", [b"authorization", b"x-api-key"])
def test_what_is_no_key_in_force_is_refused(
    guarded: Server, shared_keys: Keys, header: bytes, value: bytes
) -> None:
    given = value.replace(b"KEY", shared_keys.texts["any"].encode())
    if header == b"x-api-key" and given == shared_keys.texts["any"].encode():
        pytest.skip("a good one")
    answer = guarded.client.get("/placements", headers=[(header, given)])
    assert unauthenticated(answer)


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_whatever_is_given_as_a_key_is_refused_in_plain_words(
    guarded: Server, shared_keys: Keys, header: str
) -> None:
    good = shared_keys.texts["any"]
    for key in ("bad", "", "jp.any.x", good[:-1], good + "x", "jp.a b." + 43 * "x", "x" * 500):
        for given in (f"Bearer {key or 'x'}", f"Basic {key}x") if header[0] == "a" else (key,):
            response = guarded.client.get("/placements", headers={header: given})
            assert response.status_code == 401
            check_plain_words(response, (header, given))
            assert "Expected" in response.text or "is not in force" in response.text


def test_every_single_changed_letter_makes_a_key_wrong(guarded: Server, shared_keys: Keys) -> None:
    key = shared_keys.texts["any"]
    for place in range(0, len(key), 7):
        other = key[:place] + ("a" if key[place] != "a" else "b") + key[place + 1 :]
        assert unauthenticated(get(guarded, "/placements", other))


def test_two_keys_are_one_too_many_even_where_both_are_good(
    guarded: Server, shared_keys: Keys
) -> None:
    value = bearer(shared_keys.texts["any"])["Authorization"]
    twice = guarded.client.get(
        "/placements", headers=[("Authorization", value), ("Authorization", value)]
    )
    both = guarded.client.get(
        "/placements", headers={"Authorization": value, "X-API-Key": shared_keys.texts["any"]}
    )
    assert unauthenticated(twice)
    assert unauthenticated(both)


def test_headers_of_a_megabyte_are_cut_off(guarded: Server) -> None:
    with socket.create_connection(("127.0.0.1", guarded.port)) as caller:
        caller.sendall(b"GET /placements HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ")
        try:
            for _ in range(16):
                caller.sendall(b"A" * 65536)
            answer = caller.recv(65536)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert get(guarded, "/healthz").status_code == 200


def test_a_call_without_a_key_is_refused_before_its_body_is_sent(guarded: Server) -> None:
    with socket.create_connection(("127.0.0.1", guarded.port)) as caller:
        caller.sendall(
            b"POST /plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n"
        )
        assert caller.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_an_expired_key_is_refused_with_that_reason(guarded: Server, shared_keys: Keys) -> None:
    key = shared_keys.add("old", expires_at="2020-01-01T00:00:00Z")
    wait_until(lambda: "expired" in get(guarded, "/placements", key).json()["detail"])
    assert unauthenticated(get(guarded, "/placements", key))


def test_the_log_has_the_name_of_the_key_and_never_the_key(
    guarded: Server, shared_keys: Keys
) -> None:
    key = shared_keys.texts["any"]
    guarded.client.get("/placements", headers=bearer(key) | {"X-Request-ID": "named"})
    guarded.client.get("/placements", headers=bearer(key[:-1]) | {"X-Request-ID": "refused"})
    (named,), (refused,) = guarded.logged("named"), guarded.logged("refused")
    assert named["key_name"] == "any"
    assert refused["status"] == 401
    assert "key_name" not in refused
    assert key.rpartition(".")[2][:-1] not in guarded.logs()


def test_the_document_asks_for_a_key(guarded: Server, shared_keys: Keys) -> None:
    document = get(guarded, "/openapi.json", shared_keys.texts["any"]).json()
    assert document["security"] == [{"bearer": []}, {"header": []}]
    assert document["paths"]["/healthz"]["get"]["security"] == []


def test_keys_come_and_go_without_a_restart(guarded: Server, shared_keys: Keys) -> None:
    key = shared_keys.add("later")
    wait_until(lambda: get(guarded, "/placements", key).status_code == 200)
    shared_keys.remove("later")
    wait_until(lambda: unauthenticated(get(guarded, "/placements", key)))
    assert get(guarded, "/placements", shared_keys.texts["any"]).status_code == 200


@pytest.mark.parametrize("text", ["keys: [", "keys: 3", "", "\x00", "keys: [{name: any}]", None])
def test_a_garbled_or_missing_file_leaves_the_keys_of_before_in_force(
    guarded: Server, shared_keys: Keys, text: str | None
) -> None:
    said = guarded.logs().count("Cannot load keys")
    if text is None:
        shared_keys.path.unlink()
    else:
        shared_keys.write(text)
    wait_until(lambda: guarded.logs().count("Cannot load keys") > said)
    assert get(guarded, "/placements", shared_keys.texts["any"]).status_code == 200
    assert unauthenticated(get(guarded, "/placements", new_key("any")))
    shared_keys.add("any")
    fresh = shared_keys.add("after")
    wait_until(lambda: get(guarded, "/placements", fresh).status_code == 200)


def test_a_file_that_others_may_write_is_not_taken_over(guarded: Server, shared_keys: Keys) -> None:
    said = guarded.logs().count("only its owner may write")
    shared_keys.path.chmod(0o666)
    wait_until(lambda: guarded.logs().count("only its owner may write") > said)
    assert get(guarded, "/placements", shared_keys.texts["any"]).status_code == 200
    shared_keys.path.chmod(0o600)


def test_a_call_in_flight_ends_well_when_its_key_is_removed(models_dir: Path, keys: Keys) -> None:
    key = keys.add("short", max_concurrent=1)
    keys.add("any")
    settings = {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_API_KEYS_FILE": str(keys.path),
        "JOULEPLAN_RELOAD_SECONDS": "0.1",
        "JOULEPLAN_BODY_SILENCE_SECONDS": "600",
        "JOULEPLAN_BODY_TIMEOUT_SECONDS": "600",
    }
    content = json.dumps(BODY).encode()
    head = (
        b"POST /plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + key.encode() + b"\r\n"
        b"Content-Length: " + str(len(content)).encode() + b"\r\n\r\n"
    )
    with Server(settings) as own:
        own.wait_until_ready()
        with socket.create_connection(("127.0.0.1", own.port)) as caller:
            caller.sendall(head + content[:10])
            wait_until(lambda: get(own, "/placements", key).status_code == 429)
            keys.remove("short")
            wait_until(lambda: unauthenticated(get(own, "/placements", key)))
            caller.sendall(content[10:])
            assert caller.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert "A request failed." not in own.logs()
