"""What every test may ask for, and how hypothesis draws its examples."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that does other things too must not turn a law red: nothing here is about speed.
settings.register_profile(
    "patient", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("repeatable", settings.get_profile("patient"), derandomize=True)
settings.load_profile("repeatable" if os.environ.get("CI") else "patient")


# Hundreds of processes are started here: each would compile every module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# A script's background ignores Ctrl-C, nohup a hang-up, and what is started there inherits that.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


class FailureLines:
    """Name each failure when it comes, while the rest goes on; pytest alone does so at the end."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            word = "FAILED" if report.when == "call" else "ERROR"
            cause = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
            said = " - ".join([report.nodeid, *cause.splitlines()[:1]])
            self._terminal.write_line(f"\n{word} {said}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    # A process that only runs its share of the tests has no terminal.
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        config.pluginmanager.register(FailureLines(terminal))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of third-party measurements beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the third-party measurements in ../shared/data, which are not here")
    return folder


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Return the folder of small inputs that once failed, beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("needs the small inputs in ../shared/cases, which are not here")
    return folder
