"""What a request's session promises: to the client that gets a response, and to the pool whatever the client does."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from fastapi import BackgroundTasks, FastAPI
from sqlalchemy import select
from starlette.types import Message

from app.kit.database.dependencies import CurrentDatabase, ReadSession, WriteSession
from app.kit.database.sessions import Database
from app.kit.http.streaming import JsonLinesResponse
from kit_tests.support.application import (
    Running,
    Served,
    all_connections_taken,
    application,
    eventually,
    exchange,
    running,
    serving,
)
from kit_tests.support.items import Item, names
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings


async def test_commit_comes_before_the_response(service: Running) -> None:
    seen: list[tuple[int, set[str]]] = []

    async def look(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.append((message["status"], await names(service.database)))

    headers = [(b"content-type", b"application/json")]
    await exchange(service.asgi, "POST", "/items", headers=headers, body=b'{"name": "kept"}', on_message=look)

    assert seen == [(201, {"kept"})]


async def test_failed_commit_is_never_answered_with_success(service: Running) -> None:
    response = await service.client.post("/items", json={"name": "orphan", "parent_id": 404})
    assert_problem(response, 409, kind="foreign-key-violation")
    assert await names(service.database) == set()


async def test_refused_request_keeps_its_status_and_stores_nothing(service: Running) -> None:
    for status in (400, 403, 404, 409, 422, 503):
        response = await service.client.post(f"/items/then/{status}", params={"name": "refused"})
        assert_problem(response, status)
    assert await names(service.database) == set()


async def test_bug_is_a_500_and_stores_nothing(service: Running) -> None:
    response = await service.client.post("/items/then/500", params={"name": "lost"})
    assert_problem(response, 500)
    assert "a bug" not in response.text
    assert await names(service.database) == set()
    assert service.database.pool_status().checked_out == 0


async def test_stream_holds_no_connection_of_its_request(service: Running) -> None:
    async def body(database: Database) -> AsyncGenerator[bytes, None]:
        yield b"%d " % database.pool_status().checked_out
        yield b"%d" % database.pool_status().checked_out

    @service.app.get("/probe")
    async def probe(session: ReadSession, database: CurrentDatabase) -> JsonLinesResponse:
        await session.execute(select(1))
        return JsonLinesResponse(b"", body(database))

    assert (await service.client.get("/probe")).text == "0 0"


async def test_background_task_holds_no_connection_of_its_request(service: Running) -> None:
    checked_out = []

    @service.app.post("/probe")
    async def probe(session: WriteSession, database: CurrentDatabase, tasks: BackgroundTasks) -> None:
        await session.execute(select(1))
        checked_out.append(database.pool_status().checked_out)
        tasks.add_task(lambda: checked_out.append(database.pool_status().checked_out))

    await service.client.post("/probe")
    assert checked_out == [1, 0]


async def test_cancelled_request_rolls_back_and_returns_its_connection(service: Running) -> None:
    inserted = asyncio.Event()

    @service.app.post("/probe")
    async def probe(session: WriteSession) -> None:
        session.add(Item(name="cancelled"))
        await session.flush()
        inserted.set()
        await asyncio.Event().wait()

    request = asyncio.create_task(exchange(service.asgi, "POST", "/probe"))
    await inserted.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request

    assert service.database.pool_status().checked_out == 0
    assert await names(service.database) == set()


def add_stream(app: FastAPI, *, before_first_chunk: asyncio.Event | None = None) -> asyncio.Event:
    """Add `GET /stream`, which never ends, and return an event that says that it holds a connection."""
    connected = asyncio.Event()

    async def rows(database: Database) -> AsyncGenerator[bytes, None]:
        async with database.snapshot() as session:
            await session.execute(select(1))
            connected.set()
            if before_first_chunk is not None:
                await before_first_chunk.wait()
            while True:
                yield b"a row\n"
                await asyncio.sleep(0.001)

    @app.get("/stream")
    async def stream(database: CurrentDatabase) -> JsonLinesResponse:
        # Kept, so that it is not the garbage collector that closes it.
        app.state.rows = rows(database)
        return await JsonLinesResponse.start(app.state.rows)

    return connected


async def test_client_leaving_mid_stream_leaks_no_connection(app: FastAPI) -> None:
    add_stream(app)
    async with serving(app) as server:
        reader, writer = await server.send(b"GET /stream HTTP/1.1\r\nHost: test\r\n\r\n")
        await reader.readuntil(b"a row")
        assert server.database.pool_status().checked_out == 1
        writer.close()
        await eventually(lambda: server.database.pool_status().checked_out == 0)


async def test_cancelled_stream_releases_its_connection(
    service: Running,
) -> None:
    add_stream(service.app)
    blocked = asyncio.Event()

    async def block(message: Message) -> None:
        if message["type"] == "http.response.body":
            blocked.set()
            await asyncio.Event().wait()

    request = asyncio.create_task(exchange(service.asgi, "GET", "/stream", on_message=block))
    await blocked.wait()
    assert service.database.pool_status().checked_out == 1
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert service.database.pool_status().checked_out == 0


async def test_client_leaving_before_a_stream_leaks_no_connection(app: FastAPI) -> None:
    first_chunk = asyncio.Event()
    connected = add_stream(app, before_first_chunk=first_chunk)
    async with serving(app) as server:
        _, writer = await server.send(b"GET /stream HTTP/1.1\r\nHost: test\r\n\r\n")
        await connected.wait()
        await leave(server, writer)
        first_chunk.set()
        await eventually(lambda: server.database.pool_status().checked_out == 0)


async def leave(server: Served, writer: asyncio.StreamWriter) -> None:
    """Close the connection and wait until the server knows."""
    writer.close()
    await eventually(lambda: not server.connections())


async def test_client_leaving_before_the_response_leaks_no_connection(app: FastAPI) -> None:
    inserted, proceed = asyncio.Event(), asyncio.Event()

    @app.post("/probe")
    async def probe(session: WriteSession) -> None:
        session.add(Item(name="disconnected"))
        await session.flush()
        inserted.set()
        await proceed.wait()

    async with serving(app) as server:
        _, writer = await server.send(b"POST /probe HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        await inserted.wait()
        await leave(server, writer)
        # The endpoint is not told: it does what it was asked for, as a whole.
        assert server.database.pool_status().checked_out == 1
        proceed.set()
        await eventually(lambda: server.database.pool_status().checked_out == 0)
        assert await names(server.database) == {"disconnected"}


async def test_client_leaving_mid_body_stores_nothing(app: FastAPI) -> None:
    async with serving(app) as server:
        head = b"POST /items HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        _, writer = await server.send(head + b'{"name": "half"}')
        await eventually(lambda: bool(server.connections()))
        await leave(server, writer)
        assert await names(server.database) == set()
        assert server.database.pool_status().checked_out == 0


async def test_stream_that_cannot_begin_is_answered_with_the_error(make_settings: MakeSettings) -> None:
    settings = make_settings(database_pool_timeout=0.01)
    async with running(application(settings)) as service, all_connections_taken(service.database):
        assert_problem(await service.client.get("/items/export"), 503, kind="pool-exhausted")


async def test_failing_stream_is_visibly_cut_off(app: FastAPI) -> None:
    async def rows() -> AsyncGenerator[bytes, None]:
        yield b"a row\n"
        raise RuntimeError("a bug")

    @app.get("/stream")
    async def stream() -> JsonLinesResponse:
        return await JsonLinesResponse.start(rows())

    async with serving(app) as server:
        reader, writer = await server.send(b"GET /stream HTTP/1.1\r\nHost: test\r\n\r\n")
        response = await reader.read()
        writer.close()
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert b"a row" in response
    # A chunked body that is complete ends with an empty chunk.
    assert not response.endswith(b"0\r\n\r\n")
