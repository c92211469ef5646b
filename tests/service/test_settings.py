"""What an operator may set, and what is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.fleet.embedded import embedded_models_dir
from service.serving import read_settings
from service.settings import Settings


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


def test_a_call_must_be_allowed_longer_than_its_solver() -> None:
    with pytest.raises(ValidationError, match="CALL_LIMIT_SECONDS above"):
        Settings(max_time_limit_seconds=60, call_limit_seconds=60)


def test_the_fleet_beside_the_cost_models_is_taken_unless_one_is_named(tmp_path: Path) -> None:
    assert Settings(models_dir=tmp_path).fleet_path == tmp_path / "fleet.yaml"
    named = tmp_path / "other.yaml"
    assert Settings(models_dir=tmp_path, fleet=named).fleet_path == named


def test_a_checkout_finds_the_cost_models_beside_the_package() -> None:
    assert (embedded_models_dir() / "fleet.yaml").is_file()


@pytest.mark.parametrize("url", ["http://", "http://[", "http://p:99999", "http://p:x"])
def test_metering_needs_a_host_to_ask(url: str) -> None:
    with pytest.raises(ValidationError, match="Expected a host in JOULEPLAN_METERING_URL"):
        Settings(metering_url=url, metering_query="joules")


@pytest.mark.parametrize(
    "given", [{"metering_url": "http://prometheus:9090"}, {"metering_query": "joules"}]
)
def test_metering_needs_both_whom_to_ask_and_what(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="both of JOULEPLAN_METERING_URL"):
        Settings(**given)
    whole = Settings(metering_url="https://[fd00::2]:9090/prometheus", metering_query="joules")
    assert whole.metering_label == "pool"
