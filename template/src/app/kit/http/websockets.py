"""What a WebSocket shares with requests: its id, one line in the log, metrics, and an end when its endpoint fails."""

import json
from contextlib import suppress
from http import HTTPStatus
from time import perf_counter
from typing import Final

import structlog
from fastapi import status
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.kit.http.error_handlers import response_to
from app.kit.http.metrics import HttpMetrics
from app.kit.http.problems import internal_server_error, problem
from app.kit.http.request_id import HEADER, current_request_id

_HEADER_BYTES: Final = HEADER.lower().encode()
_LONGEST_REASON: Final = 123
"""How many bytes the reason of a close frame may have (RFC 6455, section 5.5)."""

log = structlog.get_logger()


class _Connection:
    """One WebSocket, as far as its messages tell its state."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._header = (_HEADER_BYTES, current_request_id().encode())
        self._scope = scope
        self._receive = receive
        self._send = send
        self.status = 0
        """The HTTP status of the handshake: 101 when it was accepted, 0 while it is not answered."""
        self.code = 0
        """The close code, or 0 while the WebSocket is open."""

    async def receive(self) -> Message:
        """Return the next message."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.code = self.code or message.get("code") or status.WS_1005_NO_STATUS_RCVD
        return message

    async def send(self, message: Message) -> None:
        """Send a message; what refuses the handshake is a response, or a close where the server cannot send one."""
        match message["type"]:
            case "websocket.accept":
                self.status = HTTPStatus.SWITCHING_PROTOCOLS
                message["headers"] = [*message.get("headers", ()), self._header]
            case "websocket.close" if self.status:
                self.code = message.get("code", status.WS_1000_NORMAL_CLOSURE)
            case "websocket.close":
                refusal = problem(HTTPStatus.FORBIDDEN, message.get("reason") or "The WebSocket was refused.")
                await refusal(self._scope, self.receive, self.send)
                return
            case "websocket.http.response.start" if self._can_respond():
                self.status = message["status"]
                message["headers"] = [*message.get("headers", ()), self._header]
            case "websocket.http.response.start":
                self.status = HTTPStatus.FORBIDDEN
                message = {"type": "websocket.close"}
            case "websocket.http.response.body" if not self._can_respond():
                return
        try:
            await self._send(message)
        except OSError:
            # The client has left. Starlette says so itself only once the WebSocket is accepted.
            raise WebSocketDisconnect(status.WS_1006_ABNORMAL_CLOSURE) from None

    def _can_respond(self) -> bool:
        return "websocket.http.response" in self._scope.get("extensions", {})

    async def end(self, response: Response | None = None) -> None:
        """Close the WebSocket if that is still to do; a response says what went wrong.

        Before it was accepted, the response is sent. Afterwards its status chooses the close code, and its detail is
        the reason.
        """
        if self.code:
            return
        # The client may have disconnected without a close frame.
        with suppress(WebSocketDisconnect):
            if self.status == HTTPStatus.SWITCHING_PROTOCOLS:
                await self.send({"type": "websocket.close", "code": _close_code(response), "reason": _reason(response)})
            elif not self.status:
                if response is None:
                    raise RuntimeError("The endpoint has neither accepted nor refused the WebSocket.")
                await response(self._scope, self.receive, self.send)


def _close_code(response: Response | None) -> int:
    if response is None:
        return status.WS_1000_NORMAL_CLOSURE
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return status.WS_1013_TRY_AGAIN_LATER
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return status.WS_1011_INTERNAL_ERROR
    return status.WS_1008_POLICY_VIOLATION


def _reason(response: Response | None) -> str:
    if response is None:
        return ""
    if not response.body:
        return HTTPStatus(response.status_code).phrase
    detail: str = json.loads(bytes(response.body))["detail"]
    return detail.encode()[:_LONGEST_REASON].decode(errors="ignore")


async def serve_websocket(app: ASGIApp, metrics: HttpMetrics, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket, and close it when its endpoint returns or fails."""
    connection = _Connection(scope, receive, send)
    started = perf_counter()
    metrics.begin_socket()
    try:
        await app(scope, connection.receive, connection.send)
        await connection.end()
    except WebSocketDisconnect as left:
        # How an endpoint that waits for messages or sends them learns that the client has left.
        connection.code = connection.code or left.code
    except Exception as error:
        response = response_to(error, scope)
        failure = response or internal_server_error()
        if response is None:
            log.exception("websocket_failed", path=scope["path"], status=connection.status or failure.status_code)
        await connection.end(failure)
    finally:
        accepted = connection.status == HTTPStatus.SWITCHING_PROTOCOLS
        metrics.end_socket(scope, connection.code if accepted else connection.status)
        log.info(
            "websocket",
            path=scope["path"],
            status=int(connection.status),
            code=connection.code,
            duration_ms=round((perf_counter() - started) * 1000, 2),
        )
