"""Tests may do all that a service does, and nothing of it stays."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from app.kit.database.failures import ReadOnlySessionError
from app.kit.database.sessions import Database, open_database, open_databases
from kit_tests.support.items import Item, count_of, insert_alone, insert_item, names
from kit_tests.support.pool import at_most
from kit_tests.support.server import TestServer
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import MakeSettings


@pytest.fixture
async def elsewhere(server: TestServer, database_url: str) -> AsyncIterator[Database]:
    """Return a database that is another one, and has no tables."""
    async with server.database() as name:
        assert server.url(name) != database_url
        async with open_database(settings_for(server.url(name))) as elsewhere:
            yield elsewhere


async def test_every_write_is_seen_in_the_block_and_gone_after_it(database: Database) -> None:
    await insert_item(database, "before")
    async with database.rolled_back():
        await insert_item(database, "in a transaction")
        await insert_alone(database, "by itself")
        await database.execute(update(Item).where(Item.name == "before").values(count=7))
        expected = {"before", "in a transaction", "by itself"}
        assert await names(database) == expected
        async with database.snapshot() as snapshot:
            stream = await snapshot.stream_scalars(select(Item.name).execution_options(yield_per=1))
            assert {name async for name in stream} == expected
        async with database.transaction() as session:
            assert set(await session.scalars(select(Item.name))) == expected
            async with session.begin_nested():
                await session.execute(delete(Item))
        assert await names(database) == set()
    assert await names(database) == {"before"}
    assert await count_of(database, "before") == 0


async def test_database_commits_again_after_the_block(database: Database) -> None:
    async with database.rolled_back():
        await insert_item(database, "lost")
    await insert_item(database, "kept")
    await insert_alone(database, "kept too")
    assert await names(database) == {"kept", "kept too"}
    assert database.pool_status().checked_out == 0


async def test_error_rolls_back_its_own_transaction_alone(database: Database) -> None:
    async with database.rolled_back():
        await insert_item(database, "there")
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                session.add(Item(name="new"))
                await session.flush()
                session.add(Item(name="there"))
        with pytest.raises(IntegrityError):
            await insert_alone(database, "there")
        with pytest.raises(RuntimeError, match="half-way"):
            async with database.transaction() as session:
                session.add(Item(name="half"))
                await session.flush()
                raise RuntimeError("half-way")
        assert await names(database) == {"there"}
        await insert_alone(database, "after")
        assert await names(database) == {"there", "after"}
    assert await names(database) == set()


async def test_reading_session_refuses_to_write_in_the_block(database: Database) -> None:
    async with database.rolled_back():
        for unit_of_work in (database.read, database.snapshot):
            with pytest.raises(ReadOnlySessionError):
                async with unit_of_work() as session:
                    session.add(Item(name="added"))
        assert await names(database) == set()


async def test_error_that_leaves_the_block_rolls_all_back(database: Database) -> None:
    with pytest.raises(RuntimeError, match="in the test"):
        async with database.rolled_back():
            await insert_item(database, "lost")
            raise RuntimeError("in the test")
    assert await names(database) == set()
    await insert_item(database, "kept")
    assert await names(database) == {"kept"}


async def test_inner_block_rolls_back_only_its_own(database: Database) -> None:
    async with database.rolled_back():
        await insert_item(database, "outer")
        async with database.rolled_back():
            await insert_item(database, "inner")
            await insert_alone(database, "inner too")
            assert await names(database) == {"outer", "inner", "inner too"}
        assert await names(database) == {"outer"}
        with pytest.raises(RuntimeError, match="in the inner block"):
            async with database.rolled_back():
                await insert_item(database, "lost")
                raise RuntimeError("in the inner block")
        await insert_alone(database, "outer too")
        assert await names(database) == {"outer", "outer too"}
    assert await names(database) == set()


async def test_block_needs_one_connection(make_settings: MakeSettings) -> None:
    async with open_database(make_settings(**at_most(1))) as database:
        async with database.rolled_back():
            await insert_item(database, "first")
            await insert_alone(database, "second")
            assert await names(database) == {"first", "second"}
        assert await names(database) == set()


async def test_second_database_is_rolled_back_by_itself(database: Database, elsewhere: Database) -> None:
    await elsewhere.execute(text("CREATE TABLE note (body TEXT)"))
    async with database.rolled_back():
        await insert_item(database, "lost")
        await elsewhere.execute(text("INSERT INTO note VALUES ('kept')"))
        async with elsewhere.rolled_back():
            await elsewhere.execute(text("INSERT INTO note VALUES ('lost')"))
    assert await names(database) == set()
    assert await elsewhere.execute(text("SELECT body FROM note")) == [("kept",)]


async def test_insert_with_returning_returns_its_rows(database: Database) -> None:
    async with database.rolled_back():
        assert len(await database.execute(insert(Item).returning(Item.id), {"name": "new"})) == 1


async def test_open_databases_are_listed_in_order_until_closed(make_settings: MakeSettings) -> None:
    before = open_databases()
    async with open_database(make_settings()) as first:
        async with open_database(make_settings()) as second:
            assert open_databases() == (*before, first, second)
        assert open_databases() == (*before, first)
        with pytest.raises(RuntimeError, match="in the block"):
            async with open_database(make_settings()):
                raise RuntimeError("in the block")
        assert open_databases() == (*before, first)
    assert open_databases() == before
