"""Endpoints whose requests can be repeated, by the header `Idempotency-Key`.

A router with `route_class=IdempotentRoute` has them. An endpoint of one statement runs it with `Once`; any other has
`dependencies=[Depends(idempotent)]` and writes in its `WriteSession`, and nowhere else. The draft that this follows:
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from app.database.dependencies import WriteSession, current_database
from app.database.statements import Executor
from app.http.problems import problem
from app.http.retries import RetryingRoute
from app.idempotency.store import Answer, KeyReusedError, claim, remember

KEPT_HEADERS: Final = ("content-type", "location", "etag")
"""What is kept of an answer's headers: name here what else your endpoints set."""

_HEADER: Final = "Idempotency-Key"

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


@dataclass(frozen=True)
class _Claim:
    """A key that this request has taken, in the transaction of its session."""

    session: AsyncSession
    operation: str
    key: str


class _RepeatedError(Exception):
    """The key was used before: this is the answer, and the endpoint is not called."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


class IdempotentRoute(RetryingRoute):
    """A route that stores the answer of a request with a key before the commit.

    A request that collided with another is done once more, as long as it has committed nothing. With a key that is
    until the end, because all that it changes is in that transaction. Without one, `Once` commits each statement by
    itself, and a collision after it is answered with 503.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what FastAPI calls for each request: here the session is still open and the answer is complete."""
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            if _HEADER not in request.headers:
                return await handle(request)
            try:
                async with AsyncExitStack() as transactions:
                    request.state.idempotent_transactions = transactions
                    response = await handle(request)
                    claimed: _Claim | None = getattr(request.state, "idempotency_claim", None)
                    if claimed is not None:
                        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
                        answer = Answer(response.status_code, headers, bytes(response.body))
                        await remember(claimed.session, claimed.operation, claimed.key, answer)
                    return response
            except _RepeatedError as repeated:
                return repeated.answer

        return handle_once


async def idempotent(request: Request, session: WriteSession, key: Key = None) -> None:
    """Carry a request with a key out once, and answer it the same way each time."""
    if key is not None:
        _require_storing_route(request)
        await _claim(request, session, key)


async def once(request: Request, key: Key = None) -> Executor:
    """Give the endpoint what runs its statement: with a key it is in the transaction that stores the answer."""
    database = await current_database(request)
    if key is None:
        return database
    _require_storing_route(request)
    # A dependency with `yield` would do without the route's help, and cost requests without a key a lot for nothing.
    transactions: AsyncExitStack = request.state.idempotent_transactions
    session = await transactions.enter_async_context(database.transaction())
    await _claim(request, session, key)
    return session


Once = Annotated[Executor, Depends(once)]


def _require_storing_route(request: Request) -> None:
    route = request.scope["route"]
    if not isinstance(route, IdempotentRoute):
        raise TypeError(f"The router of {route.path} needs route_class=IdempotentRoute, which stores the answer.")


async def _claim(request: Request, session: AsyncSession, key: str) -> None:
    """Take the key, or end the request with the answer that was given under it.

    Keys are told apart by operation, and not by client. Where clients must not meet each other's keys, add to the
    operation who is asking.
    """
    operation = f"{request.method} {request.scope['route'].path}"
    fingerprint = sha256(f"{request.url.path}?{request.url.query}\n".encode() + await request.body()).digest()
    try:
        answer = await claim(session, operation, key, fingerprint)
    except KeyReusedError:
        detail = "The idempotency key was used for another request. Choose a new key for each request."
        raise _RepeatedError(problem(422, detail, kind="idempotency-key-reused")) from None
    if answer is not None:
        headers = {**answer.headers, "Idempotent-Replayed": "true"}
        raise _RepeatedError(Response(answer.body, answer.status, headers))
    request.state.idempotency_claim = _Claim(session, operation, key)
