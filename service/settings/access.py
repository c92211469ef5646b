"""Where the service listens, and who may call."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from service.settings.texts import Host, Hosts


class AccessError(Exception):
    """The service cannot listen, or be guarded, as its settings say; the message is one line."""


class AccessSettings(BaseModel):
    """Where the service listens, and who may call."""

    host: Host = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port; 0 takes a free one.")
    allow_unauthenticated: bool = Field(
        default=False, description="Listen beyond the loopback interface without authentication."
    )
    allowed_hosts: Hosts = Field(
        default=(),
        description="Names that callers may reach it by, joined by commas, `*.example.org` for "
        "all below, `*` for any. Where unset: any with API keys; without, `localhost` and "
        "loopback addresses, and any IP address where it listens beyond the loopback interface.",
    )
    api_keys_file: Path | None = Field(
        default=None, description="File of API keys; a call without one of them gets 401."
    )
    tls_certfile: Path | None = Field(
        default=None, description="Certificate chain as PEM: serve HTTPS."
    )
    tls_keyfile: Path | None = Field(
        default=None, description="Its key, where that is in another file."
    )
    tls_keyfile_password: SecretStr | None = Field(
        default=None, description="Of the key, where it is encrypted."
    )
    tls_ca_certs: Path | None = Field(
        default=None, description="Authorities as PEM: callers need a certificate of one of them."
    )
    operations_host: Host = Field(
        default="127.0.0.1", description="Address of the operations port."
    )
    operations_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port that serves /metrics, /healthz and /readyz, without keys and "
        "without TLS; /metrics is served there only. 0 takes a free one.",
    )

    @model_validator(mode="after")
    def _only_loopback_without_authentication(self) -> Self:
        if self.allow_unauthenticated:
            return self
        if self.api_keys_file is None and not is_loopback(self.host):
            msg = (
                "Expected JOULEPLAN_API_KEYS_FILE, or JOULEPLAN_ALLOW_UNAUTHENTICATED=true, to "
                f"listen on {self.host} (JOULEPLAN_HOST), which is not a loopback address: whoever "
                "reaches it may plan."
            )
            raise ValueError(msg)
        if self.operations_port is not None and not is_loopback(self.operations_host):
            msg = (
                "Expected JOULEPLAN_ALLOW_UNAUTHENTICATED=true to serve operations on "
                f"{self.operations_host} (JOULEPLAN_OPERATIONS_HOST), which is not a loopback "
                "address: whoever reaches it may read the metrics."
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _operations_have_a_port_of_their_own(self) -> Self:
        if self.operations_port is None and "operations_host" in self.model_fields_set:
            raise ValueError("Expected JOULEPLAN_OPERATIONS_PORT beside its host, got none.")
        if self.operations_port and self.operations_port == self.port:
            msg = f"Expected JOULEPLAN_OPERATIONS_PORT other than the port, got {self.port} twice."
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _tls_has_a_certificate(self) -> Self:
        others = (self.tls_keyfile, self.tls_keyfile_password, self.tls_ca_certs)
        if self.tls_certfile is None and any(one is not None for one in others):
            raise ValueError("Expected JOULEPLAN_TLS_CERTFILE beside the others of TLS, got none.")
        return self


def is_loopback(host: str) -> bool:
    """Return whether `host` is reached from this machine only.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
