"""A service that runs for months: however its requests end, nothing of them is left behind."""

import asyncio
import gc
import os
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi import APIRouter
from sqlalchemy import select
from starlette.types import Message

from app.kit.database.dependencies import CurrentDatabase, WriteSession
from app.kit.database.sessions import Database
from app.kit.http import retries
from app.kit.http.retries import RetryingRoute
from app.kit.http.streaming import JsonLinesResponse
from kit_tests.support.application import Running, all_connections_taken, application, eventually, exchange, running
from kit_tests.support.conflicts import cause_conflict
from kit_tests.support.items import Item, insert_item
from kit_tests.support.suite import MakeSettings

REQUESTS = int(os.environ.get("LEAK_REQUESTS", "300"))
"""How many requests are sent: 20 of each kind by default. What leaks each time is found by far fewer."""

JSON = [(b"content-type", b"application/json")]

router = APIRouter(route_class=RetryingRoute)


@router.post("/conflicting")
async def conflicting(database: CurrentDatabase) -> None:
    await cause_conflict(database)


@router.post("/failing")
async def failing(session: WriteSession) -> None:
    await session.execute(select(Item))
    raise RuntimeError("a bug")


@router.post("/slow")
async def slow(session: WriteSession) -> None:
    session.add(Item(name="cancelled"))
    await session.flush()
    await asyncio.sleep(60)


async def _rows(database: Database) -> AsyncGenerator[bytes, None]:
    async with database.snapshot() as session:
        while True:
            await session.execute(select(Item))
            yield b"a row\n"


@router.get("/endless")
async def endless(database: CurrentDatabase) -> JsonLinesResponse:
    return await JsonLinesResponse.start(_rows(database))


class LeftBehind(NamedTuple):
    """What a process would run out of, as far as it was not there before."""

    tasks: int
    files: int
    connections: int


def open_files() -> int:
    """Return how many file descriptors are open: files, sockets and pipes."""
    # A traceback may refer to a cursor, and so keep its connection's file open until the next collection.
    gc.collect()
    return len(list(Path("/dev/fd").iterdir()))


COMPLETED: Sequence[tuple[str, str, bytes, int]] = (
    ("GET", "/health/live", b"", 200),
    ("GET", "/items", b"", 200),
    ("GET", "/items/export", b"", 200),
    # What it is already: of two that change it at once, one would be refused.
    ("PATCH", "/items/1", b'{"count": 0}', 200),
    ("GET", "/items/999", b"", 404),
    ("GET", "/nowhere", b"", 404),
    ("POST", "/items", b'{"name": "taken"}', 409),
    ("POST", "/items", b'{"name": "orphan", "parent_id": 404}', 409),
    ("POST", "/items", b" " * 2_000_000, 413),
    ("POST", "/items", b'{"name": 1}', 422),
    ("POST", "/failing", b"", 500),
    ("POST", "/conflicting", b"", 503),
)


async def send(service: Running, number: int) -> str:
    """Send one request of some kind, and return what became of it."""
    kind = number % (len(COMPLETED) + 3)
    if kind < len(COMPLETED):
        method, path, body, status = COMPLETED[kind]
        start, *_ = await exchange(service.asgi, method, path, headers=JSON, body=body)
        assert start["status"] == status, path
        return str(status)

    async def leave(message: Message) -> None:
        if message.get("body"):
            raise ConnectionResetError

    async def stop_reading(message: Message) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    if kind == len(COMPLETED):
        with pytest.raises(Exception):  # noqa: B017, PT011 - how a server breaks a response off is its own business
            await exchange(service.asgi, "GET", "/endless", on_message=leave)
        return "left"
    method, path = ("GET", "/endless") if kind == len(COMPLETED) + 1 else ("POST", "/slow")
    request = asyncio.create_task(exchange(service.asgi, method, path, on_message=stop_reading))
    await asyncio.sleep(number % 10 / 1000)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    return "cancelled"


async def send_many(service: Running, number: int) -> Counter[str]:
    """Send so many requests, a few at a time and some while no connection is free; return what became of them."""
    ends: Counter[str] = Counter()
    numbers = iter(range(number))

    async def client() -> None:
        for next_number in numbers:
            ends[await send(service, next_number)] += 1

    await asyncio.gather(*(client() for _ in range(4)))
    async with all_connections_taken(service.database):
        for start, *_ in await asyncio.gather(*(exchange(service.asgi, "GET", "/items") for _ in range(number // 10))):
            ends[str(start["status"])] += 1
    return ends


async def test_many_requests_leak_nothing(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.001)
    app = application(make_settings(database_pool_timeout=0.2, log_level="CRITICAL"), router)
    async with running(app) as service:
        database = service.database
        await insert_item(database, "taken")
        # What is opened once and kept is no leak. Neither is the pool, of which a cancelled request costs a connection:
        # so all that are idle are closed before each count, and one that is lost is not among them.
        await send_many(service, 50)
        await database.dispose()
        tasks, files = asyncio.all_tasks(), open_files()

        def left_behind() -> LeftBehind:
            connections = database.pool_status().checked_out
            return LeftBehind(len(asyncio.all_tasks() - tasks), max(open_files() - files, 0), connections)

        ends = await send_many(service, REQUESTS)
        assert set(ends) == {"200", "404", "409", "413", "422", "500", "503", "left", "cancelled"}
        await database.dispose()
        with suppress(TimeoutError):
            await eventually(lambda: left_behind() == (0, 0, 0))
        assert left_behind() == LeftBehind(tasks=0, files=0, connections=0)
