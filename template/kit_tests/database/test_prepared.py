"""Statements that are run again by what SQLAlchemy has said of them: nobody can tell them from those that it runs."""

import asyncio
import gc
import inspect
import logging
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from random import Random
from typing import Any
from weakref import ref

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Executable,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    case,
    delete,
    event,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.exc import DBAPIError

from app.kit.database.pagination import Keyset
from app.kit.database.query import Command, Query
from app.kit.database.sessions import Database, open_database
from kit_tests.support.items import Item, ItemRow
from kit_tests.support.pool import at_most
from kit_tests.support.prepared import ONE, PLAIN, Described, both_ways, create, failure_of, thrice
from kit_tests.support.server import TestServer
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import MakeSettings

LONG = "n" * 80
"""A name that SQLAlchemy cuts off."""


STATEMENTS: Mapping[str, tuple[Executable, Mapping[str, Any] | None]] = {
    "labels": (select((Item.id + 1).label("more"), Item.id, Item.id.label("again"), func.count().over()), None),
    "twice": (select(Item.id, Item.id), None),
    "unnamed": (select(func.count(), func.count(Item.id), Item.id + 1).group_by(Item.id), None),
    "entity columns": (select(Item.__table__), None),
    "union": (union_all(select(Item.id, Item.name), select(Item.count, Item.name)), None),
    "cte": (select(select(Item.id).cte("c").c.id), None),
    "literals": (select(Item.id).where(Item.name == "a", Item.count < 5).limit(3).offset(0), None),
    "literal column": (select(literal("x").label("x"), literal(1), literal_column("2", Integer)), None),
    "null": (select(Item.id).where(Item.parent_id.is_(None)), None),
    "value and default": (select(Item.id).where(Item.count >= bindparam("least", 0)), {}),
    "value in place of a default": (select(Item.id).where(Item.count >= bindparam("least", 0)), {"least": 1}),
    "long name": (select(literal(1)).where(bindparam(LONG, 1, type_=Integer) == 2), {LONG: 2}),
    "long name of a default": (select(literal(1)).where(bindparam(LONG, 2, type_=Integer) == 2), {}),
    "odd names": (select(bindparam("a%(b) c:d", type_=Integer), literal("%s %(x)s :y ?")), {"a%(b) c:d": 2}),
    "one value twice": (
        select(Item.id).where((Item.count == bindparam("n")) | (Item.id == bindparam("n"))),
        {"n": 0},
    ),
    "function": (select(func.lower(bindparam("value", type_=Text))), {"value": "A"}),
    "update without rows": (update(Item).where(Item.id == bindparam("which")), {"which": 1, "name": "b"}),
    "update by values": (update(Item).where(Item.id == 1).values(count=Item.count + 1).returning(Item.name), None),
    "delete": (delete(Item).where(Item.id == bindparam("which")).returning(Item.name), {"which": 99}),
    "nothing": (select(Item.id).where(Item.id == bindparam("which")), {"which": 10**6}),
}


@pytest.mark.parametrize(("statement", "parameters"), STATEMENTS.values(), ids=STATEMENTS)
async def test_results_are_the_same(
    database: Database, prepared: list[str], statement: Executable, parameters: Mapping[str, Any] | None
) -> None:
    await database.execute(insert(Item), {"name": "a", "count": 0, "version": 1})
    first, *others = await thrice(database, statement, parameters)
    assert others == [first, first]
    assert len(prepared) == 2


async def test_columns_find_their_values(database: Database, prepared: list[str]) -> None:
    await database.execute(insert(Item), {"name": "a", "count": 3})
    table = Item.__table__
    more = (table.c.count + 1).label("more")
    for _ in range(3):
        statement = select(table.c.name, table.c.count, more, table.c.name.label("other"))
        for _ in range(3):
            (row,) = await database.execute(statement)
            assert [row._mapping[column] for column in (table.c.name, table.c.count, more)] == ["a", 3, 4]
            assert (row.name, row.count, row.more, row.other) == tuple(row) == ("a", 3, 4, "a")
    assert len(prepared) == 6


async def test_equal_statements_with_other_values_are_told_apart(database: Database, prepared: list[str]) -> None:
    one, two = (select(literal(value)) for value in (1, 2))
    for _ in range(3):
        assert [(await database.execute(each))[0][0] for each in (one, two)] == [1, 2]
    assert len(prepared) == 4


async def test_queries_commands_and_pages_are_prepared(database: Database, prepared: list[str]) -> None:
    create_item = Command(ItemRow, insert(Item).returning(Item.id, Item.name))
    for name in ("a", "b", "c"):
        await create_item.one(database, name=name)
    assert len(prepared) == 2
    find = Query(ItemRow, select(Item.id, Item.name).where(Item.id == bindparam("id")))
    assert [(await find.get(database, id=number)).name for number in (1, 2, 3)] == ["a", "b", "c"]
    assert len(prepared) == 4
    every = Query(ItemRow, select(Item.id, Item.name))
    by_id = Keyset(Item.id, types=tuple[int])
    for _ in range(3):
        page = await by_id.page(database, every, cursor=None, limit=2)
        page = await by_id.page(database, every, cursor=page.next_cursor, limit=2)
        assert [row.name for row in page.items] == ["c"]
    assert len(prepared) == 8


async def test_parameters_may_be_others_each_time(database: Database, prepared: list[str]) -> None:
    write = insert(Item).returning(Item.name, Item.count, Item.parent_id)
    rows: list[dict[str, Any]] = [{"name": "a"}, {"name": "b", "count": 2}, {"name": "c", "parent_id": 1, "count": 3}]
    written = [tuple((await database.execute(write, row))[0]) for row in rows]
    assert written == [("a", 0, None), ("b", 2, None), ("c", 3, 1)]
    change = update(Item).where(Item.name == bindparam("which")).returning(Item.name, Item.count)
    for values in ({"count": 5}, {"name": "d"}, {"name": "a", "count": 6}, {"count": 5}):
        which = "d" if values == {"name": "a", "count": 6} else "a"
        ((name, count),) = await database.execute(change, {"which": which, **values})
        assert {"name": name, "count": count}.items() >= values.items()
    assert len(prepared) == 5


LEFT: Mapping[str, tuple[Executable, Mapping[str, Any] | None]] = {
    "list": (select(Item.id).where(Item.id.in_(bindparam("ids", expanding=True))), {"ids": [1, 2]}),
    "list in the statement": (select(Item.id).where(Item.id.in_([1, 2])), None),
    "called for a value": (select(bindparam("now", callable_=lambda: 1, type_=Integer)), None),
    "options": (select(Item.id).execution_options(own=1), None),
    "text": (text("SELECT 1"), None),
    "text among columns": (select(text("1 AS a, 2 AS b"), literal(3)), None),
    "whatever columns there are": (select(literal_column("plain.*")).select_from(PLAIN), None),
    "columns of text": (text("SELECT 1 AS a").columns(Column("a", Integer)), None),
    "written into the text": (select(bindparam("n", 1, Integer, literal_execute=True)), None),
    "defaults of the whole row": (
        insert(Table("plain", MetaData(), Column("name", Text, default=lambda context: type(context).__name__[:0]))),
        {},
    ),
    "defaults that nobody knows": (insert(Table("plain", MetaData(), Column("name", Text, default=str))), {}),
}


@pytest.mark.parametrize(("statement", "parameters"), LEFT.values(), ids=LEFT)
async def test_what_may_differ_is_left_to_sqlalchemy(
    database: Database, prepared: list[str], statement: Executable, parameters: Mapping[str, Any] | None
) -> None:
    await create(database, PLAIN)
    first, *others = await thrice(database, statement, parameters)
    assert others == [first, first]
    assert prepared == []


async def test_default_that_is_called_is_called_for_each_run(database: Database, prepared: list[str]) -> None:
    await create(database, PLAIN)
    numbers = count(1)
    plain = Table("plain", MetaData(), Column("name", Text, default=lambda: f"number {next(numbers)}"))
    statement = insert(plain).returning(plain.c.name)
    stored = [(await database.execute(statement, given))[0].name for given in ({}, {}, {"name": "given"}, {}, {})]
    assert stored == ["number 1", "number 2", "given", "number 3", "number 4"]
    assert len(prepared) == 4


async def test_setting_leaves_all_statements_to_sqlalchemy(make_settings: MakeSettings, prepared: list[str]) -> None:
    async with open_database(make_settings(database_prepared_queries=False)) as database:
        await thrice(database, ONE)
    assert prepared == []


async def test_who_listens_hears_every_statement(database: Database, prepared: list[str]) -> None:
    statement = select(literal(1))
    await thrice(database, statement)
    assert len(prepared) == 2
    heard = []
    event.listen(database.engines.single.sync_engine, "after_cursor_execute", lambda *_: heard.append(1))
    await thrice(database, statement)
    assert len(heard) == 3
    assert len(prepared) == 2


async def test_who_listens_to_all_engines_hears_every_statement(
    database: Database, prepared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await thrice(database, ONE)
    heard = []

    def hear(*_: object) -> None:
        heard.append(1)

    # The mark stays when the listener goes.
    monkeypatch.setattr(Engine, "_has_events", False)
    event.listen(Engine, "before_execute", hear)
    try:
        await thrice(database, ONE)
    finally:
        event.remove(Engine, "before_execute", hear)
    assert len(heard) == 3
    assert len(prepared) == 2


async def test_log_of_statements_has_every_one(
    database: Database, prepared: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    await thrice(database, ONE)
    with caplog.at_level(logging.INFO, "sqlalchemy.engine.Engine"):
        await thrice(database, ONE)
    assert sum(record.getMessage().startswith("SELECT") for record in caplog.records) == 3
    assert len(prepared) == 2
    # Rows that are made by now are not logged any more.
    caplog.clear()
    await thrice(database, ONE)
    assert caplog.records == []
    assert len(prepared) == 5


async def test_statements_are_forgotten_with_whoever_made_them(database: Database, prepared: list[str]) -> None:
    table = Item.__table__

    def build(number: int) -> list[Any]:
        parts = select(table.c.id, table.c.name).where(table.c.count == bindparam("n")).cte("parts")
        return [
            select(table.c.id, (table.c.count + number).label("more")),
            select(parts.c.id).union_all(select(table.c.id).where(table.c.count == bindparam("n"))),
            delete(Item).where(table.c.count == bindparam("n")).returning(table.c.id),
        ]

    # SQLAlchemy's cache of what it has compiled holds the first of those that are alike.
    for number in (1, 2):
        statements = build(number)
        for statement in statements:
            for _ in range(3):
                await database.execute(statement, {"n": 1})
    gone = [ref(statement) for statement in statements]
    del statements, statement
    gc.collect()
    assert [each() for each in gone] == [None, None, None]
    assert len(prepared) == 12


FAILURES: Mapping[str, tuple[Executable, Mapping[str, Any], Mapping[str, Any]]] = {
    "another type": (select(bindparam("by", type_=Integer) + 1), {"by": 1}, {"by": "secret"}),
    "too large for the driver": (select(bindparam("by", type_=Integer)), {"by": 1}, {"by": 10**30}),
    "surrogate": (select(bindparam("a", type_=Text)), {"a": "a"}, {"a": "secret\ud800"}),
    "no type of the driver": (select(bindparam("a")), {"a": None}, {"a": object()}),
    "missing": (select(bindparam("a", type_=Integer)), {"a": 1}, {}),
    "unknown column": (insert(PLAIN), {"name": "a"}, {"nothing": 1}),
    "foreign key": (insert(PLAIN), {"name": "a"}, {"name": "secret", "parent_id": 99}),
    "foreign key, prepared": (insert(PLAIN), {"name": "a", "parent_id": None}, {"name": "secret", "parent_id": 99}),
    "not null": (insert(PLAIN), {"name": "a"}, {"name": None}),
    "no table": (select(Table("nowhere", MetaData(), Column("a", Text)).c.a), {}, {}),
}


@pytest.mark.parametrize(("statement", "good", "bad"), FAILURES.values(), ids=FAILURES)
async def test_failures_are_the_same(
    make_settings: MakeSettings, statement: Executable, good: Mapping[str, Any], bad: Mapping[str, Any]
) -> None:
    async with both_ways(make_settings) as databases:
        await create(databases[0], PLAIN)
        told = []
        for database in databases:
            for _ in range(2):
                with suppress(DBAPIError):
                    await database.execute(statement, good)
            told.append(await failure_of(database, statement, bad))
    assert told[0] == told[1]


async def test_database_that_is_away_fails_the_same(server: TestServer) -> None:
    told = []
    for is_prepared in (True, False):
        settings = settings_for(server.missing_url(), database_prepared_queries=is_prepared)
        async with open_database(settings) as database:
            for _ in range(2):
                with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is, it is compared
                    await database.execute(ONE)
            told.append((type(raised.value), str(raised.value)))
    assert told[0] == told[1]


async def test_connection_that_cannot_be_prepared_fails_the_same(
    make_settings: MakeSettings, prepared: list[str]
) -> None:
    def prepare(connection: Any, _entry: object) -> None:
        connection.cursor().execute("SELECT missing")

    told = []
    async with both_ways(make_settings) as databases:
        for database in databases:
            for _ in range(2):
                await database.execute(ONE)
            await database.dispose()
            pool = database.engines.single.sync_engine.pool
            event.listen(pool, "connect", prepare)
            failures = []
            for _ in range(2):
                with pytest.raises(DBAPIError) as raised:
                    await database.execute(ONE)
                failures.append((type(raised.value), type(raised.value.orig), str(raised.value)))
                assert database.pool_status().checked_out == 0
            event.remove(pool, "connect", prepare)
            assert await database.execute(ONE)
            told.append(failures)
    assert told[0] == told[1]
    assert prepared


async def test_statement_is_stored_whatever_ran_on_its_connection(
    make_settings: MakeSettings, prepared: list[str]
) -> None:
    statement = insert(Item).returning(Item.id)
    async with both_ways(make_settings, **at_most(1)) as (database, other):
        for name in ("a", "b"):
            await database.execute(statement, {"name": name})
        for level in ("SERIALIZABLE", "AUTOCOMMIT"):
            async with database.transaction() as session:
                await session.connection(execution_options={"isolation_level": level})
                await session.execute(select(Item.id))
            async with database.snapshot() as session:
                await session.execute(select(Item.id))
            await database.execute(statement, {"name": level})
        assert {row.name for row in await other.execute(select(Item.name))} == {"a", "b", "SERIALIZABLE", "AUTOCOMMIT"}
    assert len(prepared) == 3


async def test_cancelled_statement_gives_its_connection_back(make_settings: MakeSettings) -> None:
    statement = insert(PLAIN)
    row = {"name": "a"}
    async with open_database(make_settings()) as database:
        await create(database, PLAIN)
        for _ in range(2):
            await database.execute(statement, row)
        ended = False
        steps = 0
        while not ended:
            task = asyncio.ensure_future(database.execute(statement, row))
            for _ in range(steps):
                await asyncio.sleep(0)
            ended = task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert database.pool_status().checked_out == 0
            assert (await database.execute(ONE))[0][0] == 1
            steps += 1
    assert steps > 2


NUMBERS = tuple(f"n{number}" for number in range(4))


def _table(name: str) -> Table:
    return Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        *(Column(number, Integer, key=f"key_{number}") for number in NUMBERS),
        Column("word", Text, default="none", onupdate="changed"),
    )


def _expression(random: Random, table: Table, names: list[str]) -> Any:
    number = table.c[f"key_{random.choice(NUMBERS)}"]
    match random.randrange(6):
        case 0:
            return number + random.randrange(3)
        case 1:
            names.append(f"p{len(names)}")
            return number - bindparam(names[-1], type_=Integer)
        case 2:
            return case((number > 1, literal("many")), else_=table.c.word)
        case 3:
            return func.coalesce(number, 0).label(f"l{random.randrange(10**9)}")
        case 4:
            return table.c.word + "!"
        case _:
            return number


def _condition(random: Random, table: Table, names: list[str]) -> Any:
    names.append(f"p{len(names)}")
    number = func.coalesce(table.c[f"key_{random.choice(NUMBERS)}"], 0)
    other = table.alias()
    found = exists().where(other.c.id == table.c.id + bindparam(names[-1], type_=Integer))
    return random.choice([number >= bindparam(names[-1], type_=Integer), found, ~found])


def _statement(random: Random, table: Table) -> tuple[Any, list[str]]:
    """Build a statement, and name its parameters."""
    names: list[str] = []
    columns = [_expression(random, table, names) for _ in range(random.randrange(1, 6))]
    condition = _condition(random, table, names)
    match random.randrange(5):
        case 0:
            return insert(table).returning(*columns), names
        case 1:
            return update(table).where(condition).returning(table.c.id, *columns), names
        case 2:
            return delete(table).where(condition, table.c.id > 3).returning(table.c.id, *columns), names
        case 3:
            part = select(table.c.id, *(c.label(f"c{n}") for n, c in enumerate(columns))).where(condition).cte()
            return select(part).order_by(part.c.id).limit(random.randrange(1, 9)), names
        case _:
            return select(*columns).where(condition).order_by(table.c.id), names


@pytest.mark.parametrize("seed", range(2))
async def test_random_statements_do_the_same(make_settings: MakeSettings, prepared: list[str], seed: int) -> None:
    async with both_ways(make_settings) as databases:
        told = [
            [await _told(database, _table(f"{name}_{number}"), Random(f"{seed} {number}")) for number in range(12)]  # noqa: S311 - the same each time
            for database, name in zip(databases, ("one", "other"), strict=True)
        ]
    assert told[0] == told[1]
    assert prepared


async def _told(database: Database, table: Table, random: Random) -> list[Any]:
    """Return what some statements return that are run again and again, and what they leave."""
    await create(database, table)
    for number in range(8):
        await database.execute(insert(table), {"id": number, "key_n0": number, "key_n1": -number})
    told: list[Any] = []
    for turn in range(4):
        statement, names = _statement(random, table)
        for run in range(4):
            values: dict[str, Any] = {name: random.randrange(3) for name in names}
            if statement.is_insert:
                values["id"] = 100 + turn * 10 + run
            if statement.is_insert or (statement.is_update and random.randrange(10)):
                for column in random.sample(NUMBERS, random.randrange(1, 4)):
                    values[f"key_{column}"] = random.choice([None, 0, 1, 2])
            told.append(sorted(repr(Described(row)) for row in await database.execute(statement, values)))
    told.append([tuple(row) for row in await database.execute(select(table).order_by(table.c.id))])
    return told


def test_names_that_sqlalchemy_does_not_promise_are_as_they_were() -> None:
    # `prepared.py` relies on them: what fails here has to be looked at there.
    assert list(inspect.signature(Connection._handle_dbapi_exception).parameters) == [
        "self",
        "e",
        "statement",
        "parameters",
        "cursor",
        "context",
        "is_sub_exec",
    ]
    assert list(inspect.signature(Connection._handle_dbapi_exception_noconnection).parameters)[:3] == [
        "e",
        "dialect",
        "engine",
    ]
    assert list(inspect.signature(Connection).parameters)[:2] == ["engine", "connection"]
    assert hasattr(CursorResult, "_row_getter")
    assert isinstance(Engine._has_events, bool)


async def test_driver_connection_says_what_an_error_means(database: Database) -> None:
    async with database.engines.read.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).dbapi_connection
        error = RuntimeError("not of the database")
        with pytest.raises(RuntimeError) as raised:
            driver._handle_exception(error)
    assert raised.value is error


async def test_rows_are_made_in_one_call(database: Database) -> None:
    def make(connection: Connection) -> Any:
        result: Any = connection.execute(ONE)
        _, rows, _ = result._row_getter
        return rows([(1,), (2,)]), result._metadata._safe_for_cache, result.all()

    async with database.engines.read.connect() as connection:
        made, is_safe, _ = await connection.run_sync(make)
    assert [tuple(row) for row in made] == [(1,), (2,)]
    assert is_safe is True
