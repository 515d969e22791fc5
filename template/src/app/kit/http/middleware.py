"""ASGI middleware for every request and every WebSocket: id, access log, metrics, and an end for what fails."""

import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

import structlog
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kit.database.holds import holds_watched
from app.kit.http.body_limit import limit_body
from app.kit.http.components import Components
from app.kit.http.error_handlers import response_to
from app.kit.http.problems import internal_server_error
from app.kit.http.request_id import HEADER, begin_request
from app.kit.http.request_line import log_request
from app.kit.http.websockets import serve_websocket

_HEADER_BYTES: Final = HEADER.lower().encode()
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
_LAST_RESPONSE: Final = (b"connection", b"close")

OPERATIONS_PATHS: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
"""What probes and scrapers request again and again, by address and not by name."""

log = structlog.get_logger()


def path_within(scope: Scope) -> str:
    """Return the path as routes know it, without what the service is mounted at: uvicorn's `--root-path`."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def with_plain_root(scope: Scope) -> Scope:
    """Return the scope with a root path as ASGI has it, such as `/api`, where a setting says `/api/`, `api` or `/`."""
    root: str = scope.get("root_path", "")
    if not root or (root.startswith("/") and not root.endswith("/")):
        return scope
    inner = root.strip("/")
    plain = f"/{inner}" if inner else ""
    path, raw = scope["path"], scope.get("raw_path")
    scope = {**scope, "root_path": plain}
    if path.startswith(root):
        scope["path"] = f"{plain}/{path.removeprefix(root).removeprefix('/')}"
    if raw is not None and raw.startswith(root.encode()):
        scope["raw_path"] = b"%b/%b" % (plain.encode(), raw.removeprefix(root.encode()).removeprefix(b"/"))
    return scope


class Bypass:
    """Further middleware, the outermost first, that requests for `OPERATIONS_PATHS` do not pass."""

    def __init__(self, app: ASGIApp, middleware: Sequence[Middleware]) -> None:
        self._past = self._through = app
        for cls, args, kwargs in reversed(middleware):
            self._through = cls(self._through, *args, **kwargs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, with the middleware or without it."""
        bypassed = scope["type"] == "http" and path_within(scope) in OPERATIONS_PATHS
        await (self._past if bypassed else self._through)(scope, receive, send)


class RequestMiddleware:
    """A plain ASGI middleware: it adds no task and no copy of the body, so streams and disconnects pass unchanged.

    An error that the application did not handle, such as a bug or one of another middleware, is handled here, within
    `cors`, because no middleware within this one sees that response.
    """

    def __init__(
        self,
        app: ASGIApp,
        components: Components,
        max_body_size: int,
        client_timeout: float,
        cors: Callable[[ASGIApp], ASGIApp] | None = None,
    ) -> None:
        self._app = app
        self._metrics = components.metrics
        self._draining = components.draining
        self._max_body_size = max_body_size
        self._client_timeout = client_timeout
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises only what breaks off a response that has begun."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        scope = with_plain_root(scope)
        request_id = begin_request(scope["headers"])
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        with holds_watched():
            if scope["type"] == "websocket":
                await serve_websocket(self._app, self._metrics, scope, receive, send)
            else:
                await self._serve(request_id, scope, receive, send)

    async def _serve(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        level = logging.DEBUG if path_within(scope) in OPERATIONS_PATHS else logging.INFO
        status = 0
        ended = 0.0

        async def send_with_id(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).extend(((_HEADER_BYTES, request_id.encode()), _NO_SNIFFING))
                if self._draining.begun:
                    message["headers"].append(_LAST_RESPONSE)
            elif not message.get("more_body"):
                # Background tasks still run after this, and are none of the client's time.
                ended = perf_counter()
            await send(message)

        try:
            body = limit_body(scope, receive, self._max_body_size, self._client_timeout)
            await self._app(scope, body, send_with_id)
        except Exception as error:
            response = None if status else response_to(error, scope)
            failure = response or internal_server_error()
            if response is None:
                event = "failed_after_response" if ended else "request_failed"
                log.exception(event, method=scope["method"], path=scope["path"], status=status or failure.status_code)
            if not status:
                await (self._cors(failure) if self._cors else failure)(scope, receive, send_with_id)
            elif not ended:
                # The response has begun: only a cut connection tells the client that it is not complete.
                raise
        finally:
            seconds = (ended or perf_counter()) - started
            self._metrics.observe(scope, status, seconds)
            log_request(
                level,
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round(seconds * 1000, 2),
            )
