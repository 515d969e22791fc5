"""Who gets a connection, who waits for one and for how long, and that each comes back whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.database.errors import Failure, PoolExhaustedError, classify
from app.database.sessions import Database, open_database
from tests.conftest import MakeSettings
from tests.kit.application import all_connections_taken, eventually
from tests.kit.connections import count_connections
from tests.kit.items import Item, insert_item, names
from tests.kit.pool import at_most


async def test_whoever_gets_no_connection_in_time_is_refused_and_later_served(make_settings: MakeSettings) -> None:
    async with open_database(make_settings(database_pool_timeout=0.05)) as database:
        async with all_connections_taken(database):
            for unit_of_work in (database.transaction, database.read, database.snapshot):
                started = perf_counter()
                with pytest.raises(PoolExhaustedError, match=r"within 0\.05 s") as refused:
                    async with unit_of_work():
                        pytest.fail("There was no connection left.")
                assert 0.04 < perf_counter() - started < 10
                assert classify(refused.value) is Failure.POOL_EXHAUSTED
        await insert_item(database, "later")
        assert await names(database) == {"later"}


async def test_those_who_wait_are_served_in_order_and_nobody_overtakes(make_settings: MakeSettings) -> None:
    served = []

    async def take_turn(database: Database, number: int) -> None:
        async with database.read():
            served.append(number)
            await asyncio.sleep(0)

    async with open_database(make_settings(**at_most(1))) as database:
        async with database.read():
            waiting = [asyncio.create_task(take_turn(database, number)) for number in range(5)]
            await eventually(lambda: database.pool_status().waiting == 5)
        # The connection is free at this moment, and five have come before.
        await take_turn(database, 5)
        await asyncio.gather(*waiting)
    assert served == [0, 1, 2, 3, 4, 5]


async def test_cancelled_wait_takes_no_connection_and_loses_none(make_settings: MakeSettings) -> None:
    async with open_database(make_settings(**at_most(1), database_pool_timeout=60)) as database:
        async with database.read():
            waiting = [asyncio.create_task(insert_item(database, f"item {number}")) for number in range(4)]
            await eventually(lambda: database.pool_status().waiting == 4)
            waiting[1].cancel()
        # The first is being handed the connection at this moment.
        waiting[0].cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)

        assert [type(result) for result in results] == [asyncio.CancelledError] * 2 + [type(None)] * 2
        assert await names(database) == {"item 2", "item 3"}
        # There is still one connection, and no more than one.
        async with database.read():
            one_more = asyncio.create_task(insert_item(database, "one more"))
            await eventually(lambda: database.pool_status().waiting == 1)
        await one_more


async def test_burst_opens_no_more_connections_than_allowed_and_is_served_in_full(make_settings: MakeSettings) -> None:
    async with open_database(make_settings(**at_most(5), database_pool_timeout=60)) as database:
        connections = count_connections(database)
        await asyncio.gather(*(insert_item(database, f"item {number}") for number in range(60)))
        assert len(await names(database)) == 60
        assert connections.most <= 5


async def test_status_tells_who_works_and_who_waits_and_how_long_they_waited(make_settings: MakeSettings) -> None:
    async with open_database(make_settings(**at_most(2), database_pool_timeout=0.05)) as database:
        assert database.pool_status() == (2, 0, 0, 0, 0, 0.0)
        async with all_connections_taken(database):
            assert database.pool_status() == (2, 2, 0, 0, 0, 0.0)
            waiting = asyncio.create_task(insert_item(database, "refused"))
            await eventually(lambda: database.pool_status().waiting == 1)
            with pytest.raises(PoolExhaustedError):
                await waiting
        status = database.pool_status()
        assert (status.checked_out, status.waiting, status.waits) == (0, 0, 1)
        assert 0.04 < status.waited_seconds < 10


async def test_connection_comes_back_whichever_way_the_work_ends(make_settings: MakeSettings) -> None:
    async with open_database(make_settings(**at_most(1), database_pool_timeout=0.2)) as database:
        with pytest.raises(RuntimeError, match="in the block"):
            async with database.transaction() as session:
                await session.flush()
                raise RuntimeError("in the block")
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                session.add(Item(name="fails at the commit", parent_id=404))
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                session.add_all([Item(name="twice"), Item(name="twice")])
                await session.flush()

        async def stream() -> AsyncIterator[str]:
            async with database.snapshot() as session:
                for name in await session.scalars(select(Item.name)):
                    yield name

        await insert_item(database, "streamed")
        async for _ in (half_read := stream()):
            break
        await half_read.aclose()  # type: ignore[attr-defined]

        assert database.pool_status().checked_out == 0
        assert await names(database) == {"streamed"}


async def test_work_can_be_cancelled_at_any_moment(make_settings: MakeSettings) -> None:
    """Cancel at moments all over a transaction: no connection is lost, and success is only said of what is stored."""
    async with open_database(make_settings(**at_most(1))) as database:
        connections = count_connections(database)
        durations = []
        for number in range(10):
            started = perf_counter()
            await insert_item(database, f"timed {number}")
            durations.append(perf_counter() - started)

        moments, cancelled = 50, 0
        for moment in range(moments):
            name = f"item {moment}"
            task = asyncio.create_task(insert_item(database, name))
            cancel_at = perf_counter() + 1.2 * min(durations) * moment / moments
            while perf_counter() < cancel_at and not task.done():  # noqa: ASYNC110 - the moment is all that counts
                await asyncio.sleep(0)
            task.cancel()
            (result,) = await asyncio.gather(task, return_exceptions=True)
            assert result is None or isinstance(result, asyncio.CancelledError)
            cancelled += result is not None
            if result is None:
                assert name in await names(database)
        assert cancelled > moments / 4

        assert database.pool_status().checked_out == 0
        assert connections.most == 1
        await insert_item(database, "last")
        assert "last" in await names(database)
