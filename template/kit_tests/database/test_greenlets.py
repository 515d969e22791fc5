"""Greenlets that are kept: a statement by itself does in them what it would do in one of its own."""

import asyncio
import gc
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from weakref import ref

import pytest
from greenlet import getcurrent, greenlet
from sqlalchemy import select
from sqlalchemy.util import await_only, greenlet_spawn

from app.kit.database.greenlets import in_greenlet
from app.kit.database.sessions import Database
from kit_tests.support.items import Item

PLACE: ContextVar[object] = ContextVar("place")


class Something:
    """What is to be forgotten."""


def wait(seconds: float = 0.01) -> object:
    await_only(asyncio.sleep(seconds))
    return getcurrent()


async def test_one_after_another_they_share_one_greenlet() -> None:
    assert len({await in_greenlet(wait) for _ in range(5)}) == 1
    assert len({await greenlet_spawn(wait) for _ in range(5)}) == 5


async def test_at_the_same_time_each_has_its_own() -> None:
    first = set(await asyncio.gather(*(in_greenlet(wait) for _ in range(5))))
    assert len(first) == 5
    assert set(await asyncio.gather(*(in_greenlet(wait) for _ in range(5)))) == first


async def test_statements_by_themselves_share_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    execute = Database._execute

    def noted(self: Database, *arguments: Any) -> Any:
        seen.append(getcurrent())
        return execute(self, *arguments)

    monkeypatch.setattr(Database, "_execute", noted)
    statement = select(Item.id)
    for _ in range(5):
        await database.execute(statement)
    assert len(seen) == 5
    assert len(set(seen)) == 1


async def test_arguments_and_results_are_handed_on() -> None:
    def work(*arguments: int, **options: int) -> object:
        return arguments, options, await_only(asyncio.sleep(0, "slept")), await_only(asyncio.sleep(0, "again"))

    assert await in_greenlet(work, 1, 2, third=3) == ((1, 2), {"third": 3}, "slept", "again")


async def test_error_of_what_is_awaited_comes_to_the_work() -> None:
    async def fail() -> None:
        raise ValueError("awaited")

    def work() -> str:
        try:
            await_only(fail())
        except ValueError as error:
            return str(error)
        raise AssertionError

    assert await in_greenlet(work) == "awaited"


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, asyncio.CancelledError, StopIteration])
async def test_error_of_the_work_comes_to_the_caller(kind: type[BaseException]) -> None:
    def work() -> None:
        wait()
        raise kind

    worker = await in_greenlet(wait)
    # A coroutine cannot let a StopIteration out, whoever raises it.
    with pytest.raises(RuntimeError if kind is StopIteration else kind) as raised:
        await in_greenlet(work)
    assert raised.value.__context__ is raised.value.__cause__
    assert await in_greenlet(wait) is worker


async def test_cancelled_work_cleans_up_and_its_greenlet_goes_on() -> None:
    worker = await in_greenlet(wait)
    steps: list[object] = []

    def work() -> None:
        try:
            wait(60)
        finally:
            steps.append(wait())

    task = asyncio.create_task(in_greenlet(work))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == [worker]
    assert await in_greenlet(wait) is worker


async def test_context_is_that_of_the_caller() -> None:
    def work() -> object:
        before = PLACE.get()
        wait()
        PLACE.set(f"{before}, changed")
        return PLACE.get()

    async def call(place: str) -> tuple[object, object]:
        PLACE.set(place)
        return await in_greenlet(work), PLACE.get()

    places = [f"place {number}" for number in range(3)]
    expected = [(f"{place}, changed", f"{place}, changed") for place in places]
    assert await asyncio.gather(*(call(place) for place in places)) == expected
    assert [await asyncio.create_task(call(place)) for place in places] == expected


async def test_nothing_is_held_that_the_work_was_given_or_made() -> None:
    held: list[ref[object]] = []

    def work(given: Something, *, fails: bool) -> Something:
        made, awaited = Something(), await_only(asyncio.sleep(0, Something()))
        held.extend(map(ref, (given, made, awaited)))
        if fails:
            raise ValueError
        return made

    async def call(*, fails: bool) -> None:
        context_value = Something()
        PLACE.set(context_value)
        held.append(ref(context_value))
        with suppress(ValueError):
            await in_greenlet(work, Something(), fails=fails)

    gc.collect()
    gc.disable()
    try:
        for fails in (False, True):
            await asyncio.create_task(call(fails=fails))
        await asyncio.sleep(0)
        assert [each() for each in held] == [None] * 8
    finally:
        gc.enable()


async def test_each_thread_has_its_own() -> None:
    worker = await in_greenlet(wait)
    others: list[object] = []
    thread = threading.Thread(target=lambda: others.append(asyncio.run(in_greenlet(wait))))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert len(others) == 1
    assert others[0] is not worker
    assert await in_greenlet(wait) is worker


async def test_work_may_call_for_more_work() -> None:
    """As an event of SQLAlchemy's may that awaits what uses the database itself."""

    def outer() -> tuple[object, object]:
        return await_only(in_greenlet(wait)), getcurrent()

    inner, own = await in_greenlet(outer)
    assert inner is not own


async def test_work_comes_back_to_whoever_called_for_it() -> None:
    """As where a program drives its event loop in a greenlet of its own."""
    await in_greenlet(wait)

    def drive() -> object:
        coroutine = in_greenlet(getcurrent)
        try:
            coroutine.send(None)
        except StopIteration as done:
            return getcurrent(), done.value
        raise AssertionError

    other = greenlet(drive)
    driven, worked = other.switch()
    assert driven is other
    assert worked is not other


async def test_work_that_is_given_up_ends() -> None:
    ended: list[str] = []

    def work() -> None:
        try:
            wait(60)
        finally:
            ended.append("ended")

    coroutine = in_greenlet(work)
    coroutine.send(None)
    coroutine.close()
    assert ended == ["ended"]
    assert await in_greenlet(lambda: "goes on") == "goes on"
