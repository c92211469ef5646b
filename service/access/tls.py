"""TLS: the certificate, its key, and whose certificates callers must have."""

from __future__ import annotations

import ssl
from pathlib import Path

from service.access.errors import TlsError


def server_context(
    certfile: Path, keyfile: Path | None, password: str | None, ca_certs: Path | None
) -> ssl.SSLContext:
    """Return what a server speaks TLS 1.2 or newer with.

    Parameters
    ----------
    certfile, keyfile
        PEM; the key is looked for beside the certificate where no other file is named.
    password
        Of the key, where it is encrypted.
    ca_certs
        PEM of the authorities one of which must have signed a caller's certificate; None to ask
        for none.

    Raises
    ------
    TlsError
        If a file is missing, or they do not fit together.
    """
    for path in (certfile, keyfile, ca_certs):
        if path is not None:
            _readable(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load_pair(context, certfile, keyfile, password)
    if ca_certs is not None:
        try:
            context.load_verify_locations(ca_certs)
        except ssl.SSLError:
            msg = f"{ca_certs}: expected certificates as PEM."
            raise TlsError(msg) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load_pair(
    context: ssl.SSLContext, certfile: Path, keyfile: Path | None, password: str | None
) -> None:
    key = keyfile or certfile
    asked = False

    def given() -> str:
        nonlocal asked
        asked = True
        # Without this, OpenSSL would ask whoever sits at the terminal.
        if password is None:
            msg = f"{key}: is encrypted, expected JOULEPLAN_TLS_KEYFILE_PASSWORD."
            raise TlsError(msg)
        return password

    try:
        context.load_cert_chain(certfile, key, given)
    except ssl.SSLError as error:
        reason = error.reason or ""
        if "MISMATCH" in reason:
            msg = f"{key}: is not the key of {certfile}."
        elif asked:
            msg = f"{key}: cannot be decrypted with JOULEPLAN_TLS_KEYFILE_PASSWORD."
        else:
            msg = f"{certfile}, {key}: expected a certificate and its key as PEM."
        raise TlsError(msg) from None


def _readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}."
        raise TlsError(msg) from None
