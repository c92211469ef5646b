"""What the OpenAPI document says of API keys, and of how a call that is not let in is refused."""

from __future__ import annotations

from typing import Any

from service.http.access.scopes import OPEN_PATHS, scopes_for
from service.http.openapi.parts import header, refusal

SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, where the service has a file of them.",
    },
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

_WAIT = header("Seconds to wait before the next try.", {"type": "integer"})
_UNAUTHENTICATED = refusal(
    "No API key that is in force, where the service asks for one.",
    headers={"WWW-Authenticate": header("`Bearer`, and what is wrong.")},
)
_RATE_LIMITED = refusal("The limits of the API key are spent.", headers={"Retry-After": _WAIT})
_MALFORMED = refusal("Not exactly one `Host`.")
_CROSS_SITE = refusal("A page of another site asks, by `Origin` or `Sec-Fetch-Site`.")
_FORBIDDEN = refusal(f"The API key has not the scope of this call. {_CROSS_SITE['description']}")
_NOT_SERVED = refusal("`Host` is none that is answered: see `JOULEPLAN_ALLOWED_HOSTS`.")
_BODY_TIMEOUT = refusal("The body did not arrive in time.")


def with_access(document: dict[str, Any], *, needs_key: bool) -> dict[str, Any]:
    """Add keys, where this service asks for them, and the refusals of calls that are not let in."""
    if needs_key:
        document["components"]["securitySchemes"] = SCHEMES
        document["security"] = [{name: []} for name in SCHEMES]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _add(operation, needs_key=path not in OPEN_PATHS)
            if needs_key and path not in OPEN_PATHS:
                scopes = scopes_for(method.upper(), path)
                operation["security"] = [{name: [scope]} for scope in scopes for name in SCHEMES]
    return document


def _add(operation: dict[str, Any], *, needs_key: bool) -> None:
    responses = operation["responses"]
    responses["403"] = _FORBIDDEN if needs_key else _CROSS_SITE
    if needs_key:
        responses["401"] = _UNAUTHENTICATED
        responses.setdefault("429", _RATE_LIMITED)
    else:
        operation["security"] = []
    responses.setdefault("400", _MALFORMED)
    responses["421"] = _NOT_SERVED
    if "requestBody" in operation:
        responses["408"] = _BODY_TIMEOUT
