"""One pass around each request: its id, its size, its log line, its metrics, and the last resort against a bare 500."""

import logging
from time import perf_counter
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.body_limit import limit_body
from app.http.metrics import HttpMetrics
from app.http.problems import problem
from app.http.request_id import HEADER, begin_request

_HEADER_BYTES: Final = HEADER.lower().encode()
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")

PROBED_PATHS: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
"""What machines ask again and again, by address and not by name."""

log = structlog.get_logger()


async def answer_failure(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 500, without the reason."""
    response = problem(500, "The service failed to answer. The request id finds the reason in the logs.")
    await response(scope, receive, send)


class RequestMiddleware:
    """A plain ASGI middleware: it adds no task and no copy of the body, so streams and disconnects pass unchanged.

    `failure` answers when the application could not, which no middleware within this one sees.
    """

    def __init__(
        self, app: ASGIApp, metrics: HttpMetrics, max_body_size: int, failure: ASGIApp = answer_failure
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body_size = max_body_size
        self._failure = failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises only what breaks off a response that has begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        request_id = begin_request(scope["headers"])
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = perf_counter()
        status = 0
        ended = 0.0

        async def send_with_id(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).extend(((_HEADER_BYTES, request_id.encode()), _NO_SNIFFING))
            elif not message.get("more_body"):
                # Background tasks still run after this, and are none of the client's time.
                ended = perf_counter()
            await send(message)

        try:
            await self._app(scope, limit_body(scope, receive, self._max_body_size), send_with_id)
        except Exception:
            event = "failed_after_response" if ended else "request_failed"
            log.exception(event, method=scope["method"], path=scope["path"], status=status)
            if not status:
                await self._failure(scope, receive, send_with_id)
            elif not ended:
                # The response has begun: only a cut connection tells the client that it is not complete.
                raise
        finally:
            seconds = (ended or perf_counter()) - started
            self._metrics.observe(scope, status, seconds)
            log.log(
                logging.DEBUG if scope["path"] in PROBED_PATHS else logging.INFO,
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round(seconds * 1000, 2),
            )
