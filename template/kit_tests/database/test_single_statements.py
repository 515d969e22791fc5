"""Statements that run by themselves, without a session."""

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from app.kit.database.failures import PoolExhaustedError
from app.kit.database.sessions import Database, open_database
from kit_tests.support.application import all_connections_taken
from kit_tests.support.items import Item, count_of, insert_alone, names
from kit_tests.support.suite import MakeSettings

NAMES = select(Item.name).order_by(Item.name)


async def test_rows_come_back_as_columns(database: Database) -> None:
    assert await database.execute(NAMES) == []
    await insert_alone(database, "first")
    (row,) = await database.execute(select(Item.id, Item.name).where(Item.name == "first"))
    assert (row.id, row.name) == (1, "first")


async def test_what_is_written_is_stored_at_once(database: Database) -> None:
    ((item_id,),) = await database.execute(insert(Item).returning(Item.id), {"name": "written"})
    assert await count_of(database, "written") == 0
    assert await database.execute(update(Item).where(Item.id == item_id).values(count=7)) == []
    assert await count_of(database, "written") == 7


async def test_statement_that_fails_leaves_nothing(database: Database) -> None:
    await insert_alone(database, "there")
    with pytest.raises(IntegrityError):
        await database.execute(insert(Item).values([{"name": "new"}, {"name": "there"}]))
    assert await names(database) == {"there"}


async def test_constraint_that_is_checked_at_the_commit_is_checked(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await database.execute(insert(Item), {"name": "orphan", "parent_id": 404})
    assert await names(database) == set()


async def test_statement_waits_for_a_connection_like_a_session(make_settings: MakeSettings) -> None:
    async with open_database(make_settings(database_pool_timeout=0.05)) as database, all_connections_taken(database):
        with pytest.raises(PoolExhaustedError):
            await database.execute(NAMES)
