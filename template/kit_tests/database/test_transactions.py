"""What a transaction promises, and what a session does not do behind its user's back."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import pytest
from sqlalchemy import Executable, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from app.kit.database.bulk import insert_many
from app.kit.database.failures import ReadOnlySessionError, SessionBlockError
from app.kit.database.query import Command
from app.kit.database.sessions import Database, ReadingSession, WritingSession
from kit_tests.support.items import Item, ItemRow, count_of, insert_item, names

WAYS = pytest.mark.parametrize("way", ["transaction", "read", "snapshot"])

INSERT = Command(ItemRow, insert(Item).returning(Item.id, Item.name))


def opened(database: Database, way: str) -> AbstractAsyncContextManager[AsyncSession]:
    opened: Callable[[], AbstractAsyncContextManager[AsyncSession]] = getattr(database, way)
    return opened()


async def test_transaction_is_stored_when_its_block_has_ended(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Item(name="kept", count=3))
    assert await count_of(database, "kept") == 3


async def test_transaction_whose_block_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError, match="half-way"):
        async with database.transaction() as session:
            session.add(Item(name="lost"))
            await session.flush()
            raise RuntimeError("half-way")
    assert await count_of(database, "lost") is None


async def test_work_of_the_driver_itself_is_rolled_back(database: Database) -> None:
    with pytest.raises(RuntimeError, match="half-way"):
        async with database.transaction() as session:
            raw = await (await session.connection()).get_raw_connection()
            driver: Any = raw.driver_connection
            await driver.execute("INSERT INTO item (name, count, version) VALUES ('lost', 0, 1)")
            raise RuntimeError("half-way")
    assert await count_of(database, "lost") is None


async def test_error_at_the_commit_reaches_the_caller(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            session.add(Item(name="orphan", parent_id=404))
            await session.flush()
    assert await count_of(database, "orphan") is None


async def test_released_savepoint_goes_with_its_transaction(database: Database) -> None:
    with pytest.raises(RuntimeError, match="after the savepoint"):
        async with database.transaction() as session:
            async with session.begin_nested():
                session.add(Item(name="nested"))
            raise RuntimeError("after the savepoint")
    assert await count_of(database, "nested") is None


async def test_failed_savepoint_leaves_the_rest_of_its_transaction(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Item(name="outer"))
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                session.add(Item(name="outer"))
    assert await count_of(database, "outer") == 0


async def test_closed_session_does_not_open_again(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Item(name="in time"))
    with pytest.raises(InvalidRequestError):
        await session.execute(insert(Item).values(name="too late"))
    assert await count_of(database, "too late") is None


@pytest.mark.parametrize("call", ["commit", "rollback", "reset", "close", "aclose"])
@WAYS
async def test_session_ends_with_its_block_and_not_by_a_call(database: Database, way: str, call: str) -> None:
    with pytest.raises(
        SessionBlockError, match=rf"^`{call.removeprefix('a')}\(\)` would end a session before its block"
    ):
        async with opened(database, way) as session:
            if way == "transaction":
                await session.execute(insert(Item), {"name": "half of the work"})
            await getattr(session, call)()
    assert await names(database) == set()
    assert database.pool_status().checked_out == 0


async def test_block_begins_the_transaction_that_a_session_has(database: Database) -> None:
    async with database.transaction() as session:
        with pytest.raises(InvalidRequestError, match="already begun"):
            async with session.begin():
                pytest.fail("It has begun a second transaction.")


async def test_cancelled_transaction_returns_its_connection(database: Database) -> None:
    inserted = asyncio.Event()

    async def write() -> None:
        async with database.transaction() as session:
            session.add(Item(name="cancelled"))
            await session.flush()
            inserted.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(write())
    await inserted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert database.pool_status().checked_out == 0
    assert await count_of(database, "cancelled") is None


async def test_server_generated_values_need_no_further_query(database: Database) -> None:
    async with database.transaction() as session:
        item = Item(name="clock")
        session.add(item)
        await session.flush()
        created, first = item.created_at, item.updated_at
        item.count = 1
        await session.flush()
        assert item.version == 2
        assert item.updated_at >= first
    # Nothing expires at the commit, so nothing needs the session that is closed by now.
    assert (item.created_at, item.count) == (created, 1)
    assert item.created_at.tzinfo is not None


async def test_relation_that_was_not_asked_for_is_not_loaded_by_itself(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Item(name="parent"))
    async with database.read() as reading:
        item = await reading.scalar(select(Item))
        assert item is not None
        with pytest.raises(InvalidRequestError, match="raise_on_sql"):
            _ = item.parts


async def test_read_session_refuses_to_write(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Item(name="safe"))

    with pytest.raises(ReadOnlySessionError):
        async with database.read() as session:
            session.add(Item(name="added"))
    with pytest.raises(ReadOnlySessionError):
        async with database.read() as session:
            await session.execute(insert(Item).values(name="inserted"))
    with pytest.raises(ReadOnlySessionError):
        async with database.snapshot() as session:
            await session.execute(update(Item).values(count=7))
    with pytest.raises(ReadOnlySessionError):
        async with database.read() as session:
            item = (await session.scalars(select(Item))).one()
            item.count = 7

    assert await count_of(database, "safe") == 0
    assert await count_of(database, "added") is None
    assert await count_of(database, "inserted") is None


WRITTEN = insert(Item).values(name="written").returning(Item.id).cte()

WRITES: dict[str, Executable] = {
    "text": text("INSERT INTO item (name, count, version) VALUES ('written', 0, 1)"),
    "text after a comment": text("-- tidied up\n  DELETE FROM item"),
    "text with parameters": text("UPDATE item SET count = :count").bindparams(count=7),
    "text after WITH": text("WITH seen AS (SELECT 1) DELETE FROM item"),
    "columns of text": text("DELETE FROM item RETURNING name").columns(Item.name),
    "definition": text("DROP TABLE item"),
    "common table expression": select(WRITTEN.c.id),
    "entities that are returned": select(Item).from_statement(update(Item).values(count=7).returning(Item)),
}


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("way", ["read", "snapshot"])
@pytest.mark.parametrize("rolled_back", [False, True])
async def test_write_of_any_kind_is_refused_where_one_only_reads(
    database: Database, kind: str, way: str, *, rolled_back: bool
) -> None:
    await insert_item(database, "safe")
    async with database.rolled_back() if rolled_back else nullcontext():
        async with opened(database, way) as session:
            with pytest.raises(ReadOnlySessionError, match=r"use a `WriteSession` or `Database.transaction\(\)`"):
                await session.execute(WRITES[kind])
            # Nothing has been sent, and the session can go on.
            assert (await session.scalars(select(Item.name))).all() == ["safe"]
        assert await count_of(database, "safe") == 0
        # Whoever may write, may still do so.
        async with database.transaction() as session:
            await session.execute(text("UPDATE item SET count = 7"))
        assert await count_of(database, "safe") == 7


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT name FROM item",
        "SELECT 'insert into x', name AS \"update x set\" FROM item -- ; delete from",
        "SELECT replace(name, 'a', 'b') FROM item WHERE (count IS NOT NULL)",
        "WITH seen AS (SELECT name FROM item) SELECT name FROM seen",
    ],
)
@pytest.mark.parametrize("way", ["read", "snapshot"])
async def test_text_that_reads_may_hold_words_of_one_that_writes(
    shared_database: Database, way: str, statement: str
) -> None:
    async with opened(shared_database, way) as session:
        assert (await session.execute(text(statement))).all() == []


async def test_session_that_only_reads_is_no_session_that_writes(database: Database) -> None:
    async with database.read() as reading, database.snapshot() as snapshot, database.transaction() as writing:
        assert not isinstance(reading, WritingSession)
        assert not isinstance(snapshot, WritingSession)
        # What reads may be given one that writes.
        assert isinstance(writing, ReadingSession)
    async with database.read() as reading:
        for write in (
            insert(Item).values(name="returned").returning(Item.id),
            update(Item).values(count=1).returning(Item.id),
            delete(Item),
        ):
            with pytest.raises(ReadOnlySessionError, match=r"use a `WriteSession` or `Database.transaction\(\)`"):
                await reading.execute(write)
        with pytest.raises(ReadOnlySessionError):
            await INSERT.one(reading, name="by a command")  # type: ignore[arg-type]
        with pytest.raises(ReadOnlySessionError):
            await insert_many(reading, Item, [{"name": "among many"}])  # type: ignore[arg-type]
    assert await names(database) == set()


async def test_snapshot_sees_one_state_throughout(database: Database) -> None:
    count = select(Item.count).where(Item.name == "moving")
    async with database.transaction() as session:
        session.add(Item(name="moving"))

    async with database.snapshot() as snapshot, database.read() as read:
        assert await snapshot.scalar(count) == 0
        async with database.transaction() as session:
            await session.execute(update(Item).values(count=1))
        assert await snapshot.scalar(count) == 0
        assert await read.scalar(count) == 1


async def test_concurrent_changes_of_a_row_lose_no_update(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Item(name="shared"))
    async with database.read() as reading:
        first = (await reading.scalars(select(Item))).one()
    all_have_read = asyncio.Barrier(5)

    async def increment() -> None:
        async with database.read() as reading:
            seen = (await reading.scalars(select(Item))).one()
        await all_have_read.wait()
        async with database.transaction() as session:
            item = await session.merge(seen, load=False)
            item.count = seen.count + 1

    results = await asyncio.gather(*(increment() for _ in range(5)), return_exceptions=True)

    assert results.count(None) == 1
    assert all(isinstance(result, StaleDataError) for result in results if result is not None)
    async with database.read() as reading:
        item = (await reading.scalars(select(Item))).one()
    assert (item.count, item.version) == (1, first.version + 1)
