"""Requests that are repeated when their transaction ended in a conflict, such as a deadlock, and nothing is stored."""

import asyncio
import random
from typing import ClassVar, Final

import structlog
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from app.kit.database.commits import Commits, current_commits
from app.kit.database.errors import conflict
from app.kit.http.components import components_of
from app.kit.http.settings import HttpSettings

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 1.0

_ATTEMPTS_LEFT: Final = "app.attempts_left"

log = structlog.get_logger()


class RepeatRequestError(Exception):
    """Ends an attempt of which nothing is stored and nothing sent; only a RetryingRoute ever sees it."""


class RetryingRoute(APIRoute):
    """A route that retries a request whose transaction ended in a conflict: one that `errors.conflict` names.

    A request is repeated only while it has committed nothing. After a `Database.execute` that writes, or a
    `Database.transaction()`, a conflict is answered with 503 at once, because a repeat would store the same twice. What
    a request does outside of databases is not known here: a mail that it sends would be sent again. Background tasks
    are safe, because they start after the response.

    An exception handler decides, by `repeat_if_allowed`, because it sees the error when the sessions have ended.
    """

    attempts: ClassVar[int | None] = None
    """How often a request is tried in all, or None for as often as the settings say. The last failure is a 503."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. The commit is part of what is repeated, since it happens within the route."""
        # Changed in place and put back, so that a middleware sees what the last attempt has left in the state.
        kept = [(changing, dict(changing)) for changing in (scope, scope.setdefault("state", {}), scope["path_params"])]
        received: list[Message] = []
        attempts = self.attempts
        if attempts is None:
            # Before the lifespan there are no settings, and no database with which to be in conflict.
            settings: HttpSettings | None = scope["state"].get("settings")
            attempts = 1 if settings is None else settings.request_attempts
        # One record for all attempts, because a task that one of them left behind may commit during the next. What a
        # middleware has committed is not in it: only the route is repeated.
        token = current_commits.set(Commits())
        try:
            for attempt in range(1, attempts + 1):
                scope[_ATTEMPTS_LEFT] = attempts - attempt
                try:
                    await super().handle(scope, replay(received, receive), send)
                except RepeatRequestError:
                    for changed, before in kept:
                        changed.clear()
                        changed.update(before)
                    # Back off with full jitter. The session has ended, so no connection is held meanwhile.
                    longest = min(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), LONGEST_PAUSE_SECONDS)
                    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - no secret
                else:
                    return
        finally:
            current_commits.reset(token)


def replay(received: list[Message], receive: Receive) -> Receive:
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
    """Raise RepeatRequestError if the error is a conflict, an attempt is left, and nothing is committed.

    For exception handlers: they run when the request's sessions have ended, and never once a response has begun.
    """
    left: int | None = scope.get(_ATTEMPTS_LEFT)
    reason = None if left is None else conflict(error)
    if reason is None:
        return
    commits = current_commits.get()
    repeatable = left and (commits is None or not commits.any())
    components_of(scope).metrics.count_retry(scope, reason, "repeated" if repeatable else "exhausted")
    if repeatable:
        log.info("request_repeated", reason=reason, attempts_left=left)
        raise RepeatRequestError from error
