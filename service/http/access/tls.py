"""TLS: the certificate, its key, and whose certificates callers must have."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costmodel.files import open_regular, stamp
from service.settings.access import AccessError

logger = logging.getLogger("service.access.tls")


class TlsError(AccessError):
    """The service cannot speak TLS; the message names the file."""


class RenewableContext(ssl.SSLContext):
    """The context of a server's TLS: each new connection is made by the newest files of use.

    It is made with `renewable_context`; connections that are open go on with what they have.

    Attributes
    ----------
    loaded_stamp
        How the files looked when they were read first.
    """

    loaded_stamp: tuple[object, ...]
    _files: TlsFiles
    _inner: ssl.SSLContext

    @property
    def name(self) -> str:
        """The files, as messages name them."""
        return ", ".join(str(path) for path in self._files.paths)

    def stamp(self) -> tuple[object, ...]:
        """Return what changes when one of the files does; runs in any thread."""
        return self._files.stamp()

    async def reload(self) -> None:
        """Take up the files as they are now; where that raises, those of before stay."""
        self._inner = await asyncio.to_thread(self._files.context)
        logger.info("The certificate that is served was renewed.")

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:  # noqa: ANN401
        """Begin a connection, as the newest context has it."""
        return self._inner.wrap_bio(*arguments, **named)


@dataclass(frozen=True)
class TlsFiles:
    """The certificate, its key, and the authorities of callers' certificates.

    Attributes
    ----------
    certfile, keyfile
        PEM; the key is looked for beside the certificate where no other file is named.
    password
        Password of the key, where it is encrypted.
    ca_certs
        PEM of the authorities one of which must have signed a caller's certificate; None to ask
        for none.
    """

    certfile: Path
    keyfile: Path | None = None
    password: str | None = None
    ca_certs: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of the files that are named."""
        named = (self.certfile, self.keyfile, self.ca_certs)
        return tuple(path for path in named if path is not None)

    def stamp(self) -> tuple[object, ...]:
        """Return what changes when one of the files does."""
        return tuple(map(stamp, self.paths))

    def context(self) -> ssl.SSLContext:
        """Return the context of a server that speaks TLS 1.2 or newer by the files as they are now.

        Raises
        ------
        TlsError
            If a file is missing, or they do not fit together.
        """
        for path in self.paths:
            try:
                open_regular(path).close()
            except OSError as error:
                raise TlsError(f"{path}: cannot be read: {error.strerror}.") from None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        _load_pair(context, self.certfile, self.keyfile or self.certfile, self.password)
        if self.ca_certs is not None:
            try:
                context.load_verify_locations(self.ca_certs)
            except ssl.SSLError:
                raise TlsError(f"{self.ca_certs}: expected certificates as PEM.") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def renewable_context(files: TlsFiles) -> RenewableContext:
    """Return a context that takes up each later version of its files; see `TlsFiles.context`."""
    context = RenewableContext(ssl.PROTOCOL_TLS_SERVER)
    context._files, context.loaded_stamp = files, files.stamp()
    context._inner = files.context()
    return context


def _load_pair(context: ssl.SSLContext, certfile: Path, key: Path, password: str | None) -> None:
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
    except ValueError:
        # It is too long for OpenSSL, or no text.
        msg = f"{key}: cannot be decrypted with JOULEPLAN_TLS_KEYFILE_PASSWORD."
        raise TlsError(msg) from None
