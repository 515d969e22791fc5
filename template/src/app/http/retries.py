"""Requests that are repeated when their transaction collided with another, on routes that allow it."""

import asyncio
import random
from typing import ClassVar, Final

import structlog
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from app.database.commits import Commits, current_commits
from app.database.errors import collision
from app.http.metrics import HttpMetrics

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 1.0

_ATTEMPTS_LEFT: Final = "app.attempts_left"

log = structlog.get_logger()


class RepeatRequestError(Exception):
    """Ends an attempt of which nothing is stored and nothing sent; only a RetryingRoute ever sees it."""


class RetryingRoute(APIRoute):
    """A route whose requests are done once more, from the start, when the database made them give way to others.

    Choose it with `APIRouter(route_class=RetryingRoute)`, and only for endpoints that change nothing outside of the
    database: a mail that they send would be sent again. Background tasks are safe, because they start after the
    response.

    A request is repeated only while it has committed nothing. After a `Database.execute` that writes or a
    `Database.transaction()` a collision is answered with 503 at once, because a repeat would store the same twice.
    """

    attempts: ClassVar[int] = 3
    """How often a request is tried in all. The last failure is answered with 503."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. The commit is part of what is repeated, since it happens within the route."""
        # Changed in place and put back, so that a middleware sees what the last attempt has left in the state.
        kept = [(changing, dict(changing)) for changing in (scope, scope.setdefault("state", {}), scope["path_params"])]
        received: list[Message] = []
        # One for all attempts: a task that one of them has left behind may commit during the next.
        token = current_commits.set(Commits())
        try:
            for attempt in range(1, self.attempts + 1):
                scope[_ATTEMPTS_LEFT] = self.attempts - attempt
                try:
                    await super().handle(scope, _replay(received, receive), send)
                except RepeatRequestError:
                    for changed, before in kept:
                        changed.clear()
                        changed.update(before)
                    # The session has ended, so no connection waits along; a random pause, or the same ones meet again.
                    longest = min(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), LONGEST_PAUSE_SECONDS)
                    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - no secret
                else:
                    return
        finally:
            current_commits.reset(token)


def _replay(received: list[Message], receive: Receive) -> Receive:
    """Return a `receive` that begins with what was received before, and adds to it what comes after that."""
    position = 0

    async def receive_again() -> Message:
        nonlocal position
        if position == len(received):
            received.append(await receive())
        position += 1
        return received[position - 1]

    return receive_again


def repeat_if_allowed(scope: Scope, error: Exception) -> None:
    """Raise RepeatRequestError if the error is a collision, an attempt is left and nothing is committed.

    For exception handlers: they run when the request's sessions have ended, and never once a response has begun.
    """
    left: int | None = scope.get(_ATTEMPTS_LEFT)
    reason = None if left is None else collision(error)
    if reason is None:
        return
    commits = current_commits.get()
    repeat = bool(left) and (commits is None or not commits.any())
    metrics: HttpMetrics = scope["app"].state.metrics
    metrics.count_retry(scope, reason, "repeated" if repeat else "given_up")
    if repeat:
        log.info("request_repeated", reason=reason, attempts_left=left)
        raise RepeatRequestError from error
