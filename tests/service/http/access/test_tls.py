"""TLS with certificates that the test makes, on real servers."""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from service.http.access.tls import TlsError, TlsFiles
from service.settings.settings import Settings
from tests.service.http.access.certificates import Pair, self_signed
from tests.service.http.access.keys import Keys, bearer
from tests.service.server import Server, run_service
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

PASSWORD = "a word nobody prints"  # noqa: S105


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def own(folder: Path) -> Pair:
    return self_signed(folder, "service", "-passout", f"pass:{PASSWORD}")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Pair:
    return self_signed(folder, "plain")


@pytest.fixture(scope="module")
def caller(folder: Path) -> Pair:
    return self_signed(folder, "caller")


def settings_of(models_dir: Path, pair: Pair, **more: str) -> dict[str, str]:
    return {
        "JOULEPLAN_MODELS_DIR": str(models_dir),
        "JOULEPLAN_TLS_CERTFILE": str(pair.certificate),
        "JOULEPLAN_TLS_KEYFILE": str(pair.key),
        **more,
    }


def trusting(pair: Pair, caller: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pair.certificate))
    if caller is not None:
        context.load_cert_chain(caller.certificate, caller.key)
    return context


def served_certificate(server: Server) -> str:
    return ssl.get_server_certificate(("127.0.0.1", server.port))


def test_a_renewed_certificate_is_served_and_one_that_does_not_fit_its_key_is_not(
    models_dir: Path, tmp_path: Path
) -> None:
    first, second = self_signed(tmp_path, "first"), self_signed(tmp_path, "second")
    served = Pair(tmp_path / "served.pem", tmp_path / "served.key")
    shutil.copy(first.certificate, served.certificate)
    shutil.copy(first.key, served.key)
    settings = settings_of(models_dir, served, JOULEPLAN_RELOAD_SECONDS="0.1")
    with (
        Server(settings) as server,
        ready(server, trusting(first)) as old,
    ):
        shutil.copy(second.certificate, served.certificate)
        wait_until(lambda: f"{served.key}: is not the key of" in server.logs())
        assert served_certificate(server) == first.certificate.read_text()
        metrics = old.get("/metrics").text
        assert 'jouleplan_reload_successful{kind="certificate"} 0.0' in metrics
        assert str(served.key) in old.get("/readyz").json()["notes"][0]

        shutil.copy(second.key, served.key)
        wait_until(lambda: served_certificate(server) == second.certificate.read_text())
        metrics = old.get("/metrics").text
        assert 'jouleplan_reload_successful{kind="certificate"} 1.0' in metrics
        with ready(server, trusting(second)) as new:
            assert new.get("/readyz").json()["notes"] == []


@contextlib.contextmanager
def ready(server: Server, context: ssl.SSLContext) -> Iterator[httpx.Client]:
    address = f"https://127.0.0.1:{server.port}"
    with httpx.Client(base_url=address, verify=context, timeout=60) as client:
        wait_until(lambda: is_ready(client))
        yield client


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.ConnectError as error:
        if "refused" not in str(error):
            raise
        return False


def test_keys_travel_over_tls_with_an_encrypted_private_key(
    models_dir: Path, own: Pair, keys: Keys
) -> None:
    key = keys.add("over-tls")
    settings = settings_of(
        models_dir,
        own,
        JOULEPLAN_TLS_KEYFILE_PASSWORD=PASSWORD,
        JOULEPLAN_API_KEYS_FILE=str(keys.path),
    )
    with Server(settings) as running, ready(running, trusting(own)) as client:
        assert client.get("/placements").status_code == 401
        assert client.get("/placements", headers=bearer(key)).status_code == 200
        with pytest.raises(httpx.TransportError):
            running.client.get("/healthz")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"https://127.0.0.1:{running.port}/healthz")
        assert client.get("/healthz").status_code == 200
        assert PASSWORD not in running.logs()


def test_callers_need_a_certificate_where_authorities_are_named(
    models_dir: Path, plain: Pair, caller: Pair
) -> None:
    settings = settings_of(models_dir, plain, JOULEPLAN_TLS_CA_CERTS=str(caller.certificate))
    with (
        Server(settings) as running,
        ready(running, trusting(plain, caller)) as client,
        httpx.Client(base_url=client.base_url, verify=trusting(plain)) as nobody,
        httpx.Client(base_url=client.base_url, verify=trusting(plain, plain)) as stranger,
    ):
        assert client.get("/placements").status_code == 200
        for other in (nobody, stranger):
            with pytest.raises(httpx.TransportError):
                other.get("/healthz")


def refusal(pair: Pair, password: str | None = None, authorities: Path | None = None) -> str:
    with pytest.raises(TlsError) as refused:
        TlsFiles(pair.certificate, pair.key, password, authorities).context()
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_what_cannot_be_used_is_named(folder: Path, own: Pair, plain: Pair, caller: Pair) -> None:
    garbled, missing = folder / "garbled.pem", folder / "missing.pem"
    garbled.write_text("-----BEGIN nothing")
    assert refusal(Pair(missing, plain.key)) == (
        f"{missing}: cannot be read: No such file or directory."
    )
    assert "is not the key of" in refusal(Pair(plain.certificate, caller.key))
    assert "expected JOULEPLAN_TLS_KEYFILE_PASSWORD" in refusal(own)
    for wrong in ("another word", "x" * 5000, "\udcff"):
        assert refusal(own, wrong).endswith(
            "cannot be decrypted with JOULEPLAN_TLS_KEYFILE_PASSWORD."
        )
    assert "expected a certificate and its key" in refusal(Pair(garbled, plain.key))
    assert "expected a certificate and its key" in refusal(Pair(plain.certificate, garbled))
    assert "expected certificates as PEM" in refusal(plain, authorities=garbled)


def test_the_service_does_not_start_without_its_certificate(models_dir: Path, plain: Pair) -> None:
    missing = Pair(plain.certificate.with_name("none.pem"), plain.key)
    done = run_service(settings_of(models_dir, missing))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "none.pem: cannot be read" in line


def test_the_others_need_a_certificate() -> None:
    with pytest.raises(ValidationError, match="JOULEPLAN_TLS_CERTFILE"):
        Settings(tls_keyfile=Path("key.pem"))


def test_the_password_is_never_printed(models_dir: Path, own: Pair) -> None:
    done = run_service(
        settings_of(models_dir, own, JOULEPLAN_TLS_KEYFILE_PASSWORD=PASSWORD), "--print-config"
    )
    assert PASSWORD not in done.stdout + done.stderr
    assert set(json.loads(done.stdout)["tls_keyfile_password"]) == {"*"}
