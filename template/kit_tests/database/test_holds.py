"""A request learns at once that it asks for a second connection, and of which pool."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy import select

from app.kit.database.failures import SecondConnectionWarning
from app.kit.database.holds import holds_watched
from app.kit.database.sessions import Database, open_database
from kit_tests.support.items import Item, insert_item
from kit_tests.support.suite import MakeSettings

NAMES = select(Item.name)

UnitOfWork = Callable[[], AbstractAsyncContextManager[object]]

KINDS = ["transaction", "read", "snapshot"]


@pytest.fixture
def request_served() -> Iterator[None]:
    """Let the test be a request."""
    with holds_watched():
        yield


@pytest.fixture
async def other(make_settings: MakeSettings) -> AsyncIterator[Database]:
    """Return a second pool."""
    async with open_database(make_settings()) as other:
        yield other


@pytest.fixture
def unit_of_work(request: pytest.FixtureRequest, database: Database) -> UnitOfWork:
    """Return one of the ways to open a session."""
    opened: UnitOfWork = getattr(database, request.param)
    return opened


@pytest.mark.parametrize("unit_of_work", KINDS, indirect=True)
@pytest.mark.parametrize("inner", [*KINDS, "execute"])
@pytest.mark.usefixtures("request_served")
async def test_second_connection_is_refused_with_both_places(
    database: Database, unit_of_work: UnitOfWork, inner: str
) -> None:
    async def second() -> None:
        if inner == "execute":
            await database.execute(NAMES)
        else:
            async with getattr(database, inner)():
                pytest.fail("It has got a second connection.")

    place = rf"{__name__}:\d+"
    message = rf"asks for a second connection in {place} while it holds the one that it took in {place}\. "
    async with unit_of_work():
        with pytest.raises(SecondConnectionWarning, match=message) as refused:
            await second()
        asked, held = map(int, re.findall(rf"{__name__}:(\d+)", str(refused.value)))
        assert asked < held
        # Nothing is left behind of what was refused.
        assert database.pool_status().checked_out == 1
    await database.execute(NAMES)
    async with unit_of_work():
        pass
    assert database.pool_status().checked_out == 0


@pytest.mark.usefixtures("request_served")
async def test_child_task_counts_as_part_of_its_parent(database: Database) -> None:
    async with database.read():
        with pytest.raises(SecondConnectionWarning):
            await asyncio.create_task(insert_item(database, "in a task"))
        with pytest.raises(ExceptionGroup) as group:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(insert_item(database, "in a group"))
    assert group.group_contains(SecondConnectionWarning)


@pytest.mark.usefixtures("request_served")
async def test_tasks_side_by_side_may_have_a_connection_each(database: Database) -> None:
    both_hold_one = asyncio.Barrier(2)

    async def work() -> None:
        async with database.read():
            await both_hold_one.wait()

    await asyncio.gather(work(), work())
    assert len(await asyncio.gather(*(database.execute(NAMES) for _ in range(3)))) == 3


@pytest.mark.usefixtures("request_served")
async def test_another_database_has_connections_of_its_own(database: Database, other: Database) -> None:
    async with database.read(), other.read():
        # Also where the one that is held is not the innermost.
        with pytest.raises(SecondConnectionWarning):
            await database.execute(NAMES)
        with pytest.raises(SecondConnectionWarning):
            await other.execute(NAMES)
    async with database.read():
        assert await other.execute(NAMES) == []


@pytest.mark.usefixtures("request_served")
async def test_returned_connection_is_no_longer_held(database: Database) -> None:
    for _ in range(3):
        async with database.transaction():
            pass
        async with database.read():
            pass
    with pytest.raises(RuntimeError, match="in the block"):
        async with database.transaction():
            raise RuntimeError("in the block")
    await database.execute(NAMES)

    may_go_on = asyncio.Event()

    async def later() -> None:
        await may_go_on.wait()
        await insert_item(database, "later")

    async with database.read():
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    may_go_on.set()
    await task


@pytest.mark.usefixtures("request_served")
async def test_sessions_may_end_in_another_order_than_they_began(database: Database, other: Database) -> None:
    first, second = database.read(), other.read()
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    await database.execute(NAMES)
    with pytest.raises(SecondConnectionWarning):
        await other.execute(NAMES)
    await second.__aexit__(None, None, None)
    await other.execute(NAMES)
    async with database.read(), other.read():
        pass


async def test_outside_of_requests_sessions_may_be_nested(database: Database) -> None:
    async with database.read(), database.read() as session:
        assert list(await session.scalars(NAMES)) == []
        assert await database.execute(NAMES) == []
