"""`/openapi.json` and `/docs`, whose page needs nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

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
        return get_swagger_ui_html(
            title=request.app.title,
            openapi_url=f"{root}{prefix}/openapi.json",
            swagger_js_url=f"{root}{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{root}{ASSETS_PATH}/favicon.png",
        )

    return routes


def mount_assets(app: FastAPI) -> None:
    """Serve the script and style of the documentation page from the package that ships them."""
    folder = Path(str(files(ASSETS_PACKAGE))) / "static"
    app.mount(ASSETS_PATH, StaticFiles(directory=folder), name="docs-assets")
