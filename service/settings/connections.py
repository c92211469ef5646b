"""How patient it is with connections, how many there may be, and how it ends."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field


class ConnectionSettings(BaseModel):
    """How patient it is with connections, how many there may be, and how it ends."""

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
