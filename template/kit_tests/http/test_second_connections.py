"""A request that holds a connection and asks for another is told so at once; one that holds none is left alone."""

import asyncio
import warnings
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

import pytest
from fastapi import BackgroundTasks, Depends
from sqlalchemy import select

from app.kit.database.dependencies import CurrentDatabase, ReadSession, WriteSession
from app.kit.database.sessions import Database
from app.kit.http.streaming import JsonLinesResponse
from app.kit.idempotency.routes import IdempotentDatabase, IdempotentSession
from app.kit.routing import Router
from kit_tests.support.application import Running, application, running
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.pool import at_most
from kit_tests.support.suite import MakeSettings

router = Router(prefix="/probe")


async def current_user(database: CurrentDatabase) -> int:
    """Ask the database who it is, as a dependency of every endpoint does."""
    ((user,),) = await database.execute(select(1))
    return int(user)


CurrentUser = Annotated[int, Depends(current_user)]


@router.post("/session-first")
async def session_first(_session: WriteSession, user: CurrentUser) -> int:
    return user


@router.post("/key-first")
async def key_first(_session: IdempotentSession, user: CurrentUser) -> int:
    return user


@router.post("/key-and-statement-first")
async def key_and_statement_first(_database: IdempotentDatabase, user: CurrentUser) -> int:
    return user


@router.post("/in-the-endpoint")
async def in_the_endpoint(_session: ReadSession, database: CurrentDatabase) -> None:
    async with database.snapshot():
        pass


@router.post("/in-a-task")
async def in_a_task(_session: ReadSession, database: CurrentDatabase) -> None:
    await asyncio.create_task(current_user(database))


@router.post("/user-first")
async def user_first(user: CurrentUser, _session: WriteSession) -> int:
    return user


@router.post("/one-after-the-other")
async def one_after_the_other(database: CurrentDatabase) -> None:
    for block in (database.transaction, database.read, database.snapshot):
        async with block() as session:
            await session.execute(select(1))
        await current_user(database)


@router.post("/side-by-side")
async def side_by_side(database: CurrentDatabase) -> None:
    await asyncio.gather(current_user(database), current_user(database))


async def _rows(database: Database) -> AsyncGenerator[bytes, None]:
    async with database.snapshot() as session:
        await session.execute(select(1))
        yield b"1"


@router.post("/stream")
async def stream(session: ReadSession, database: CurrentDatabase) -> JsonLinesResponse:
    await session.execute(select(1))
    return JsonLinesResponse(b"", _rows(database))


@router.post("/background")
async def background(session: WriteSession, database: CurrentDatabase, tasks: BackgroundTasks) -> None:
    await session.execute(select(1))
    tasks.add_task(current_user, database)


@pytest.fixture
async def service(make_settings: MakeSettings) -> AsyncIterator[Running]:
    async with running(application(make_settings(), router)) as service:
        yield service


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("session-first", None),
        ("session-first", "a"),
        ("key-first", None),
        ("key-first", "a"),
        ("key-and-statement-first", "a"),
        ("in-the-endpoint", None),
        ("in-a-task", None),
    ],
)
async def test_second_connection_is_an_error_in_tests(make_settings: MakeSettings, path: str, key: str | None) -> None:
    with captured_output() as output:
        async with running(application(make_settings(), router)) as service:
            headers = {} if key is None else {"Idempotency-Key": key}
            assert (await service.client.post(f"/probe/{path}", headers=headers)).status_code == 500
            assert service.database.pool_status().checked_out == 0
    (line,) = [line for line in log_lines(output) if line["event"] == "request_failed"]
    assert "SecondConnectionWarning: A request asks for a second connection in" in line["exception"]


@pytest.mark.parametrize("key", [None, "a"])
@pytest.mark.parametrize("path", ["user-first", "one-after-the-other", "side-by-side", "stream", "background"])
async def test_one_connection_at_a_time_is_no_error(service: Running, path: str, key: str | None) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        headers = {} if key is None else {"Idempotency-Key": key}
        assert (await service.client.post(f"/probe/{path}", headers=headers)).status_code == 200
    assert told == []


async def test_statement_without_a_key_holds_nothing(service: Running) -> None:
    assert (await service.client.post("/probe/key-and-statement-first")).status_code == 200


async def test_many_such_requests_do_not_wait_for_each_other(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(**at_most(4)), router)) as service, asyncio.timeout(60):
        responses = await asyncio.gather(*(service.client.post("/probe/session-first") for _ in range(20)))
        assert [response.status_code for response in responses] == [500] * 20
        assert service.database.pool_status().checked_out == 0
