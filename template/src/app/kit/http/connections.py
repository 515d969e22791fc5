"""Bounds on connections that uvicorn does not set: how large a head may be, and how long a client may stall."""

import os
import socket
import sys
from asyncio import TimerHandle, Transport
from contextlib import suppress
from contextvars import copy_context
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.kit.http.problems import problem
from app.kit.http.request_id import HEADER, begin_request
from app.kit.http.settings import HttpSettings

_CHECKS: Final = 8
"""How often a connection is looked at in the time for which its client may stall."""

_BEGINNING: Final = 4096
"""How many bytes are parsed at a time while they may be requests: two hundred of the smallest fit in."""

_FAREWELL: Final = 2.0
"""For how many seconds a client may go on sending once it has its answer: it may read only when it has sent all."""

_LAST_WORD: Final = 1.0
"""For how many seconds a TLS connection that is closed waits until the client closes it, too: asyncio waits for 30."""

_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})

_BYTES_ACKED: Final = slice(120, 128)
"""Where `struct tcp_info` of Linux says how much has arrived at the client's host: it has read that, or has room."""

log = structlog.get_logger()


class _Flow(FlowControl):
    """uvicorn's flow control, in which nobody goes on reading while requests wait to be parsed."""

    holds = False

    def resume_reading(self) -> None:
        """Read again, unless some of what was read waits."""
        if not self.holds:
            super().resume_reading()


class _End:
    """The transport, as a response has it: to close it does not cut off a client that is still sending."""

    def __init__(self, protocol: "BoundedProtocol") -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.end


# relies on: what follows are names of uvicorn's protocol, and httptools' callbacks. `test_connections.py` uses each.
class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on heads, on trailers, on waiting requests, and on clients that stall."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What the lifespan of the application yields.
        settings = self.app_state.get("settings")
        bounds = settings if isinstance(settings, HttpSettings) else HttpSettings.model_construct()
        self._max_head_size = bounds.max_head_size
        self._client_timeout = bounds.client_timeout
        self._room = bounds.max_head_size
        """How many bytes may come before they are a whole head or a part of a body."""
        self._got_on = False
        """Whether what was parsed last was one of these."""
        self.url = b""
        self._in_body = False
        self._refused = False
        self._head_ends: int | None = None
        self._repeats_head = False
        self._closed_since: float | None = None
        self._unparsed = b""
        self._check: TimerHandle | None = None
        self._served: object = None
        self._unserved_since = self.loop.time()
        self._taken: bytes | int = -1
        self._taken_at = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to look at the connection."""
        super().connection_made(transport)
        self.flow = self._flow = _Flow(transport)
        self._end = _End(self)
        self._check_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look at it no more."""
        super().connection_lost(exc)
        self._unparsed = b""
        if self._check is not None:
            self._check.cancel()

    # --- Bytes ---

    def data_received(self, data: bytes) -> None:
        """Parse what has come, as far as it fits into the bounds and no request waits for an earlier one."""
        while data and not self._refused:
            if self.pipeline:
                self._unparsed += data
                self._flow.holds = True
                self.flow.pause_reading()
                return
            size = self._room if self._in_body else min(self._room, _BEGINNING)
            part, data = (data, b"") if len(data) <= size else (data[:size], data[size:])
            self._got_on = False
            super().data_received(part)
            if self.transport.is_closing() or self._has_another_protocol():
                return
            if self._head_ends is not None:
                data = self._without_upgrade() + part[self._head_ends :] + data
                self._head_ends = None
            self._room = self._max_head_size if self._got_on else self._room - len(part)
            if not self._room:
                self._refuse_size()

    def on_response_complete(self) -> None:
        """Go on with the next request, and with those that have not been parsed."""
        super().on_response_complete()
        if self._unparsed and not self.pipeline:
            data, self._unparsed = self._unparsed, b""
            self._flow.holds = False
            self.flow.resume_reading()
            self.data_received(data)

    def on_message_begin(self) -> None:
        """Begin a request."""
        if not self._repeats_head:
            super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request, and take what follows its body for no headers."""
        if self._repeats_head:
            self._repeats_head = False
            return
        self._in_body = True
        self._got_on = True
        super().on_headers_complete()
        # The request has the list itself. A trailer could be a header that a proxy has removed.
        self.headers = [*self.headers]
        if self.cycle is not None:
            self.cycle.transport = cast("Transport", self._end)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body, unless the parser has left it out, because it takes it for another protocol."""
        if self.parser.should_upgrade() and not self._should_upgrade() and self._framing():
            return
        self._in_body = False
        super().on_message_complete()

    # --- Upgrades that are not taken up ---

    # What Java's client sends with every request, and what is to be ignored (RFC 9110, section 7.8). httptools takes
    # all that follows for another protocol, and uvicorn loses it: a body, of which parts that come later are taken for
    # requests. https://github.com/Kludex/uvicorn/issues/2722

    def _unsupported_upgrade_warning(self) -> None:
        """Note where the head ends, which uvicorn does not; it calls this where the parser tells of an upgrade."""
        self._head_ends = sys.exc_info()[1].args[0]  # type: ignore[union-attr]
        if self._get_upgrade() == b"websocket":
            super()._unsupported_upgrade_warning()

    def _without_upgrade(self) -> bytes:
        """Return a head after which the parser takes the body for one, or nothing if there is none."""
        framing = self._framing()
        self._repeats_head = bool(framing)
        return b"POST / HTTP/%b\r\n%b\r\n" % (self.scope["http_version"].encode(), framing) if framing else b""

    def _framing(self) -> bytes:
        """Return the headers that say how long the body is, if there is one."""
        return b"".join(b"%b: %b\r\n" % header for header in self.headers if header[0] in _FRAMING)

    def _has_another_protocol(self) -> bool:
        """Whether the connection has become a WebSocket."""
        return self not in self.connections

    # --- Time ---

    def _check_later(self) -> None:
        self._check = self.loop.call_later(self._client_timeout / _CHECKS, self._check_client)

    def _check_client(self) -> None:
        now = self.loop.time()
        unread = self.transport.get_write_buffer_size()
        if not self._reads(now, unread):
            log.info("client_stalled", unread=unread)
            # To close it would wait until the client has read all that is left.
            self.transport.abort()
            return
        if self.transport.is_closing():
            self._closed_since = self._closed_since or now
            if not unread and now - self._closed_since >= _LAST_WORD:
                self.transport.abort()
                return
        elif not (self._refused or self._has_another_protocol()):
            self._check_request(now)
        self._check_later()

    def _reads(self, now: float, unread: int) -> bool:
        """Whether the client has taken anything of what waits for it, in the time that it has for that."""
        taken = _bytes_taken(self.transport) if unread else -1
        if taken != self._taken or not unread:
            self._taken, self._taken_at = taken, now
        return now - self._taken_at < self._client_timeout

    def _check_request(self, now: float) -> None:
        """End the connection if for too long it has neither a request nor uvicorn's own timer for idle connections."""
        if self._serves() or self.timeout_keep_alive_task is not None or self._served is not self.cycle:
            self._served, self._unserved_since = self.cycle, now
        elif now - self._unserved_since >= self._client_timeout:
            if not self._in_body and self._room < self._max_head_size:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The head of the request did not arrive in time.")
            else:
                self.transport.close()

    def _serves(self) -> bool:
        """Whether a request has no response yet, or half of one."""
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    # --- Refusals ---

    def _refuse_size(self) -> None:
        if not self._in_body and 2 * len(self.url) > self._max_head_size:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, "The URL is too long.")
        else:
            detail = f"The head or the trailers of the request are larger than {self._max_head_size} bytes."
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Take no more from this client, and say why if no response to an earlier request is under way."""
        self._refused = True
        if self._serves():
            if not self._in_body:
                # The responses to earlier requests are still to be sent. The last of them ends the connection.
                self.cycle.keep_alive = False
                return
            if self.cycle.response_started or self.pipeline:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        # The id must not become that of another request, which may start in this context.
        copy_context().run(self._send_refusal, status, detail)
        self.end()

    def end(self) -> None:
        """Close the connection, and take no more from the client: it is let finish, or it would not get the answer."""
        if self.transport.is_closing() or not (self._in_body or self._refused) or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._refused = True
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(_FAREWELL, self.transport.close)

    def _send_refusal(self, status: HTTPStatus, detail: str) -> None:
        request_id = begin_request([])
        log.info("request_refused", status=int(status), request_id=request_id)
        response = problem(status, detail)
        headers = [
            *self.server_state.default_headers,
            *response.raw_headers,
            (HEADER.lower().encode(), request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + bytes(response.body))


def _bytes_taken(transport: Transport) -> bytes | int:
    """Return what changes when the client's host takes bytes."""
    # uvloop's own socket objects know no options.
    if hasattr(socket, "TCP_INFO"):
        with suppress(OSError), socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as copy:
            return copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)[_BYTES_ACKED]
    # A socket of this machine, or another system: what lies here is all that is known.
    return transport.get_write_buffer_size()


def bound_connections() -> None:
    """Give every connection that uvicorn accepts from now on the bounds of `BoundedProtocol`.

    uvicorn has chosen its class when it imports the application, however it was started. So that class makes objects
    of this one.
    """

    def new(cls: type[HttpToolsProtocol], *_: Any, **__: Any) -> HttpToolsProtocol:
        return object.__new__(BoundedProtocol if cls is HttpToolsProtocol else cls)

    HttpToolsProtocol.__new__ = new  # type: ignore[assignment, method-assign]
