"""ASGI middleware that finds out who calls, before anything is opened for the request.

A dependency could do it, too, but after those before it: it would look the caller up while a session is open, and take
a second connection, or hold the one that is open while it waits for the issuer. It refuses nobody: whether somebody has
to be known is for the endpoint to say, by `CurrentUser`.
"""

from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.kit.auth.errors import InvalidTokenError
from app.kit.auth.tokens import User

STATE: Final = "authentication"
"""What the lifespan's state calls the verifier."""

_CALLER: Final = "app.caller"

_HEADER: Final = b"authorization"


class Verifier(Protocol):
    """Tells who calls, by what stands behind `Authorization: Bearer`."""

    async def verify(self, credentials: str, /) -> User:
        """Return who calls; raises what the request is to be refused with."""


class Authentication:
    """Leaves with each request and each WebSocket who sends it, or why that cannot be told."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "lifespan" and any(name == _HEADER for name, _ in scope["headers"]):
            scope[_CALLER] = await _caller(scope)
        await self._app(scope, receive, send)


def caller_of(scope: Scope) -> User | None:
    """Return who sends a request, None if it does not say. Raises what its credentials are refused with."""
    caller: User | Exception | None = scope.get(_CALLER)
    if isinstance(caller, Exception):
        raise caller
    return caller


async def _caller(scope: Scope) -> User | Exception | None:
    verifier: Verifier = scope["state"][STATE]
    sent = Headers(scope=scope).getlist("Authorization")
    if len(sent) > 1:
        return InvalidTokenError("A request has one `Authorization`, and this one has several.")
    scheme, _, credentials = sent[0].partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        return await verifier.verify(credentials.strip())
    except Exception as error:
        # The endpoint that asks who calls raises it.
        return error
