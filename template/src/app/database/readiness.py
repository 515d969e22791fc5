"""Whether the database answers and has the schema that this version of the service was written for."""

import asyncio
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from app.database.errors import DatabaseError
from app.database.migrations import current_revisions, head_revisions
from app.database.sessions import Database

TIMEOUT_SECONDS: Final = 2.0


class NotReadyError(Exception):
    """The service cannot do its work now; the message says why and holds no secret."""


async def check_readiness(database: Database) -> None:
    """Raise NotReadyError unless the database answers within two seconds and is at the migration head."""
    asking = asyncio.create_task(_ask(database))
    asking.add_done_callback(_forget)
    try:
        # `asyncio.timeout` would also wait until a connection that fell silent is closed, which takes as long again.
        await asyncio.wait({asking}, timeout=TIMEOUT_SECONDS)
    finally:
        asking.cancel()
    if not asking.done():
        raise NotReadyError(f"The database did not answer within {TIMEOUT_SECONDS:g} s.")
    try:
        current = asking.result()
    except (SQLAlchemyError, DatabaseError) as error:
        raise NotReadyError(f"The database cannot be used: {type(error).__name__}.") from error
    heads = head_revisions()
    if current != heads:
        raise NotReadyError(
            f"The database is at revision {_names(current)} and the service needs {_names(heads)}: "
            "run `alembic upgrade head`, or deploy the version of the service that fits the database."
        )


async def _ask(database: Database) -> frozenset[str]:
    async with database.read() as session:
        connection = await session.connection()
        # Alembic's own code is synchronous. `run_sync` runs it on this event loop, in a greenlet that hands control
        # back while it waits for the database. It is no thread pool: what computes still blocks the loop.
        return await connection.run_sync(current_revisions)


def _forget(asking: asyncio.Task[frozenset[str]]) -> None:
    """Look at how the question ended: asyncio would complain of an error that comes after the answer was given up."""
    if not asking.cancelled():
        asking.exception()


def _names(revisions: frozenset[str]) -> str:
    return ", ".join(sorted(revisions)) or "none"
