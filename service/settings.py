"""Settings of the service: environment variables `JOULEPLAN_*`, read once into a frozen object."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.fleet.embedded import FLEET_FILE, embedded_models_dir
from service.store.database_file import MEMORY
from service.store.paths import state_file
from service.workers.memory import default_budget

MEBIBYTE = 1024 * 1024
PREFIX = "JOULEPLAN_"


def _default_workers() -> int:
    """Return two workers where there are two cores: one may then restart while one answers."""
    return max(1, min(2, os.cpu_count() or 1))


def _default_actuals_path() -> Path:
    """Return a file in the user's state folder, memory where there is no such user."""
    try:
        return state_file("actuals.sqlite3")
    except RuntimeError:
        return MEMORY


def _parts(text: object) -> object:
    """Return the parts of a text that commas join; anything else as it is."""
    return tuple(filter(None, map(str.strip, text.split(",")))) if isinstance(text, str) else text


class Settings(BaseSettings):
    """What an operator may set; see each field for its meaning, unit and bounds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    models_dir: Annotated[
        Path, Field(description="Folder of the cost models (artefacts and their cards).")
    ] = Field(default_factory=embedded_models_dir)
    fleet: Annotated[
        Path | None,
        Field(
            description="Fleet file used where a call names no fleet; "
            "`fleet.yaml` in the folder of the cost models where unset."
        ),
    ] = None
    host: Annotated[str, Field(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port; 0 takes a free one.")] = 8080
    allow_simulated: Annotated[
        bool, Field(description="Load cost models of simulations, shims and replays.")
    ] = False
    allow_unauthenticated: Annotated[
        bool,
        Field(description="Listen beyond the loopback interface without authentication."),
    ] = False
    allowed_hosts: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Names that callers may reach it by, joined by commas, `*.example.org` for "
            "all below, `*` for any. Where unset: any with API keys; without, `localhost` and "
            "loopback addresses, and any IP address where it listens beyond the loopback interface."
        ),
        BeforeValidator(_parts),
    ] = ()
    api_keys_file: Annotated[
        Path | None,
        Field(description="File of API keys; a call without one of them gets 401."),
    ] = None
    tls_certfile: Annotated[
        Path | None, Field(description="Certificate chain as PEM: serve HTTPS.")
    ] = None
    tls_keyfile: Annotated[
        Path | None, Field(description="Its key, where that is in another file.")
    ] = None
    tls_keyfile_password: Annotated[
        SecretStr | None, Field(description="Of the key, where it is encrypted.")
    ] = None
    tls_ca_certs: Annotated[
        Path | None,
        Field(description="Authorities as PEM: callers need a certificate of one of them."),
    ] = None
    operations_host: Annotated[
        str, Field(min_length=1, description="Address of the operations port.")
    ] = "127.0.0.1"
    operations_port: Annotated[
        int | None,
        Field(
            ge=0,
            le=65535,
            description="Port that serves /metrics, /healthz and /readyz, without keys and "
            "without TLS; /metrics is served there only. 0 takes a free one.",
        ),
    ] = None
    header_timeout_seconds: Annotated[
        float, Field(gt=0, le=3600, description="Until the header of a call is whole [s].")
    ] = 10.0
    body_silence_seconds: Annotated[
        float,
        Field(gt=0, le=3600, description="Longest wait for more of a body [s]; then 408."),
    ] = 10.0
    body_timeout_seconds: Annotated[
        float, Field(gt=0, le=86_400, description="Until a body is whole [s]; then 408.")
    ] = 300.0
    keep_alive_seconds: Annotated[
        int,
        Field(ge=1, le=3600, description="How long a connection stays open between calls [s]."),
    ] = 65
    max_connections: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="Connections at once; more are closed unheard."),
    ] = 800
    max_connections_per_peer: Annotated[
        int | None,
        Field(
            ge=1,
            le=1_000_000,
            description="Connections at once of one address; as many as of all where unset.",
        ),
    ] = None
    workers: Annotated[int, Field(ge=1, le=64, description="Processes that plan.")] = Field(
        default_factory=_default_workers
    )
    max_queue: Annotated[
        int,
        Field(
            ge=0,
            le=10_000,
            description="Calls that may wait for a worker, and as many asynchronous plans beside "
            "them; more get 429.",
        ),
    ] = 16
    max_body_bytes: Annotated[
        int, Field(ge=1024, description="Largest request body [bytes]; larger ones get 413.")
    ] = 256 * MEBIBYTE
    max_held_bytes: Annotated[
        int,
        Field(
            ge=1024,
            description="Bytes of all bodies together that arrive or wait for a worker; more get "
            "429.",
        ),
    ] = 512 * MEBIBYTE
    memory_bytes: Annotated[
        int,
        Field(
            ge=256 * MEBIBYTE,
            description="Memory that the calls in all workers may take together by estimate "
            "[bytes]; a call waits for its turn. No worker may take more than this.",
        ),
    ] = Field(default_factory=default_budget)
    worker_niceness: Annotated[
        int,
        Field(
            ge=0, le=19, description="Added to the niceness of workers, so that HTTP goes first."
        ),
    ] = 10
    max_requests: Annotated[
        int, Field(ge=1, le=10_000_000, description="Most requests in one call.")
    ] = 1_000_000
    max_pairs: Annotated[
        int, Field(ge=1, description="Most (request, placement) pairs that are planned over.")
    ] = 64_000_000
    max_predictions: Annotated[
        int, Field(ge=1, description="Most (request, placement) pairs that /predict answers with.")
    ] = 2_000_000
    max_time_limit_seconds: Annotated[
        float,
        Field(gt=0, le=3600, description="Largest `solver.time_limit_seconds` of a call [s]."),
    ] = 120.0
    call_limit_seconds: Annotated[
        float,
        Field(
            gt=0, le=7200, description="A worker busy for longer with one call is killed [s]; 503."
        ),
    ] = 180.0
    store_path: Annotated[
        Path | None,
        Field(
            description="File that keeps asynchronous plans; `:memory:` for none. Where unset: "
            "`jouleplan/plans.sqlite3` in the user's state folder, or memory where that cannot be "
            "written."
        ),
    ] = None
    policy_seconds: Annotated[
        float,
        Field(gt=0, le=604_800, description="How long a published plan's prices are in force [s]."),
    ] = 3600.0
    forecast_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="How often the traffic of the last quarter of an hour is planned as that "
            "to come, for its prices [s]; 0 for never.",
        ),
    ] = 120.0
    min_mean_quality: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Floor on the mean quality of plans of forecast traffic, and of decisions "
            "without a policy.",
        ),
    ] = None
    tokenizers_dir: Annotated[
        Path | None,
        Field(description="Folder of tokenizer files `<llm>.json`, which count prompts exactly."),
    ] = None
    actuals_path: Annotated[
        Path,
        Field(description="File that keeps actuals and the policy; `:memory:` for none."),
    ] = Field(default_factory=_default_actuals_path)
    max_actuals: Annotated[
        int, Field(ge=1, le=100_000_000, description="Actuals that are kept; the oldest go.")
    ] = 200_000
    metering_url: Annotated[
        str | None,
        Field(
            pattern=r"^https?://",
            description="Prometheus that knows the devices' joules; none is asked where unset.",
        ),
    ] = None
    metering_query: Annotated[
        str | None,
        Field(
            min_length=1,
            description="PromQL of counters of joules, one or several for each pool of the fleet.",
        ),
    ] = None
    metering_label: Annotated[
        str, Field(min_length=1, description="Of these series, that names the pool.")
    ] = "pool"
    metering_seconds: Annotated[
        float, Field(gt=0, le=3600, description="How often it is asked [s].")
    ] = 30.0
    metering_delay_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="How long to wait for the actuals of what ran before joules are given out "
            "[s]: longer than a request takes.",
        ),
    ] = 300.0
    store_max_plans: Annotated[
        int, Field(ge=1, le=1_000_000, description="Ended plans that are kept; the oldest go.")
    ] = 1000
    store_max_bytes: Annotated[
        int,
        Field(
            ge=1024, le=2**40, description="Bytes of their answers that are kept; the oldest go."
        ),
    ] = 512 * MEBIBYTE
    store_max_age_seconds: Annotated[
        float, Field(gt=0, le=1e9, description="Age at which an ended plan goes [s].")
    ] = 604_800.0
    reload_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="How often to look for changed cost models and fleet [s]; 0 for never.",
        ),
    ] = 2.0
    heartbeat_seconds: Annotated[
        float,
        Field(gt=0, le=3600, description="Longest silence on a stream of events [s]."),
    ] = 15.0
    drain_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=600,
            description="How long to serve on after SIGTERM, not ready, so that load balancers "
            "look elsewhere [s].",
        ),
    ] = 0.0
    shutdown_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=600,
            description="Grace for calls in flight after that [s]; then they get 503.",
        ),
    ] = 10.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def fleet_path(self) -> Path:
        """Where the fleet file is looked for; there may be none where `fleet` is unset."""
        return self.fleet or self.models_dir / FLEET_FILE

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.call_limit_seconds <= self.max_time_limit_seconds:
            msg = (
                "Expected JOULEPLAN_CALL_LIMIT_SECONDS above JOULEPLAN_MAX_TIME_LIMIT_SECONDS, got "
                f"{self.call_limit_seconds} <= {self.max_time_limit_seconds}."
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _metering_is_whole(self) -> Self:
        if (self.metering_url is None) != (self.metering_query is None):
            raise ValueError(
                "Expected both of JOULEPLAN_METERING_URL and JOULEPLAN_METERING_QUERY, or neither."
            )
        if self.metering_url is not None and not _names_a_host(self.metering_url):
            raise ValueError("Expected a host in JOULEPLAN_METERING_URL, got none.")
        return self

    @model_validator(mode="after")
    def _a_body_can_wait(self) -> Self:
        if self.max_held_bytes < self.max_body_bytes:
            msg = (
                "Expected JOULEPLAN_MAX_HELD_BYTES of at least JOULEPLAN_MAX_BODY_BYTES, got "
                f"{self.max_held_bytes} < {self.max_body_bytes}."
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _only_loopback_without_authentication(self) -> Self:
        if self.allow_unauthenticated:
            return self
        if self.api_keys_file is None and not is_loopback(self.host):
            msg = (
                "Expected JOULEPLAN_API_KEYS_FILE, or JOULEPLAN_ALLOW_UNAUTHENTICATED=true, to "
                f"listen on {self.host}, which is not a loopback address: whoever reaches it may "
                "plan."
            )
            raise ValueError(msg)
        if self.operations_port is not None and not is_loopback(self.operations_host):
            msg = (
                "Expected JOULEPLAN_ALLOW_UNAUTHENTICATED=true to serve operations on "
                f"{self.operations_host}, which is not a loopback address: whoever reaches it may "
                "read the metrics."
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


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that look like settings and are none.

    Examples
    --------
    >>> unknown_variables({"JOULEPLAN_PORT": "80", "JOULEPLAN_PROT": "80", "HOME": "/"})
    ['JOULEPLAN_PROT']
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def _names_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


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
