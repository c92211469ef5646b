"""A LiteLLM proxy with the shipped hook, or without, and calls through it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from examples.local_service import free_port

ROOT = Path(__file__).parents[2]
HOOK = ROOT / "deploy" / "litellm" / "jouleplan_hook.py"
BIN = Path(sys.executable).parent
LLM = "qwen3-8b"
CALL = {"model": "chat", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}
KEY = f"sk-{secrets.token_hex(16)}"
"""The proxy's own, of which it insists."""
STARTS_WITHIN_S = 180.0


def install(environment: Path) -> Path:
    """Install LiteLLM from its pins and return its command."""
    python = environment / "bin" / "python"
    subprocess.run(
        [BIN / "uv", "venv", "--quiet", "--python", sys.executable, environment], check=True
    )
    options = ("--quiet", "--python", python, "--require-hashes")
    pins = ROOT / "requirements" / "litellm.txt"
    subprocess.run([BIN / "uv", "pip", "install", *options, "-r", pins], check=True)
    return environment / "bin" / "litellm"


def config(ports: Mapping[str, int], *, with_hook: bool = True) -> dict[str, Any]:
    """Return the proxy's configuration: a deployment on each port, in the pool of that name."""
    deployments = [
        {
            "model_name": "chat",
            "litellm_params": {
                "model": f"openai/{LLM}",
                "api_base": f"http://127.0.0.1:{port}/v1",
                "api_key": "none",
            },
            "model_info": {"jouleplan_llm": LLM, "jouleplan_pool": pool},
        }
        for pool, port in ports.items()
    ]
    hook = {"litellm_settings": {"callbacks": "jouleplan_hook.router"}} if with_hook else {}
    return {"model_list": deployments, **hook}


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs.

    Attributes
    ----------
    url
        Address of its API.
    process
        Its own.
    """

    url: str
    process: subprocess.Popen[bytes]

    @property
    def crashed(self) -> bool:
        """Whether a signal has ended it that nobody sent: a fault of the interpreter."""
        return self.process.poll() in {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS}


@contextmanager
def litellm_proxy(
    command: Path, folder: Path, settings: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[Proxy]:
    """Run a proxy."""
    folder.mkdir(exist_ok=True)
    shutil.copy(HOOK, folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(settings)))
    port = free_port()
    given = {k: v for k, v in os.environ.items() if not k.startswith("JOULEPLAN_")}
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [command, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder, stdout=log, stderr=log,
            env={
                **given,
                "PYTHONFAULTHANDLER": "1",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_MASTER_KEY": KEY,
                **environment,
            },
        )  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_alive(process, url, folder)
            yield Proxy(url, process)
        finally:
            process.kill()
            process.wait(30)


def _wait_until_alive(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    end = time.perf_counter() + STARTS_WITHIN_S
    while time.perf_counter() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/liveliness", timeout=5.0).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError((folder / "log.txt").read_text()[-4000:])


def answered(url: str, count: int, at_once: int = 1, **changes: object) -> Counter[str]:
    """Return how many calls each pool answered, and how many were not answered, by status."""
    return asyncio.run(_answered(url, count, at_once, CALL | changes))


async def _answered(url: str, count: int, at_once: int, call: dict[str, Any]) -> Counter[str]:
    names: Counter[str] = Counter()
    left = iter(range(count))

    async def call_in_turn(client: httpx.AsyncClient) -> None:
        for _ in left:
            answer = await client.post("/v1/chat/completions", json=call)
            names[_pool(answer, stream=bool(call.get("stream")))] += 1

    async with httpx.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {KEY}"},
        timeout=120.0,
        trust_env=False,
    ) as client:
        await asyncio.gather(*(call_in_turn(client) for _ in range(at_once)))
    return names


def _pool(answer: httpx.Response, *, stream: bool) -> str:
    """Return who answered: the upstreams say their names."""
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    if not stream:
        return str(answer.json()["choices"][0]["message"]["content"])
    if "data: [DONE]" not in answer.text:
        return "a stream without an end"
    found = [one for one in ("h100", "a100") if f'"content":"{one}"' in answer.text]
    return found[0] if found else answer.text
