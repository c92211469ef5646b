"""What an operator may set, and what is refused."""

import json
import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.environment import embedded_models_dir
from service.serving import print_settings, read_settings
from service.settings.settings import Settings
from tests.service.server import free_port, run_service


def test_the_default_listens_on_the_loopback_interface_only() -> None:
    assert Settings().host == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org"])  # noqa: S104
def test_listening_beyond_loopback_needs_a_word_of_permission(host: str) -> None:
    with pytest.raises(ValidationError, match="JOULEPLAN_ALLOW_UNAUTHENTICATED=true"):
        Settings(host=host)
    assert Settings(host=host, allow_unauthenticated=True).host == host


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOULEPLAN_PORT", "9123")
    monkeypatch.setenv("JOULEPLAN_MAX_QUEUE", "3")
    settings = Settings()
    assert (settings.port, settings.max_queue) == (9123, 3)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_a_wrong_setting_is_named_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOULEPLAN_PORT", "minus one")
    assert read_settings() is None
    assert "JOULEPLAN_PORT" in capsys.readouterr().err


WRONG = (
    "",
    " ",
    "minus one",
    "-1",
    "nan",
    "inf",
    "1e999",
    "9" * 400,
    "{}",
    "[1]",
    "a\nb",
    "\udcff",
)
ANYTHING = {
    "api_keys_file", "fleet", "models_dir", "store_path", "actuals_path", "tokenizers_dir",
    "tls_certfile", "tls_keyfile", "tls_keyfile_password", "tls_ca_certs", "metering_query",
    "metering_label",
}  # fmt: skip
"""Settings that may have any text but an empty one: the files are looked for at the start."""
PARTNERS = {
    **dict.fromkeys(("tls_keyfile", "tls_keyfile_password", "tls_ca_certs"), "tls_certfile"),
    "metering_url": "metering_query",
    "metering_query": "metering_url",
    "operations_host": "operations_port",
}
"""Settings without which others make no sense."""
FITTING = {
    "tls_certfile": "cert.pem",
    "metering_query": "joules",
    "metering_url": "http://prometheus:9090",
    "operations_port": "9464",
}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_whatever_is_wrong_is_named_in_one_line_that_says_what_is_expected(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    partner = PARTNERS.get(name)
    if partner is not None:
        monkeypatch.setenv(f"JOULEPLAN_{partner.upper()}", FITTING[partner])
    refused = 0
    for value in WRONG:
        monkeypatch.setenv(f"JOULEPLAN_{name.upper()}", value)
        settings = read_settings()
        logged = capsys.readouterr().err
        if settings is not None:
            assert value.strip(), f"{name} may not be empty"
            assert logged == ""
            continue
        refused += 1
        (line,) = logged.splitlines()
        assert f"JOULEPLAN_{name.upper()}" in line
        assert "Expected " in line
        assert line.endswith(".")
        assert len(line) < 300
        assert not re.search(r"Value error|NoneType|\bdict\b|\^|\\w|pydantic|Traceback", line)
    assert refused >= (2 if name in ANYTHING else 7), "what is wrong is taken"


def test_paths_that_are_no_text_are_printed_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert print_settings(Settings(models_dir=Path(os.fsdecode(b"/models\xff")))) == 0
    assert json.loads(capsys.readouterr().out)["models_dir"] == "/models\udcff"


@pytest.mark.parametrize("host", ["nobody.invalid", "a..b", "192.0.2.1"])
@pytest.mark.parametrize("which", ["HOST", "OPERATIONS_HOST"])
def test_a_host_that_is_none_of_this_machine_ends_the_start_in_one_line(
    models_dir: Path, host: str, which: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JOULEPLAN_")}
    environment |= {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_ALLOW_UNAUTHENTICATED": "true",
        "JOULEPLAN_PORT": "0",
        f"JOULEPLAN_{which}": host,
    }
    if which == "OPERATIONS_HOST":
        environment["JOULEPLAN_OPERATIONS_PORT"] = str(free_port())
    ended = run_service(environment)
    assert ended.returncode == 2
    line = ended.stderr.splitlines()[-1]
    assert host in line
    assert "Traceback" not in ended.stderr
    assert f"JOULEPLAN_{which}" in line or line.startswith("error: The operations port")


def test_a_call_must_be_allowed_longer_than_its_solver() -> None:
    with pytest.raises(ValidationError, match="CALL_LIMIT_SECONDS above"):
        Settings(max_time_limit_seconds=60, call_limit_seconds=60)


def test_the_fleet_beside_the_cost_models_is_taken_unless_one_is_named(tmp_path: Path) -> None:
    assert Settings(models_dir=tmp_path).fleet_path == tmp_path / "fleet.yaml"
    named = tmp_path / "other.yaml"
    assert Settings(models_dir=tmp_path, fleet=named).fleet_path == named


def test_a_checkout_finds_the_cost_models_beside_the_package() -> None:
    assert (embedded_models_dir() / "fleet.yaml").is_file()


@pytest.mark.parametrize("url", ["http://", "http://[", "http://p:99999", "http://p:x", "ftp://p"])
def test_metering_needs_a_host_to_ask(url: str) -> None:
    with pytest.raises(ValidationError, match="Expected an address such as http://prometheus:9090"):
        Settings(metering_url=url, metering_query="joules")


@pytest.mark.parametrize(
    "given", [{"metering_url": "http://prometheus:9090"}, {"metering_query": "joules"}]
)
def test_metering_needs_both_whom_to_ask_and_what(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="both of JOULEPLAN_METERING_URL"):
        Settings(**given)
    whole = Settings(metering_url="https://[fd00::2]:9090/prometheus", metering_query="joules")
    assert whole.metering_label == "pool"
