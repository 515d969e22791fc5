"""Statements that are built once, each with the type of its rows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import cached_property, lru_cache
from typing import Any, Final, Generic, Literal, Protocol, TypeVar, TypeVarTuple, cast

from sqlalchemy import (
    Executable,
    GenerativeSelect,
    Integer,
    Row,
    Table,
    Update,
    bindparam,
    inspect,
    literal_column,
    update,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.sql import visitors
from sqlalchemy.sql.selectable import ExecutableReturnsRows, TypedReturnsRows

from app.kit.database.failures import NotFoundError, VersionMismatchError
from app.kit.database.rows import check_row, check_scalar, parameter_names
from app.kit.database.sessions import Database, ReadingSession, WritingSession

EntityT = TypeVar("EntityT", bound=DeclarativeBase)
RowT = TypeVar("RowT")
ValueT = TypeVar("ValueT")
ColumnTs = TypeVarTuple("ColumnTs")

_ONE: Final = literal_column("1", Integer)
"""Written into the statement: a parameter would cost as much as any other."""


class Executor(Protocol):
    """Runs a statement: a `Database`, by itself, or a session, in its transaction."""

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> Iterable[Row[*tuple[Any, ...]]]:
        """Run a statement and return its rows."""


class WritingExecutor(Executor, Protocol):
    """An executor that may write: a `Database` or a `WritingSession`."""

    @property
    def may_write(self) -> Literal[True]:
        """Tell it from one that only reads."""


@asynccontextmanager
async def session_of(executor: WritingExecutor) -> AsyncIterator[WritingSession]:
    """Give the session that an executor is, or a transaction of its own if it is a database."""
    if isinstance(executor, Database):
        async with executor.transaction() as session:
            yield session
    else:
        yield cast("WritingSession", executor)


class _Statement(Generic[RowT]):
    """A statement, and what makes a row of its columns."""

    def __init__(self, row: Callable[[*ColumnTs], RowT], statement: TypedReturnsRows[*ColumnTs]) -> None:
        check_row(row, statement)
        self.row: Callable[..., RowT] = row
        self.statement: ExecutableReturnsRows = statement

    def check_parameters(self, given: Mapping[str, Any]) -> None:
        """Raise TypeError, as a function does, unless the statement takes these parameters and needs no others."""
        needed, known = self._names
        if not known.issuperset(given):
            takes = ", ".join(sorted(known)) or "none"
            raise TypeError(f"unexpected parameter {min(given.keys() - known)!r}; the statement takes: {takes}")
        if needed and len(given) < len(known) and not needed.issubset(given):
            raise TypeError(f"missing parameter {min(needed - given.keys())!r}")

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        # When the statement is built, not every model that it joins may be imported yet.
        return parameter_names(self.statement)

    async def _rows(self, executor: Executor, statement: Executable, parameters: Mapping[str, Any]) -> list[RowT]:
        self.check_parameters(parameters)
        make = self.row
        return [make(*row) for row in await executor.execute(statement, parameters)]


class Query(_Statement[RowT]):
    """A SELECT and the type of its rows: `Query(InvoiceRow, select(Invoice.id, Invoice.number))`.

    The type checker compares the columns with the fields of the row, in order, where it knows their types: up to ten
    columns. So names, order and types are compared once more when the query is built, and a TypeError says what does
    not fit. Parameters are the statement's `bindparam`s, by name; one that is misspelt is a TypeError, too.
    """

    def __init__(self, row: Callable[[*ColumnTs], RowT], statement: TypedReturnsRows[*ColumnTs]) -> None:
        """Build a query; raises TypeError for a statement that writes, or whose columns do not fit the row."""
        if statement.is_dml:
            raise TypeError("The statement writes: make it a Command, which runs where writing is allowed.")
        super().__init__(row, statement)
        # Only what selects can be given a limit. Text cannot.
        self.first_statement = statement.limit(_ONE) if isinstance(statement, GenerativeSelect) else statement

    @classmethod
    def of_values(cls, statement: TypedReturnsRows[ValueT]) -> Query[ValueT]:
        """Build a query of one column, whose rows are that column's values."""
        check_scalar(statement)
        return Query(_only, statement)

    async def all(self, executor: Executor, /, **parameters: Any) -> list[RowT]:
        """Return every row."""
        return await self._rows(executor, self.statement, parameters)

    async def first(self, executor: Executor, /, **parameters: Any) -> RowT | None:
        """Return the first row, or None if there is none. Only this row is fetched."""
        return next(iter(await self._rows(executor, self.first_statement, parameters)), None)

    async def get(self, executor: Executor, /, **parameters: Any) -> RowT:
        """Return the first row; raises NotFoundError, which is answered with 404, if there is none."""
        for row in await self._rows(executor, self.first_statement, parameters):
            return row
        raise self.not_found(parameters)

    def not_found(self, parameters: Mapping[str, object]) -> NotFoundError:
        """Return the error that there is no row for these parameters."""
        return _not_found(_table_of(self.statement), parameters)

    async def batches(
        self, session: ReadingSession, /, size: int, **parameters: Any
    ) -> AsyncGenerator[list[RowT], None]:
        """Yield all rows in lists of `size`, through a server-side cursor, so that memory stays flat.

        A cursor needs a transaction, as `Database.snapshot()` and `Database.transaction()` have. Whoever leaves before
        the end closes the generator, as `contextlib.aclosing` does, and with it the cursor.
        """
        self.check_parameters(parameters)
        make = self.row
        # What the session has not sent yet belongs to the result. By itself, it would look at each row once more.
        await session.flush()
        connection = await session.connection()
        result = await connection.stream(self.statement.execution_options(yield_per=size), parameters)
        try:
            async for batch in result.partitions():
                yield [make(*row) for row in batch]
        finally:
            await result.close()


class Command(_Statement[RowT]):
    """An INSERT, UPDATE or DELETE with RETURNING, and the type of its rows; checked as a `Query` is.

    Parameters are the statement's `bindparam`s and, of an INSERT or UPDATE, the values of columns.
    """

    async def all(self, executor: WritingExecutor, /, **parameters: Any) -> list[RowT]:
        """Return every row that was written."""
        return await self._rows(executor, self.statement, parameters)

    async def one(self, executor: WritingExecutor, /, **parameters: Any) -> RowT:
        """Return the only row that was written; raises ValueError if there is another number of them."""
        (row,) = await self._rows(executor, self.statement, parameters)
        return row


async def get_entity(session: ReadingSession, model: type[EntityT], key: object, *options: ORMOption) -> EntityT:
    """Return the entity with this primary key; raises NotFoundError, which is answered with 404, if there is none.

    `options` are the query's, such as `selectinload(Invoice.lines)`.
    """
    entity = await session.get(model, key, options=options)
    if entity is None:
        raise _not_found(inspect(model).local_table.description, {"id": key})
    return entity


async def delete_entity(
    session: WritingSession, model: type[EntityT], key: object, *, versions: Collection[int] | None = None
) -> None:
    """Delete the entity of a `Versioned` model with this primary key, if it has one of these versions.

    Raises NotFoundError, VersionMismatchError, StaleDataError and IntegrityError, which are answered with 404, 412, 409
    and 409.
    """
    entity = await get_entity(session, model, key)
    version: int = entity.version  # type: ignore[attr-defined]  # of a mixin
    if versions is not None and version not in versions:
        raise VersionMismatchError(version)
    await session.delete(entity)
    await session.flush()


async def change_row(
    executor: WritingExecutor, model: type[DeclarativeBase], row: RowT, values: Mapping[str, Any]
) -> RowT:
    """Change a row of a `Versioned` model, and return it as it is now.

    The row is a named tuple or a dataclass with the fields `id` and `version`. Where nothing changes, nothing is sent
    and the row is returned. Raises StaleDataError if someone else has changed the row since it was read.
    """
    read = _as_dict(row)
    changed = {name: value for name, value in values.items() if name not in read or read[name] != value}
    if not changed:
        return row
    return type(row)(*await update_row(executor, model, (read["id"], read["version"]), changed, tuple(read)))


async def update_row(
    executor: WritingExecutor,
    model: type[DeclarativeBase],
    read: tuple[Any, Any],
    values: Mapping[str, Any],
    returned: tuple[str, ...],
) -> Row[*tuple[Any, ...]]:
    """Update a row of which id and version were read, and return these attributes of it; raises StaleDataError."""
    columns = inspect(model).columns
    # Statements know columns by their own names, which may be others than those of the attributes.
    parameters = {columns[name].key: value for name, value in values.items()}
    key, parameters["version_read"] = read
    parameters["id_read"] = key
    for now in await executor.execute(_update(model, returned), parameters):
        return now
    raise stale(model, key)


def stale(model: type[DeclarativeBase], key: object) -> StaleDataError:
    """Return the error that somebody else was faster."""
    return StaleDataError(f"{model.__name__} {key} was changed since it was read.")


def check_versioned(model: type[DeclarativeBase]) -> None:
    """Raise TypeError for a model of which an UPDATE by id and version could overwrite what was not read."""
    mapper = inspect(model)
    if mapper.version_id_col is None or mapper.version_id_col is not mapper.columns.get("version"):
        raise TypeError(f"{model.__name__} is not `Versioned`: changes of its entities would not be noticed.")
    if len(mapper.tables) > 1:
        raise TypeError(f"{model.__name__} lies in several tables, and one statement changes one: change its entity.")
    key = mapper.columns.get("id")
    if key is None or not (key.unique or list(mapper.primary_key) == [key]):
        raise TypeError(f"{model.__name__} has other keys than `id`, so several rows may have it: change its entity.")


def _as_dict(row: Any) -> dict[str, Any]:
    if isinstance(row, tuple):
        return dict(zip(cast("Any", row)._fields, row, strict=True))
    return {field.name: getattr(row, field.name) for field in fields(row)}


@lru_cache(maxsize=256)
def _update(model: type[DeclarativeBase], names: tuple[str, ...]) -> Update:
    """Build the statement once: which columns it sets, the parameters tell."""
    check_versioned(model)
    columns = inspect(model).columns
    return (
        update(model)
        .where(columns.id == bindparam("id_read"), columns.version == bindparam("version_read"))
        .values(version=columns.version + 1)
        .returning(*(columns[name] for name in names))
    )


def _only(*values: ValueT) -> ValueT:
    return values[0]


def _table_of(statement: Executable) -> str:
    """Return the name of the first table that is selected from."""
    parts: Iterable[Any] = getattr(statement, "columns_clause_froms", ())
    return next((part.name for each in parts for part in visitors.iterate(each) if isinstance(part, Table)), "row")


def _not_found(what: str, parameters: Mapping[str, object]) -> NotFoundError:
    noun = what.rpartition(".")[2].replace("_", " ")
    if parameters.keys() == {"id"}:
        return NotFoundError(f"There is no {noun} {parameters['id']}.")
    return NotFoundError(f"There is no such {noun}.")
