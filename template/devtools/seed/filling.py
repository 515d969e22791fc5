"""Stores the rows: batch by batch, each in a transaction of its own."""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import CheckConstraint, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase

from app.kit.database.bulk import insert_many
from app.kit.database.failures import DatabaseError, origin
from app.kit.database.sessions import Database
from devtools.seed import SeedError
from devtools.seed.factory import Factory, Makers
from devtools.seed.models import Filled
from devtools.seed.rows import Row, Rows
from devtools.seed.values import Values

_BATCH: Final = 5_000
"""How many rows are in memory, and in a transaction."""

Factories = Mapping[type[DeclarativeBase], type[Factory[Any]]]


async def fill(database: Database, filled: Filled, wanted: int, factories: Factories) -> AsyncGenerator[int, None]:
    """Add rows, and yield after each transaction how many it has stored.

    They are fewer than wanted where there are no more that are unique. Raises SeedError if the database refuses them.
    """
    rows = rows_of(filled, factories)
    # Of those that refer to others of their kind, some come first.
    size = max(1, wanted // 10) if filled.refers_to_itself else wanted
    left = wanted
    while left > 0:
        batch = await rows.batch(database, min(size, left, _BATCH))
        if not batch:
            return
        try:
            await _store(database, filled, batch)
        except (SQLAlchemyError, DatabaseError) as error:
            raise SeedError(_explain(filled, str(origin(error)).partition("\n")[0])) from error
        left -= len(batch)
        yield len(batch)


def rows_of(filled: Filled, factories: Factories) -> Rows:
    """Return what makes the rows: the owner's factory of the model, or what is known of its columns."""
    factory = None if filled.model is None else factories.get(filled.model)
    if factory is None:
        makers = Makers(filled, Values(Factory.__faker__, Factory.__random__, Factory.__today__)).by_name
        return Rows(
            filled,
            lambda row: {**row, **{name: make() for name, make in makers.items()}},
            set(),
            Factory.__random__,
        )
    columns = filled.columns

    def made(row: Row) -> Row:
        return {name: value for name, value in factory.process_kwargs(**row).items() if name in columns}

    return Rows(filled, made, factory.declared(), Factory.__random__)


async def _store(database: Database, filled: Filled, batch: Sequence[Row]) -> None:
    if filled.model is not None:
        await insert_many(database, filled.model, batch)
        return
    async with database.transaction() as session:
        await session.execute(insert(filled.table), batch)


def _explain(filled: Filled, message: str) -> str:
    """Say which column the database has refused, and how to mend it."""
    if filled.model is None:
        return f"{filled.table.name}: {message}. There is no model of this table, so its rows are for you to make."
    names = _named_in(message, filled)
    column = filled.columns[names[0]].type if names else None
    model = filled.model.__name__
    name = names[0] if names else "<column>"
    returned = column.python_type.__name__ if column is not None else "..."
    return (
        f"{filled.where(*names) if names else filled.table.name}: the database has refused rows: {message}.\n"
        f"Say in a factory what it holds, in tests/{filled.package}/factories.py:\n\n"
        f"from devtools.seed.factory import Factory\n\n\n"
        f"class {model}Factory(Factory[{model}]):\n"
        f"    @classmethod\n"
        f"    def {name}(cls) -> {returned}: ..."
    )


def _named_in(message: str, filled: Filled) -> list[str]:
    """Return the attributes that a message of the database is about."""
    words = set(re.findall(r"\w+", message))
    attributes = {column.name: name for name, column in filled.columns.items()}
    for table in filled.tables:
        for constraint in table.constraints:
            if constraint.name is None or str(constraint.name) not in words:
                continue
            if isinstance(constraint, CheckConstraint):
                words.update(re.findall(r"\w+", str(constraint.sqltext)))
            columns: Iterable[Any] = getattr(constraint, "columns", ())
            words.update(column.name for column in columns)
        words.update(column.name for index in table.indexes if index.name in words for column in index.columns)
    return [name for column, name in attributes.items() if column in words]
