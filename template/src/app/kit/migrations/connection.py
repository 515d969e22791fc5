"""The connection of a migration, which fails with one message, and not with a traceback, if there is none."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.kit.database.failures import DatabaseError
from app.kit.database.settings import DatabaseSettings


@asynccontextmanager
async def connected(engine: AsyncEngine, settings: DatabaseSettings) -> AsyncIterator[AsyncConnection]:
    """Connect for the time of the block. Raises CommandError, which says why not and shows no password."""
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
        except (DBAPIError, DatabaseError) as error:
            url = settings.database_url.render_as_string(hide_password=True)
            reason = " ".join(str(error.__cause__ or error).split()) or type(error.__cause__ or error).__name__
            raise CommandError(f"DATABASE_URL names {url}, which cannot be used: {reason}") from error
        yield connection
