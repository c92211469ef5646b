"""Every file that a running service follows, replaced by what is no file, or closed to it."""

from __future__ import annotations

import json
import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.decision_fleet import save_two_pools
from tests.service.http.access.certificates import Pair, self_signed
from tests.service.http.access.keys import Keys, bearer
from tests.service.server import Server, free_port, run_service
from tests.service.tokenizers import word_tokenizer
from tests.stand_ins import STAND_INS, clear, stand_in
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

KINDS = {"fleet", "cost_models", "keys", "tokenizers", "certificate"}
STEM = "qwen3-8b__1xh100"
OTHER = "qwen3-8b__2xh100"
TOKENS = {"input_tokens": 200, "output_tokens": 100}
CHAT = {"request": {"model": "qwen3-8b", "prompt": "why is the sky blue", "max_tokens": 9}}
MORTAL = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""Before a command: nothing, but for the power of root to read whatever it may not."""


class Followed:
    """A server over TLS that asks for keys and counts by a tokenizer, and each of its files."""

    def __init__(self, folder: Path) -> None:
        self.models = save_two_pools(folder)
        self.keys = Keys(folder / "keys.yaml")
        self.headers = bearer(self.keys.add("gateway"))
        self.pair: Pair = self_signed(folder, "service")
        self.tokenizers = folder / "tokenizers"
        self.tokenizers.mkdir()
        word_tokenizer().save(str(self.tokenizers / "qwen3-8b.json"))
        self.files = (
            self.models / "fleet.yaml",
            self.models / f"{STEM}.joblib",
            self.models / f"{OTHER}.json",
            self.keys.path,
            self.tokenizers / "qwen3-8b.json",
            self.pair.certificate,
        )
        self.good = {path: path.read_bytes() for path in self.files}
        self.operations_port = free_port()
        self.server = Server(
            {
                "JOULEPLAN_MODELS_DIR": str(self.models),
                "JOULEPLAN_API_KEYS_FILE": str(self.keys.path),
                "JOULEPLAN_TOKENIZERS_DIR": str(self.tokenizers),
                "JOULEPLAN_TLS_CERTFILE": str(self.pair.certificate),
                "JOULEPLAN_TLS_KEYFILE": str(self.pair.key),
                "JOULEPLAN_OPERATIONS_PORT": str(self.operations_port),
                "JOULEPLAN_RELOAD_SECONDS": "0.1",
            },
            prefix=MORTAL,
        )
        self.trust = ssl.create_default_context(cafile=self.pair.certificate)
        self.operations = httpx.Client(base_url=f"http://127.0.0.1:{self.operations_port}")

    def is_ready(self) -> bool:
        try:
            return self.operations.get("/readyz").status_code == 200
        except httpx.TransportError:
            assert self.server.process.poll() is None, self.server.logs()
            return False

    def failing(self) -> set[str]:
        """Return the kinds of files that cannot be used, by the metric."""
        start, end = 'jouleplan_reload_successful{kind="', '"} 0.0'
        lines = self.operations.get("/metrics").text.splitlines()
        return {
            line.removeprefix(start).removesuffix(end)
            for line in lines
            if line.startswith(start) and line.endswith(end)
        }

    def notes(self) -> str:
        return "\n".join(self.operations.get("/readyz").json()["notes"])

    def mend(self) -> None:
        for path, content in self.good.items():
            clear(path)
            path.write_bytes(content)
            path.chmod(0o600)

    def check_that_all_goes_on(self) -> None:
        """Call by the last good key, certificate, fleet, artefacts and tokenizer."""
        # A connection that is open would go on with the certificate that it has.
        url = f"https://127.0.0.1:{self.server.port}"
        with httpx.Client(
            base_url=url, verify=self.trust, headers=self.headers, timeout=60
        ) as caller:
            planned = caller.post("/plan", json={"requests": [TOKENS]})
            assert planned.status_code == 200, planned.text
            decided = caller.post("/decision", json=CHAT)
            assert decided.status_code == 200, decided.text
            assert decided.json()["tokens"]["input_from"] == "tokenizer"
            assert len(caller.get("/placements").json()["placements"]) == 2
        assert self.operations.get("/readyz").status_code == 200

    def errors(self) -> list[str]:
        lines = [json.loads(line) for line in self.server.logs().splitlines()]
        return [line["message"] for line in lines if line["level"] == "ERROR"]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """Give one that each test leaves as it found it."""
    made = Followed(tmp_path_factory.mktemp("followed"))
    with made.server, made.operations:
        wait_until(made.is_ready)
        yield made


def test_what_is_no_file_leaves_all_in_force_and_is_reported_for_what_it_is(
    followed: Followed,
) -> None:
    for name, (_, what) in STAND_INS.items():
        # A tokenizer that is taken away is done without: its LLM's prompts are estimated.
        spared = followed.tokenizers if name == "nothing" else None
        for path in followed.files:
            if path.parent != spared:
                stand_in(path, name)
        expected = KINDS - {"tokenizers"} if spared else KINDS
        wait_until(lambda expected=expected: followed.failing() == expected)  # type: ignore[misc]
        followed.check_that_all_goes_on()
        notes = followed.notes()
        if name != "nothing":
            assert notes.count(what) >= len(KINDS), notes
        for path in (followed.models / "fleet.yaml", followed.keys.path, followed.pair.certificate):
            assert f"{path}: cannot be read: " in notes
        followed.mend()
        wait_until(lambda: not followed.failing())
        assert followed.notes() == ""
        followed.check_that_all_goes_on()


def test_what_may_not_be_read_leaves_all_in_force_and_is_reported(followed: Followed) -> None:
    for path in followed.files:
        path.chmod(0)
    wait_until(lambda: followed.failing() == KINDS)
    followed.check_that_all_goes_on()
    assert followed.notes().count(f"Permission denied to user {os.geteuid()}") >= len(KINDS)
    followed.mend()
    wait_until(lambda: not followed.failing())
    for folder in (followed.models, followed.tokenizers):
        folder.chmod(0)
    wait_until(lambda: followed.failing() >= {"cost_models", "fleet", "tokenizers"})
    followed.check_that_all_goes_on()
    for folder in (followed.models, followed.tokenizers):
        folder.chmod(0o700)
    wait_until(lambda: not followed.failing())
    followed.check_that_all_goes_on()


@pytest.mark.parametrize(
    ("closed", "mode"),
    [("models", 0), ("models", 0o444), ("models/fleet.yaml", 0), ("fleet.yaml", 0)],
)
def test_what_may_not_be_read_ends_the_start_with_words(
    tmp_path: Path, closed: str, mode: int
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    save_two_pools(models)
    shutil.copy(models / "fleet.yaml", tmp_path)
    path = tmp_path / closed
    path.chmod(mode)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JOULEPLAN_")}
    environment |= {"JOULEPLAN_MODELS_DIR": str(models), "JOULEPLAN_PORT": "0"}
    if closed == "fleet.yaml":
        environment["JOULEPLAN_FLEET"] = str(path)
    ended = run_service(environment, prefix=MORTAL)
    path.chmod(0o700)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line == f"error: {path}: cannot be read: Permission denied to user {os.geteuid()}."
