"""`/openapi.json` and `/docs`, whose page needs nothing from elsewhere."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
ASSETS_PATH = "/docs-assets"
ASSETS_PACKAGE = "fastapi_offline"


def router(prefix: str) -> APIRouter:
    """Return the routes of the documentation under `prefix`."""
    routes = APIRouter()

    @routes.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        return JSONResponse(request.app.openapi())

    @routes.get("/docs")
    async def docs(request: Request) -> Response:
        root = request.scope.get("root_path", "")
        page = get_swagger_ui_html(
            title=request.app.title,
            openapi_url=f"{root}{prefix}/openapi.json",
            swagger_js_url=f"{root}{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{root}{ASSETS_PATH}/favicon.png",
        )
        page.headers["content-security-policy"] = content_security_policy(bytes(page.body))
        page.headers["x-frame-options"] = "DENY"
        page.headers["referrer-policy"] = "no-referrer"
        return page

    return routes


def content_security_policy(page: bytes) -> str:
    """Return the Content-Security-Policy of a page: its own files, and the scripts within it.

    Swagger UI sets styles of its own; scripts that are no file are named by their hash.

    Examples
    --------
    >>> content_security_policy(b"<script>alert(1)</script>").split("; ")[1]
    "script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
    """
    hashes = [
        f"'sha256-{b64encode(sha256(script).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(page)
    ]
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src 'self'", *hashes)),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def mount_assets(app: FastAPI) -> None:
    """Serve the script and style of the documentation page from the package that ships them."""
    folder = Path(str(files(ASSETS_PACKAGE))) / "static"
    app.mount(ASSETS_PATH, StaticFiles(directory=folder), name="docs-assets")
