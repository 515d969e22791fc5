"""Work that is cancelled gives its connection back, and says nothing of success that is not stored."""

import asyncio
from time import perf_counter

from sqlalchemy import select

from app.database.sessions import Database, open_database
from tests.conftest import MakeSettings
from tests.kit.connections import count_connections
from tests.kit.items import Item
from tests.kit.pool import at_most


async def insert_item(database: Database, name: str) -> None:
    async with database.transaction() as session:
        session.add(Item(name=name))


async def names(database: Database) -> set[str]:
    async with database.read() as session:
        return set(await session.scalars(select(Item.name)))


async def test_work_can_be_cancelled_at_any_moment(make_settings: MakeSettings) -> None:
    """Cancel at moments all over a transaction: no connection is lost, and success is only said of what is stored."""
    async with open_database(make_settings(**at_most(1))) as database:
        connections = count_connections(database)
        await insert_item(database, "warm")
        started = perf_counter()
        await insert_item(database, "timed")
        duration = perf_counter() - started

        moments, cancelled = 50, 0
        for moment in range(moments):
            name = f"item {moment}"
            task = asyncio.create_task(insert_item(database, name))
            cancel_at = perf_counter() + 1.2 * duration * moment / moments
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
