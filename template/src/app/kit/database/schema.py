"""Whether the database answers, and is at the migration that this version of the service was written for."""

import asyncio
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Final

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

import app
from app.kit.database.errors import code_of
from app.kit.database.failures import DatabaseError, origin
from app.kit.database.sessions import Database

TIMEOUT_SECONDS: Final = 2.0

VERSIONS: Final = Path(app.__file__).parent / "migrations" / "versions"
"""Where the service's revisions are."""

_SCRIPTS: Final = Path(__file__).parents[1] / "migrations"


class NotReadyError(Exception):
    """The service cannot do its work now; the message says why and holds no secret."""


@cache
def head_revisions(versions: Path = VERSIONS) -> frozenset[str]:
    """Return the newest revisions in a folder; the files are read once."""
    return frozenset(ScriptDirectory(str(_SCRIPTS), version_locations=[str(versions)]).get_heads())


def current_revisions(connection: Connection) -> frozenset[str]:
    """Return the revisions that the database is at: none before the first migration."""
    schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    context = MigrationContext.configure(connection, opts={"version_table_schema": schema})
    return frozenset(context.get_current_heads())


async def check_readiness(database: Database, expected: Collection[str]) -> None:
    """Raise NotReadyError unless the database answers within two seconds and is at the expected revisions."""
    check = asyncio.create_task(_revisions_of(database))
    check.add_done_callback(_retrieve_exception)
    try:
        # `asyncio.timeout` would also wait until an unresponsive connection is closed, which takes as long again.
        await asyncio.wait({check}, timeout=TIMEOUT_SECONDS)
    finally:
        check.cancel()
    if not check.done():
        raise NotReadyError(f"The database did not answer within {TIMEOUT_SECONDS:g} s.")
    try:
        current = check.result()
    except (SQLAlchemyError, DatabaseError) as error:
        names = " ".join(filter(None, (type(origin(error)).__name__, code_of(error))))
        raise NotReadyError(f"The database cannot be used: {names}.") from error
    if current != frozenset(expected):
        raise NotReadyError(
            f"The database is at revision {_names(current)} and the service needs {_names(expected)}: "
            "run `alembic upgrade head`, or deploy the version of the service that fits the database."
        )


async def _revisions_of(database: Database) -> frozenset[str]:
    async with database.probe() as session:
        connection = await session.connection()
        # Alembic's own code is synchronous. `run_sync` runs it on this event loop, in a greenlet that hands control
        # back while it waits for the database. It is no thread pool: what computes still blocks the loop.
        return await connection.run_sync(current_revisions)


def _retrieve_exception(check: asyncio.Task[frozenset[str]]) -> None:
    """Retrieve the exception of an abandoned check, or asyncio logs that it was never retrieved."""
    if not check.cancelled():
        check.exception()


def _names(revisions: Collection[str]) -> str:
    return ", ".join(sorted(revisions)) or "none"
