"""Changes of rows that were read as columns: none overwrites another, as with entities."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from app.kit.database.query import Command, Query, change_row
from app.kit.database.sessions import Database
from kit_tests.support.items import Item, count_of
from kit_tests.support.statements import statements_seen

COLUMNS = (Item.id, Item.name, Item.count, Item.version, Item.updated_at)


class ItemState(NamedTuple):
    """What is read of an item before it is changed."""

    id: int
    name: str
    count: int  # type: ignore[assignment]  # it hides the method of tuples
    version: int
    updated_at: datetime


ALL = Query(ItemState, select(*COLUMNS))

INSERT = Command(ItemState, insert(Item).returning(*COLUMNS))


async def new_item(database: Database, name: str = "item") -> ItemState:
    """Store an item, and return some of its columns."""
    return await INSERT.one(database, name=name)


async def test_change_returns_the_row_as_it_is_now(database: Database) -> None:
    before = await new_item(database)
    after = await change_row(database, Item, before, {"name": "renamed"})
    assert type(after) is ItemState
    assert (after.id, after.name, after.version) == (before.id, "renamed", 2)
    assert isinstance(after.updated_at, datetime)
    assert after.updated_at >= before.updated_at
    assert await ALL.all(database) == [after]


@dataclass
class ItemCount:
    """The same as a dataclass, in which a column may be called `count`."""

    id: int
    count: int
    version: int


async def test_row_may_be_a_dataclass(database: Database) -> None:
    await new_item(database)
    counts = Query(ItemCount, select(Item.id, Item.count, Item.version))
    before = await counts.get(database)
    assert await change_row(database, Item, before, {"count": 0}) is before
    assert await change_row(database, Item, before, {"count": 3}) == ItemCount(before.id, 3, 2)
    with pytest.raises(StaleDataError):
        await change_row(database, Item, before, {"count": 4})


async def test_column_that_was_not_read_can_be_changed(database: Database) -> None:
    row = await new_item(database)
    changed = await change_row(database, Item, row, {"parent_id": row.id})
    assert changed.version == 2
    assert await database.execute(select(Item.parent_id)) == [(row.id,)]


async def test_nothing_is_sent_when_nothing_changes(database: Database) -> None:
    row = await new_item(database)
    with statements_seen(about="UPDATE") as updates:
        assert await change_row(database, Item, row, {"name": "item", "count": 0}) is row
        assert await change_row(database, Item, row, {}) is row
    assert updates == []


async def test_row_that_was_changed_since_it_was_read_is_left_alone(database: Database) -> None:
    row = await new_item(database)
    await change_row(database, Item, row, {"count": 1})
    with pytest.raises(StaleDataError, match=r"Item \d+ was changed"):
        await change_row(database, Item, row, {"count": 2})
    assert await count_of(database, "item") == 1


async def test_only_the_row_that_was_read_is_changed(database: Database) -> None:
    await new_item(database, "other")
    await change_row(database, Item, await new_item(database), {"count": 5})
    assert (await count_of(database, "other"), await count_of(database, "item")) == (0, 5)


async def test_refused_change_leaves_the_row_as_it_was(database: Database) -> None:
    await new_item(database, "taken")
    row = await new_item(database)
    with pytest.raises(IntegrityError):
        await change_row(database, Item, row, {"name": "taken", "count": 3})
    assert await count_of(database, "item") == 0


async def test_change_in_a_session_belongs_to_its_transaction(database: Database) -> None:
    row = await new_item(database)
    with pytest.raises(RuntimeError, match="after the change"):
        async with database.transaction() as session:
            assert (await change_row(session, Item, row, {"count": 9})).version == 2
            raise RuntimeError("after the change")
    assert await count_of(database, "item") == 0
