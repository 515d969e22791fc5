"""What migrations of any database need: a connection, or else one message and no traceback; and Alembic's own table."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.compiler import DDLCompiler

from app.kit.database.failures import DatabaseError
from app.kit.database.settings import DatabaseSettings

_VERSION_TABLE: Final = "alembic_version"


@compiles(CreateTable)
def _create_version_table_once(create: CreateTable, compiler: DDLCompiler, **options: Any) -> str:
    """Let a script that starts at the base run where another went down to it: Alembic's own table is still there."""
    if create.element.name == _VERSION_TABLE:
        create.if_not_exists = True
    return str(compiler.visit_create_table(create, **options))  # type: ignore[no-untyped-call]


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
