"""How patient the service is with connections, how many there may be, and how it ends."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ConnectionSettings(BaseModel):
    """How patient the service is with connections, how many there may be, and how it ends."""

    header_timeout_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="Until the header of a call is whole [s]."
    )
    body_silence_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="Longest wait for more of a body [s]; then 408."
    )
    body_timeout_seconds: float = Field(
        default=300.0, gt=0, le=86_400, description="Until a body is whole [s]; then 408."
    )
    keep_alive_seconds: int = Field(
        default=65, ge=1, le=3600, description="How long a connection stays open between calls [s]."
    )
    max_connections: int = Field(
        default=800, ge=1, le=1_000_000, description="Connections at once; more are closed unheard."
    )
    max_connections_per_peer: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Connections at once of one address; as many as of all where unset.",
    )
    heartbeat_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="Longest silence on a stream of events [s]."
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description="How long to serve on after SIGTERM, not ready, so that load balancers "
        "look elsewhere [s].",
    )
    shutdown_seconds: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="Grace for calls in flight after that [s]; then they get 503.",
    )
