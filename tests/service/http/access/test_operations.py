"""The operations port beside the main one, on real servers."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from service.settings.settings import Settings
from tests.service.http.access.keys import Keys, bearer
from tests.service.server import Server, free_port, run_service
from tests.waiting import PATIENCE_S, wait_until

PLACE = re.compile(r"Operations are served on (http://[^ ]+?)\.\"")


def with_operations(models_dir: Path, **more: str) -> dict[str, str]:
    return {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_WORKERS": "1",
        "JOULEPLAN_OPERATIONS_PORT": "0",
        **more,
    }


def operations(server: Server) -> httpx.Client:
    wait_until(lambda: PLACE.search(server.logs()) is not None)
    found = PLACE.search(server.logs())
    assert found is not None
    return httpx.Client(base_url=found[1], timeout=60)


def test_metrics_move_there_and_health_is_on_both(models_dir: Path, keys: Keys) -> None:
    key = keys.add("main")
    settings = with_operations(models_dir, JOULEPLAN_API_KEYS_FILE=str(keys.path))
    with Server(settings) as own, operations(own) as aside:
        own.wait_until_ready()
        for prefix in ("", "/v1"):
            assert "jouleplan_build_info" in aside.get(f"{prefix}/metrics").text
            for path in ("/healthz", "/readyz"):
                assert aside.get(prefix + path).status_code == 200
                assert own.client.get(prefix + path).status_code == 200
            gone = own.client.get(f"{prefix}/metrics", headers=bearer(key))
            assert gone.status_code == 404
        assert aside.get("/placements").status_code == 404
        assert aside.post("/plan", json={}).status_code == 404
        assert aside.delete("/metrics").headers["allow"] == "GET, HEAD"
        document = own.client.get("/openapi.json", headers=bearer(key)).json()
        assert "/metrics" not in document["paths"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_stops_both(models_dir: Path, number: signal.Signals) -> None:
    with Server(with_operations(models_dir)) as own, operations(own) as aside:
        own.wait_until_ready()
        assert aside.get("/healthz").status_code == 200
        own.process.send_signal(number)
        assert own.process.wait(timeout=PATIENCE_S) == 0
        assert "Traceback" not in own.logs()
        with pytest.raises(httpx.ConnectError):
            httpx.get(aside.base_url.join("/healthz"))


@pytest.mark.parametrize("taken", ["JOULEPLAN_OPERATIONS_PORT", "JOULEPLAN_PORT"])
def test_a_taken_port_ends_the_start_and_is_reported(models_dir: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        free = {"JOULEPLAN_PORT": str(free_port()), "JOULEPLAN_STORE_PATH": ":memory:"}
        done = run_service(
            with_operations(models_dir, JOULEPLAN_ACTUALS_PATH=":memory:", **free) | {taken: port}
        )
    assert "ddress already in use" in done.stderr
    assert "Traceback" not in done.stderr
    if taken == "JOULEPLAN_OPERATIONS_PORT":
        assert done.returncode == 2
        words = f"The operations port {port} of 127.0.0.1 cannot be had: Address already in use."
        assert f"error: {words}" in done.stderr.splitlines()
    else:
        assert done.returncode not in {0, 2}


def test_operations_beyond_loopback_need_a_word_of_permission(keys: Keys) -> None:
    everywhere = "0.0.0.0"  # noqa: S104
    with pytest.raises(ValidationError, match="JOULEPLAN_ALLOW_UNAUTHENTICATED=true to serve"):
        Settings(operations_host=everywhere, operations_port=9000, api_keys_file=keys.path)
    permitted = Settings(
        operations_host=everywhere, operations_port=9000, allow_unauthenticated=True
    )
    assert permitted.operations_host == everywhere


def test_a_host_without_a_port_and_the_same_port_twice_are_refused() -> None:
    with pytest.raises(ValidationError, match="JOULEPLAN_OPERATIONS_PORT beside"):
        Settings(operations_host="127.0.0.2")
    with pytest.raises(ValidationError, match="other than the port"):
        Settings(port=9000, operations_port=9000)
    assert Settings(port=0, operations_port=0).operations_port == 0
