"""Portkey, the service and LLM servers in one network namespace; what happened, as JSON.

Portkey listens on every interface, so this runs where there is none but the loopback one:
``unshare --net python -m tests.integration.portkey_scenario SERVER_JS MODELS MODELS``.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.gateways.upstreams import upstreams
from examples.local_service import free_port
from tests.service.server import Server

FOLDER = Path(__file__).parents[2] / "deploy" / "portkey"
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
CALL = {"model": "qwen3-8b", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}


def client_module() -> Any:
    """Return the shipped client."""
    spec = importlib.util.spec_from_file_location("client", FOLDER / "jouleplan_client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def loopback_up() -> None:
    """Switch the loopback interface of this namespace on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        asked = fcntl.ioctl(one, SIOCGIFFLAGS, struct.pack("16sh22x", b"lo", 0))
        flags = struct.unpack("16sh22x", asked)[1] | IFF_UP
        fcntl.ioctl(one, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags))


def config_with(ports: dict[str, int]) -> dict[str, Any]:
    """Return the shipped configuration with the servers' ports."""
    text = (FOLDER / "config.json").read_text()
    for given, pool in (("9001", "h100"), ("9002", "a100")):
        assert f":{given}/" in text
        text = text.replace(f":{given}/", f":{ports[pool]}/")
    return dict(json.loads(text))


@contextmanager
def portkey(server: str) -> Iterator[str]:
    """Run the gateway and give its URL."""
    port = free_port()
    command = [str(shutil.which("node")), server, f"--port={port}", "--headless"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=sys.stderr,
        env={"PATH": os.environ["PATH"], "NODE_ENV": "production"},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.perf_counter() + 60.0
        while time.perf_counter() < end and process.poll() is None:
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


async def send(
    client: Any, gateway_url: str, planner_url: str, config: dict[str, Any], count: int
) -> list[dict[str, Any]]:
    """Send completions with the shipped client; tell what was decided and who answered."""
    answers = []
    async with (
        httpx.AsyncClient(base_url=gateway_url, timeout=30.0) as gateway,
        httpx.AsyncClient(base_url=planner_url) as planner,
    ):
        for _ in range(count):
            pool = await client.decided_pool(planner, CALL, config)
            answer = await client.complete(gateway, CALL, pool, config)
            body = answer.json() if answer.status_code == 200 else {"model": answer.text}
            answers.append({"decided": pool, "served": body["model"], "status": answer.status_code})
    return answers


def scene(client: Any, url: str, models: str, config: dict[str, Any]) -> dict[str, Any]:
    """Tell what happens with a planner, and after it was killed."""
    settings = {"JOULEPLAN_MODELS_DIR": models, "JOULEPLAN_ACTUALS_PATH": ":memory:"}
    with Server(settings) as planner:
        planner.wait_until_ready()
        decided = asyncio.run(send(client, url, planner.url, config, 20))
        planner.kill()
        return {"with": decided, "without": asyncio.run(send(client, url, planner.url, config, 20))}


def main(server: str, *models: str) -> None:
    """Print one scene for each folder of cost models; the second has the other pool as default."""
    loopback_up()
    client = client_module()
    with upstreams("h100", "a100") as (ports, _), portkey(server) as url:
        config = config_with(ports)
        other = config | {"strategy": config["strategy"] | {"default": "a100"}}
        scenes = [
            scene(client, url, folder, each)
            for folder, each in zip(models, (config, other), strict=True)
        ]
    print(json.dumps(scenes))


if __name__ == "__main__":
    main(*sys.argv[1:])
