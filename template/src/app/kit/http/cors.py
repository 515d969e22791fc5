"""Responses that web pages of other origins may read: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from collections.abc import Collection
from typing import Final

from fastapi import status
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from app.kit.http.problems import problem
from app.kit.http.request_id import HEADER

_METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
_REQUEST_HEADERS: Final = ("Authorization", "Idempotency-Key", "If-Match", "If-None-Match", HEADER)
_RESPONSE_HEADERS: Final = ("ETag", "Link", "Location", "Retry-After", "X-Total-Count", HEADER)


class Cors(CORSMiddleware):
    """Starlette's middleware, with refusals that are problem responses.

    It never allows credentials: a page that may send the user's cookies along acts in the user's name.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], headers: Collection[str] = ()) -> None:
        """Let pages of these origins send and read these headers, beside the usual ones."""
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=(*_REQUEST_HEADERS, *headers),
            expose_headers=(*_RESPONSE_HEADERS, *headers),
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks what it may send."""
        response = super().preflight_response(request_headers)
        if response.status_code == status.HTTP_200_OK:
            return response
        refusal = problem(400, f"{bytes(response.body).decode()}.", kind="cors")
        refusal.headers["Vary"] = response.headers["Vary"]
        return refusal
