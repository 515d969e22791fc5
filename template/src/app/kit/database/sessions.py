"""The database of a running service: its sessions, and when each may use a connection."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Final, Literal, NamedTuple, NoReturn, Protocol

from sqlalchemy import Connection, Executable, Row, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

# relies on: `greenlet_spawn`, which SQLAlchemy exports and does not document. `AsyncConnection.run_sync` does the same.
from sqlalchemy.util import greenlet_spawn

from app.kit.database.admission import Admission
from app.kit.database.commits import Committing
from app.kit.database.engine import create_engines
from app.kit.database.failures import SessionBlockError
from app.kit.database.holds import Hold, warn_of_second_connection
from app.kit.database.models import import_models
from app.kit.database.pool import overflow_of
from app.kit.database.reading import ReadOnlySession, refuse_writes
from app.kit.database.rows import mapper_of
from app.kit.database.settings import DatabaseSettings


class PoolStatus(NamedTuple):
    """The state of the pool at one moment."""

    size: int
    checked_out: int
    overflow: int
    waiting: int
    waits: int
    waited_seconds: float


class _EndedByCalls(Protocol):
    """A session whose transaction calls may end. None of ours: each ends with its block."""

    @property
    def ended_by_calls(self) -> Literal[True]:
        """Tell it from ours."""


def _ends_with_its_block(call: str) -> NoReturn:
    raise SessionBlockError(
        f"`{call}()` would end a session before its block ends, which commits, or rolls back if it raises. "
        "`flush()` sends what is pending now, and `begin_nested()` makes a part that may fail alone."
    )


class ReadingSession(AsyncSession):
    """A session that only reads. What reads takes one, and so may be given a `WritingSession` too.

    It ends with its block: a call that would end it earlier raises SessionBlockError. Most are type errors, too.
    """

    sync_session_class: type[Session] = ReadOnlySession
    _block_has_ended = False

    async def commit(self: _EndedByCalls) -> None:
        """Raise SessionBlockError: the block commits when it ends."""
        _ends_with_its_block("commit")

    async def rollback(self: _EndedByCalls) -> None:
        """Raise SessionBlockError: the block rolls back if it raises."""
        _ends_with_its_block("rollback")

    async def reset(self: _EndedByCalls) -> None:
        """Raise SessionBlockError: it would lose what was written."""
        _ends_with_its_block("reset")

    async def close(self) -> None:
        """Raise SessionBlockError before the block has ended: it would lose what was written."""
        if not self._block_has_ended:
            _ends_with_its_block("close")
        await super().close()

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._block_has_ended = True
        await super().__aexit__(kind, error, traceback)


class WritingSession(ReadingSession):
    """A session in a transaction. What writes takes one, so handing it a `ReadingSession` is a type error."""

    sync_session_class = Session
    may_write: ClassVar[Literal[True]] = True


class Database:
    """One pool of connections, and the ways to use it: one statement by itself, or one of three kinds of session.

    A session has a connection of its own, which is taken back at the end of the block, also when the block fails or
    is cancelled. It belongs to one task: tasks that run side by side need a session each. Every way raises
    `PoolExhaustedError` when no connection becomes free in time, and warns with `SecondConnectionWarning` when the
    current request holds a connection of this database already.
    """

    may_write: ClassVar[Literal[True]] = True

    def __init__(self, settings: DatabaseSettings) -> None:
        self.engines = create_engines(settings)
        self.admission = Admission(settings.connection_limit, settings.database_pool_timeout)
        # A closed session would otherwise open again by itself, outside of any transaction, and lose what it wrote.
        # What was read stays readable after the commit: expiring it would ask the database again.
        options: dict[str, Any] = {"close_resets_only": False, "expire_on_commit": False}
        self._writing = async_sessionmaker(self.engines.write, class_=WritingSession, **options)
        self._reading = async_sessionmaker(self.engines.read, class_=ReadingSession, **options)
        self._snapshot = async_sessionmaker(self.engines.snapshot, class_=ReadingSession, **options)
        for engine in (self.engines.read, self.engines.snapshot):
            event.listen(engine.sync_engine, "before_cursor_execute", refuse_writes)
        self._rolled_back: AsyncConnection | None = None

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """Run one statement by itself and return its rows, in half the time that a session takes.

        It is atomic, and what it writes is stored when this returns. Rows hold columns: entities need a session.
        """
        warn_of_second_connection(self)
        if parameters and statement.is_insert:
            parameters = _by_column(statement, parameters)
        async with self.admission:
            with Committing(statement):
                # One switch to SQLAlchemy's synchronous side, where its own `AsyncConnection` makes one for each step.
                return await greenlet_spawn(self._execute, statement, parameters)

    def _execute(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Sequence[Row[*tuple[Any, ...]]]:
        if self._rolled_back is not None:
            connection = _synchronous(self._rolled_back)
            with connection.begin_nested():
                return _run(connection, statement, parameters)
        with self.engines.single.sync_engine.begin() as connection:
            return _run(connection, statement, parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[WritingSession]:
        """Run the block in a transaction that is committed at its end, or rolled back if it raises.

        After the block the data is stored. Raises what the commit raises, such as a violated deferred constraint.
        """
        with Hold(self), Committing():
            async with self.admission, self._writing() as session, session.begin():
                yield session

    def read(self) -> AbstractAsyncContextManager[ReadingSession]:
        """Read without a transaction around it: each statement sees what is committed when it starts."""
        return self._read_in(self._reading)

    def snapshot(self) -> AbstractAsyncContextManager[ReadingSession]:
        """Read in one transaction that sees one state of the database throughout, as server-side cursors need."""
        return self._read_in(self._snapshot)

    @asynccontextmanager
    async def _read_in(self, sessions: async_sessionmaker[ReadingSession]) -> AsyncIterator[ReadingSession]:
        with Hold(self):
            async with self.admission, sessions() as session:
                yield session
                # Pending changes are refused, not lost.
                session.sync_session.flush()

    @asynccontextmanager
    async def rolled_back(self) -> AsyncIterator[None]:
        """Let all that this database does until the end of the block happen in one transaction, then roll it back.

        It is for tests. A commit is a released savepoint meanwhile: deferred constraints are not checked, and
        sessions must follow one after the other. Within such a block another one takes back only what it did itself.
        """
        if self._rolled_back is not None:
            savepoint = await self._rolled_back.begin_nested()
            try:
                yield
            finally:
                await savepoint.rollback()
            return
        makers = {
            self._writing: self.engines.write,
            self._reading: self.engines.read,
            self._snapshot: self.engines.snapshot,
        }
        async with self.engines.write.connect() as connection:
            event.listen(_synchronous(connection), "before_cursor_execute", refuse_writes)
            transaction = await connection.begin()
            for maker in makers:
                maker.configure(bind=connection, join_transaction_mode="create_savepoint")
            self._rolled_back = connection
            try:
                yield
            finally:
                self._rolled_back = None
                for maker, engine in makers.items():
                    maker.configure(bind=engine, join_transaction_mode="conditional_savepoint")
                await transaction.rollback()

    def pool_status(self) -> PoolStatus:
        """Return how busy the connections are."""
        admission = self.admission
        return PoolStatus(
            size=admission.limit,
            checked_out=admission.admitted,
            overflow=overflow_of(self.engines.write),
            waiting=admission.waiting,
            waits=admission.waits,
            waited_seconds=admission.waited_seconds,
        )

    async def dispose(self) -> None:
        """Close the connections that are not in use."""
        await self.engines.write.dispose()


def _by_column(statement: Any, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of an INSERT by the columns' own names; a session alone finds them by those of attributes."""
    mapper = mapper_of(statement.table)
    if mapper is None:
        return parameters
    columns = mapper.columns
    return {columns[name].key if name in columns else name: value for name, value in parameters.items()}


def _run(
    connection: Connection, statement: Executable, parameters: Mapping[str, Any] | None
) -> Sequence[Row[*tuple[Any, ...]]]:
    result = connection.execute(statement, parameters)
    return result.all() if result.returns_rows else []


def _synchronous(connection: AsyncConnection) -> Connection:
    synchronous = connection.sync_connection
    if synchronous is None:
        raise RuntimeError("The connection was closed.")
    return synchronous


_OPEN: Final[list[Database]] = []


def open_databases() -> Sequence[Database]:
    """Return the databases that are open in this process, in the order in which they were opened."""
    return tuple(_OPEN)


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Open the database for the duration of the block; connections are opened when they are first needed.

    All models are imported first, so that a script that uses one of them finds those that it refers to.
    """
    import_models()
    database = Database(settings)
    _OPEN.append(database)
    try:
        yield database
    finally:
        _OPEN.remove(database)
        await database.dispose()
