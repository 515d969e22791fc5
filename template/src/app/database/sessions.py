"""The database of a running service: its sessions, and who may use a connection when."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from sqlalchemy import Executable, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.util import greenlet_spawn

from app.database.admission import Admission
from app.database.commits import Committing
from app.database.engine import create_engines
from app.database.errors import ReadOnlySessionError
from app.database.pool import overflowing
from app.database.rows import AnyRow
from app.database.settings import DatabaseSettings


class PoolStatus(NamedTuple):
    """The state of the pool at one moment."""

    size: int
    checked_out: int
    overflow: int
    waiting: int
    waits: int
    waited_seconds: float


_READ_ONLY = "This session only reads: use a WriteSession or `Database.transaction()` to write."


class ReadOnlySession(Session):
    """A session that refuses to write, because without a transaction a write could be half done."""


@event.listens_for(ReadOnlySession, "do_orm_execute")
def _refuse_writes(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        raise ReadOnlySessionError(_READ_ONLY)


@event.listens_for(ReadOnlySession, "before_flush")
def _refuse_flush(_session: Session, _context: object, _instances: object) -> None:
    raise ReadOnlySessionError(_READ_ONLY)


class Database:
    """One pool of connections, and the ways to use it: one statement by itself, or one of three kinds of session.

    A session has a connection of its own, which is taken back at the end of the block, also when the block fails or
    is cancelled. It belongs to one task: tasks that run side by side need a session each. Every way raises
    `PoolExhaustedError` when no connection becomes free in time.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.engines = create_engines(settings)
        self.admission = Admission(settings.connection_limit, settings.database_pool_timeout)
        # A closed session would otherwise open again by itself, outside of any transaction, and lose what it wrote.
        # What was read stays readable after the commit: expiring it would ask the database again.
        options: dict[str, Any] = {"close_resets_only": False, "expire_on_commit": False}
        self.write_sessions = async_sessionmaker(self.engines.write, **options)
        self.read_sessions = async_sessionmaker(self.engines.read, sync_session_class=ReadOnlySession, **options)
        self.snapshot_sessions = async_sessionmaker(
            self.engines.snapshot, sync_session_class=ReadOnlySession, **options
        )
        self.begin_single = self.engines.single.sync_engine.begin

    async def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None, /) -> Sequence[AnyRow]:
        """Run one statement by itself and return its rows, in half the time that a session takes.

        It is atomic, and what it writes is stored when this returns. Rows hold columns: entities need a session.
        """
        async with self.admission:
            with Committing(statement):
                # One switch to SQLAlchemy's synchronous side, where its own `AsyncConnection` makes one for each step.
                return await greenlet_spawn(self._execute, statement, parameters)

    def _execute(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Sequence[AnyRow]:
        with self.begin_single() as connection:
            result = connection.execute(statement, parameters)
            return result.all() if result.returns_rows else []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Run the block in a transaction that is committed at its end, or rolled back if it raises.

        After the block the data is stored. Raises what the commit raises, such as a violated deferred constraint.
        """
        with Committing():
            async with self.admission, self.write_sessions() as session, session.begin():
                yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Read without a transaction around it: each statement sees what is committed when it starts."""
        async with self.admission, self.read_sessions() as session:
            yield session
            session.sync_session.flush()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Read in one transaction that sees one state of the database throughout, as server-side cursors need."""
        async with self.admission, self.snapshot_sessions() as session:
            yield session
            session.sync_session.flush()

    def pool_status(self) -> PoolStatus:
        """Return how busy the connections are."""
        admission = self.admission
        return PoolStatus(
            size=admission.limit,
            checked_out=admission.admitted,
            overflow=overflowing(self.engines.write),
            waiting=admission.waiting,
            waits=admission.waits,
            waited_seconds=admission.waited_seconds,
        )

    async def dispose(self) -> None:
        """Close the connections that are not in use."""
        await self.engines.write.dispose()


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Open the database for the duration of the block; connections are opened when they are first needed."""
    database = Database(settings)
    try:
        yield database
    finally:
        await database.dispose()
