"""Endpoints whose requests can be repeated, by the header `Idempotency-Key`.

An endpoint of one statement takes an `IdempotentDatabase` in place of `CurrentDatabase`; any other takes an
`IdempotentSession` in place of `WriteSession`, and writes in it and nowhere else. The draft that this follows:
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import Depends, Header, HTTPException, Request, Response
from pydantic import StringConstraints

from app.kit.database.dependencies import CurrentDatabase, WriteSession
from app.kit.database.query import WritingExecutor
from app.kit.database.sessions import WritingSession
from app.kit.http.components import components_of
from app.kit.http.openapi import responds_with
from app.kit.http.problems import problem
from app.kit.http.retries import RetryingRoute
from app.kit.idempotency.store import KeyReusedError, Reservation, StoredResponse, reserve, store_response

REPLAYED_HEADERS: Final = ("content-type", "location", "etag")
"""The headers of a response that are stored and replayed."""

_HEADER: Final = "Idempotency-Key"
_SCOPE_KEY: Final = "app.idempotency"

Key = Annotated[
    # Anything that can be printed in ASCII; a UUID is best.
    Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[ -~]*$")] | None,
    Header(
        alias=_HEADER,
        description="A name for this request, such as a UUID. Within 24 hours a request that repeats it is not "
        "carried out again, but answered as before, with `Idempotent-Replayed: true`; another request under the "
        "same key is refused with 422. A request that fails leaves its key unused.",
    ),
]


async def same_client(_request: Request) -> str:
    """Tell no client from another: all share their keys."""
    return ""


@dataclass
class _Exchange:
    """What the route and the dependency of one request with a key tell each other."""

    transactions: AsyncExitStack = field(default_factory=AsyncExitStack)
    """Ended by the route, when the response is stored."""

    session: WritingSession | None = None
    """The session in which the key was reserved."""

    reservation: Reservation | None = None
    """What it was reserved as."""


class _ReplayedError(Exception):
    """The key was used before: this is the response, and the endpoint is not called."""

    def __init__(self, response: Response) -> None:
        self.response = response


class IdempotentRoute(RetryingRoute):
    """A route that stores the response to a request with a key before the commit."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what FastAPI calls for each request: here the session is still open and the response is complete."""
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            if _HEADER not in request.headers:
                return await handle(request)
            exchange = request.scope[_SCOPE_KEY] = _Exchange()
            try:
                async with exchange.transactions:
                    response = await handle(request)
                    if exchange.session is not None and exchange.reservation is not None:
                        kept = (name for name in REPLAYED_HEADERS if name in response.headers)
                        headers = {name: response.headers[name] for name in kept}
                        stored = StoredResponse(response.status_code, headers, bytes(response.body))
                        await store_response(exchange.session, exchange.reservation, stored)
                    return response
            except _ReplayedError as replayed:
                return replayed.response

        return handle_once


# A request with a key is stored by its body, also where the endpoint has none.
@responds_with(413)
async def idempotent_session(request: Request, session: WriteSession, key: Key = None) -> WritingSession:
    """Give the endpoint a transaction; with a key, the response is stored in it and replayed afterwards."""
    if key is not None:
        await _reserve(request, session, key)
    return session


@responds_with(413)
async def idempotent_database(request: Request, database: CurrentDatabase, key: Key = None) -> WritingExecutor:
    """Give the endpoint what runs its statement: with a key, the transaction in which the response is stored.

    A `yield` dependency would be simpler, but adds an exit stack to every request, with or without a key.
    """
    if key is None:
        return database
    session = await _exchange_of(request).transactions.enter_async_context(database.transaction())
    await _reserve(request, session, key)
    return session


IdempotentDatabase = Annotated[WritingExecutor, Depends(idempotent_database)]
IdempotentSession = Annotated[WritingSession, Depends(idempotent_session)]


def _exchange_of(request: Request) -> _Exchange:
    exchange: _Exchange | None = request.scope.get(_SCOPE_KEY)
    if exchange is None:
        raise TypeError(f"{request.scope['route'].path} needs an `app.kit.routing.Router`, which stores the response.")
    return exchange


async def _reserve(request: Request, session: WritingSession, key: str) -> None:
    """Reserve the key, or end the request with the response that is stored under it."""
    if len(request.headers.getlist(_HEADER)) > 1:
        raise HTTPException(422, f"A request has one `{_HEADER}`, and this one has several.")
    exchange = _exchange_of(request)
    operation = f"{request.method} {request.scope['route'].path}"
    reservation = Reservation(await components_of(request.scope).client_of(request), operation, key)
    fingerprint = sha256(f"{request.url.path}?{request.url.query}\n".encode() + await request.body()).digest()
    try:
        stored = await reserve(session, reservation, fingerprint)
    except KeyReusedError:
        detail = "The idempotency key was used for another request. Choose a new key for each request."
        raise _ReplayedError(problem(422, detail, kind="idempotency-key-reused")) from None
    if stored is not None:
        headers = {**stored.headers, "Idempotent-Replayed": "true"}
        raise _ReplayedError(Response(stored.body, stored.status, headers))
    exchange.session, exchange.reservation = session, reservation
