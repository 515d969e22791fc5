"""The same statements by both ways: as SQLAlchemy runs them, and again by what it has said about them."""

import pickle
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Column, Executable, ForeignKey, Identity, Integer, MetaData, Row, Table, Text, literal, select

from app.kit.database.errors import classify
from app.kit.database.prepared import PreparedStatements
from app.kit.database.sessions import Database, open_database
from kit_tests.support.suite import MakeSettings

PLAIN = Table(
    "plain",
    MetaData(),
    Column("id", Integer, Identity(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("parent_id", ForeignKey("plain.id")),
)

ONE = select(literal(1))


class Described:
    """A row, by all that tells it from another one."""

    def __init__(self, row: Row[*tuple[Any, ...]]) -> None:
        again = pickle.loads(pickle.dumps(row))  # noqa: S301 - it was just made
        values = tuple(row)
        self.seen = (values, [type(value) for value in row], row._fields, dict(row._mapping), tuple(again), str(row))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Described) and self.seen == other.seen

    def __repr__(self) -> str:
        return repr(self.seen)

    __hash__ = None  # type: ignore[assignment]


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the statements that are run without SQLAlchemy from here on."""
    texts: list[str] = []
    fetch = PreparedStatements._fetch

    def noted(self: Any, statement: Any, given: Any) -> Any:
        texts.append(statement.text)
        return fetch(self, statement, given)

    monkeypatch.setattr(PreparedStatements, "_fetch", noted)
    return texts


async def thrice(
    database: Database, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> list[list[Described]]:
    """Run a statement by SQLAlchemy, and then twice more."""
    return [[Described(row) for row in await database.execute(statement, parameters)] for _ in range(3)]


@asynccontextmanager
async def both_ways(make_settings: MakeSettings, **overrides: object) -> AsyncIterator[Sequence[Database]]:
    """Open the same database twice, and in the second one leave all statements to SQLAlchemy."""
    async with (
        open_database(make_settings(**overrides)) as one,
        open_database(make_settings(**overrides, database_prepared_queries=False)) as other,
    ):
        yield one, other


async def create(database: Database, *tables: Table) -> None:
    """Create tables."""
    async with database.engines.write.begin() as connection:
        for table in tables:
            await connection.run_sync(table.create)


async def failure_of(database: Database, statement: Executable, parameters: Mapping[str, Any]) -> tuple[object, ...]:
    """Run a statement that fails, and return all that its error tells; the connection is given back by then."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is, it is compared
        await database.execute(statement, parameters)
    error = raised.value
    original = getattr(error, "orig", None)
    assert database.pool_status().checked_out == 0
    assert (await database.execute(ONE))[0][0] == 1
    return (
        type(error),
        type(original),
        type(error.__cause__),
        getattr(original, "sqlstate", None),
        getattr(error, "connection_invalidated", None),
        classify(error),
        # Failing rows are told with their keys, of which each is another.
        re.sub(r"\d+", "0", str(error)),
    )
