"""The pages that show the description of the API: Swagger UI at `/docs` and ReDoc at `/redoc`.

The service serves all that they need, so they work without the internet. Scripts are files and not part of a page, so
that pages can forbid all others. What a page needs is named relative to it, and so found behind every prefix.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Final, NamedTuple

import fastapi_offline
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.encoders import jsonable_encoder
from fastapi.openapi.docs import get_swagger_ui_oauth2_redirect_html, swagger_ui_default_parameters
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from app.kit.http.etags import IfNoneMatch, etag, is_modified

_A_YEAR: Final = 31_536_000
"""Seconds."""

_HEADERS: Final = {
    # ReDoc searches in a worker that it makes by itself.
    "Content-Security-Policy": "script-src 'self'; worker-src blob:; object-src 'none'; base-uri 'none'"
}

_START: Final = """\
"use strict";
const { options, oauth } = JSON.parse(document.getElementById("swagger-ui").dataset.settings);
const ui = SwaggerUIBundle({
  oauth2RedirectUrl: new URL("docs/oauth2-redirect", document.baseURI).href,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  ...options,
});
if (oauth) ui.initOAuth(oauth);
"""

_LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
"""What ReDoc fetches, and leaves out where it cannot."""

_INLINE: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)

_MEDIA_TYPES: Final[Mapping[str, str]] = {"css": "text/css", "js": "text/javascript", "png": "image/png"}


class Asset(NamedTuple):
    """A file that a page needs; its version changes with its content."""

    body: bytes
    media_type: str
    version: int


class Pages(APIRouter):
    """A router that skips its routes for paths of others, as a `PrefixRouter` does, but for two prefixes at once."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether a page or an asset serves this request."""
        return super().matches(scope) if "doc" in scope["path"] else (Match.NONE, {})


router = Pages(include_in_schema=False)


@router.get("/docs")
async def show_swagger_ui(request: Request) -> HTMLResponse:
    """Show Swagger UI, with the parameters that the application has for it."""
    app: FastAPI = request.app
    options = {"url": _description(app), **swagger_ui_default_parameters, **(app.swagger_ui_parameters or {})}
    settings = json.dumps(jsonable_encoder({"options": options, "oauth": app.swagger_ui_init_oauth}))
    return _page(
        f"{app.title} - Swagger UI",
        f'<link rel="stylesheet" href="{_url("swagger-ui.css")}">',
        f"""\
<div id="swagger-ui" data-settings="{escape(settings)}"></div>
<script src="{_url("swagger-ui-bundle.js")}"></script>
<script src="{_url("start.js")}"></script>""",
    )


@router.get("/docs/oauth2-redirect")
async def end_authorization() -> HTMLResponse:
    """Hand on what an authorization server answers to the page that asked it."""
    page = bytes(get_swagger_ui_oauth2_redirect_html().body).decode()
    script = f'<script src="{_url("oauth2-redirect.js", base="")}"></script>'
    return HTMLResponse(_INLINE.sub(script, page), headers=_HEADERS)


@router.get("/docs/assets/{version}/{name}")
async def read_asset(version: str, name: str, if_none_match: IfNoneMatch = None) -> Response:
    """Return a file that a page needs. Browsers ask for each version once."""
    asset = _asset(name)
    # While a release is rolled out, a page may name what another instance has.
    lasts = f"public, max-age={_A_YEAR}, immutable" if version == str(asset.version) else "no-cache"
    headers = {"ETag": etag(asset.version), "Cache-Control": lasts}
    if not is_modified(if_none_match, asset.version):
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


@router.get("/redoc")
async def show_redoc(request: Request) -> HTMLResponse:
    """Show ReDoc."""
    return _page(
        f"{request.app.title} - ReDoc",
        "<style>body { margin: 0 }</style>",
        f"""\
<redoc spec-url="{escape(_description(request.app))}"></redoc>
<script src="{_url("redoc.standalone.js")}"></script>""",
    )


def _page(title: str, head: str, body: str) -> HTMLResponse:
    page = f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="{_url("favicon.png")}">
{head}
</head>
<body>
{body}
</body>
</html>
"""
    return HTMLResponse(page, headers=_HEADERS)


def _description(app: FastAPI) -> str:
    return (app.openapi_url or "").removeprefix("/")


def _url(name: str, base: str = "docs/") -> str:
    return f"{base}assets/{_asset(name).version}/{name}"


@cache
def _assets() -> Mapping[str, Asset]:
    """Return all assets by name, which are read when the first page is asked for."""
    (redirect,) = _INLINE.findall(bytes(get_swagger_ui_oauth2_redirect_html().body).decode())
    bodies = {"start.js": _START.encode(), "oauth2-redirect.js": redirect.encode()}
    folder = files(fastapi_offline) / "static"
    for name in ("favicon.png", "swagger-ui.css", "swagger-ui-bundle.js"):
        bodies[name] = (folder / name).read_bytes()
    bodies["redoc.standalone.js"] = (folder / "redoc.standalone.js").read_bytes().replace(_LOGO, b"data:,")
    return {
        name: Asset(body, _MEDIA_TYPES[name.rpartition(".")[2]], int.from_bytes(sha256(body).digest()[:6]))
        for name, body in bodies.items()
    }


def _asset(name: str) -> Asset:
    asset = _assets().get(name)
    if asset is None:
        raise HTTPException(404)
    return asset
