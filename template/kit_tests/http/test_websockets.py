"""WebSockets: they have the database, an id, a line in the log, metrics, and an end when something goes wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from fastapi import Depends, HTTPException, WebSocket, WebSocketException
from sqlalchemy import insert, select, text
from starlette.types import Message, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from app.kit.database.dependencies import CurrentDatabase, ReadSession, WriteSession
from app.kit.database.failures import NotFoundError, PoolExhaustedError
from app.kit.routing import Router
from kit_tests.support.application import Running, application, running, serving
from kit_tests.support.items import Item, names
from kit_tests.support.metrics import samples
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.suite import MakeSettings
from kit_tests.support.websockets import converse

BUG = "The service failed to answer. The request id finds the reason in the logs."

router = Router(prefix="/sockets")


@router.websocket("/database")
async def use_database(socket: WebSocket, database: CurrentDatabase) -> None:
    await socket.accept()
    while True:
        await database.execute(insert(Item), {"name": await socket.receive_text()})
        await socket.send_json(sorted(await names(database)))


@router.websocket("/write")
async def write(socket: WebSocket, session: WriteSession) -> None:
    await socket.accept()
    session.add(Item(name=await socket.receive_text()))


@router.websocket("/read")
async def read(socket: WebSocket, session: ReadSession) -> None:
    await socket.accept()
    await socket.send_json(sorted(await session.scalars(select(Item.name))))


@router.websocket("/twice")
async def ask_twice(socket: WebSocket, session: ReadSession, database: CurrentDatabase) -> None:
    await socket.accept()
    await session.execute(select(1))
    await database.execute(select(1))


@router.websocket("/numbers/{number}")
async def take_number(socket: WebSocket, number: int) -> None:
    await socket.accept()
    await socket.close(1000 if number else 4000)


async def fail(how: str, database: CurrentDatabase) -> None:
    """Fail in one of the ways that requests do."""
    match how:
        case "bug":
            raise RuntimeError("swordfish")
        case "statement":
            await database.execute(text("SELECT swordfish FROM nowhere"))
        case "refused":
            raise HTTPException(403, "Not you.")
        case "missing":
            raise NotFoundError("There is no such item.")
        case "verbose":
            raise HTTPException(409, "é" * 100)
        case "modified":
            raise HTTPException(304)
        case "policy":
            raise WebSocketException(1008, "Too many messages.")
        case "exhausted":
            raise PoolExhaustedError("No connection became free.")


@router.websocket("/before/{how}", dependencies=[Depends(fail)])
async def fail_before(socket: WebSocket) -> None:
    await socket.accept()


@router.websocket("/after/{how}")
async def fail_after(socket: WebSocket, how: str, database: CurrentDatabase) -> None:
    await socket.accept()
    await fail(how, database)


@router.websocket("/closed")
async def close_at_once(socket: WebSocket) -> None:
    await socket.close(4000, "Nobody is on duty.")


@router.websocket("/silent")
async def say_nothing(socket: WebSocket) -> None:
    """Neither accept nor refuse."""


@router.websocket("/mute")
async def accept_only(socket: WebSocket) -> None:
    await socket.accept()


@pytest.fixture
async def service(make_settings: MakeSettings) -> AsyncIterator[Running]:
    async with running(application(make_settings(), router)) as service:
        yield service


def header(message: Message, name: bytes) -> bytes:
    """Return the header of a message that has it once."""
    (value,) = [value for key, value in message["headers"] if key == name]
    return bytes(value)


def is_closed_with(sent: Sequence[Message], code: int, reason: str = "") -> bool:
    """Tell whether an accepted WebSocket was closed with this code and reason, and with nothing that would leak."""
    return [message["type"] for message in sent] == ["websocket.accept", "websocket.close"] and sent[1] == {
        "type": "websocket.close",
        "code": code,
        "reason": reason,
    }


async def test_endpoints_may_use_the_database_and_sessions(service: Running) -> None:
    sent = await converse(service.asgi, "/sockets/database", "one", "two")
    assert [json.loads(message["text"]) for message in sent[1:]] == [["one"], ["one", "two"]]
    assert is_closed_with(await converse(service.asgi, "/sockets/write", "three", leave=False), 1000)
    _, listed, _ = await converse(service.asgi, "/sockets/read", leave=False)
    assert json.loads(listed["text"]) == ["one", "three", "two"]
    assert service.database.pool_status().checked_out == 0


async def test_second_connection_is_told_here_too(service: Running) -> None:
    assert is_closed_with(await converse(service.asgi, "/sockets/twice"), 1011, BUG)


async def test_handshake_has_the_id_of_the_log_line(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        async with running(application(make_settings(log_level="INFO"), router)) as service:
            accepted, *_ = await converse(service.asgi, "/sockets/database", headers=[(b"x-request-id", b"find-me")])
            closed = await converse(service.asgi, "/sockets/numbers/0")
    assert header(accepted, b"x-request-id") == b"find-me"
    first, second = [line for line in log_lines(output) if line["event"] == "websocket"]
    assert first.pop("duration_ms") > 0
    assert first.pop("timestamp")
    assert first == {
        "event": "websocket",
        "level": "info",
        "path": "/sockets/database",
        "request_id": "find-me",
        "status": 101,
        "code": 1001,
    }
    assert (second["code"], second["request_id"].encode()) == (4000, header(closed[0], b"x-request-id"))


async def test_websockets_are_counted_by_route_and_code(service: Running) -> None:
    for path in ("numbers/0", "numbers/1", "numbers/2", "numbers/none", "before/refused", "after/bug"):
        await converse(service.asgi, f"/sockets/{path}", leave=False)
    values = await samples(service.client)
    counted = {
        (label["route"], label["code"]): value
        for (name, labels), value in values.items()
        if name == "websocket_connections_total" and (label := dict(labels))
    }
    assert counted == {
        ("/sockets/numbers/{number}", "4000"): 1,
        ("/sockets/numbers/{number}", "1000"): 2,
        ("/sockets/numbers/{number}", "422"): 1,
        ("/sockets/before/{how}", "403"): 1,
        ("/sockets/after/{how}", "1011"): 1,
    }
    assert values["websocket_connections_open", frozenset()] == 0


@pytest.mark.parametrize(
    ("how", "status", "code", "reason"),
    [
        ("bug", 500, 1011, BUG),
        ("statement", 500, 1011, BUG),
        ("refused", 403, 1008, "Not you."),
        ("missing", 404, 1008, "There is no such item."),
        ("exhausted", 503, 1013, "All database connections are in use. Try again."),
        ("verbose", 409, 1008, "é" * 61),
        ("modified", 304, 1008, "Not Modified"),
    ],
)
async def test_error_refuses_the_handshake_or_closes(
    service: Running, how: str, status: int, code: int, reason: str
) -> None:
    start, body = await converse(service.asgi, f"/sockets/before/{how}", leave=False)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    if body["body"]:
        assert json.loads(body["body"])["request_id"].encode() == header(start, b"x-request-id")
    assert b"swordfish" not in body["body"]

    # Where the server cannot send a response, it refuses with 403.
    sent = await converse(service.asgi, f"/sockets/before/{how}", leave=False, can_refuse=False)
    assert sent == [{"type": "websocket.close"}]

    assert is_closed_with(await converse(service.asgi, f"/sockets/after/{how}", leave=False), code, reason)
    assert service.database.pool_status().checked_out == 0


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/nowhere", 404, "Not Found"),
        ("/items", 404, "Not Found"),
        ("/sockets/numbers/one", 422, "path.number: Input should be a valid integer"),
        ("/sockets/closed", 403, "Nobody is on duty."),
        ("/sockets/before/policy", 403, "Too many messages."),
        ("/sockets/silent", 500, BUG),
    ],
)
async def test_refused_handshake_says_why(service: Running, path: str, status: int, detail: str) -> None:
    start, body = await converse(service.asgi, path, leave=False)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    assert header(start, b"content-type") == b"application/problem+json"
    problem = json.loads(body["body"])
    assert problem["status"] == status
    assert problem["detail"].startswith(detail)
    assert await converse(service.asgi, path, leave=False, can_refuse=False) == [{"type": "websocket.close"}]


async def test_close_of_the_endpoint_is_left_as_it_is(service: Running) -> None:
    sent = await converse(service.asgi, "/sockets/after/policy", leave=False)
    assert is_closed_with(sent, 1008, "Too many messages.")


async def test_endpoint_that_does_not_answer_is_a_bug(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        async with running(application(make_settings(), router)) as service:
            await converse(service.asgi, "/sockets/silent", leave=False)
            await converse(service.asgi, "/sockets/after/bug", leave=False)
    silent, bug = log_lines(output)
    assert (silent["event"], silent["status"]) == ("websocket_failed", 500)
    assert "neither accepted nor refused" in silent["exception"]
    assert (bug["event"], bug["status"]) == ("websocket_failed", 101)


@pytest.mark.parametrize(
    ("path", "lost", "events"),
    [
        ("/sockets/mute", "websocket.accept", ["websocket"]),
        ("/sockets/read", "websocket.send", ["websocket"]),
        ("/sockets/write", "websocket.close", ["websocket"]),
        ("/sockets/after/bug", "websocket.close", ["websocket_failed", "websocket"]),
        ("/sockets/closed", "websocket.http.response.start", ["websocket"]),
        ("/sockets/before/refused", "websocket.http.response.start", ["websocket"]),
    ],
)
async def test_client_that_leaves_without_a_word_is_no_error(
    make_settings: MakeSettings, path: str, lost: str, events: list[str]
) -> None:
    with captured_output() as output:
        async with running(application(make_settings(log_level="INFO"), router)) as service:

            async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
                async def send_until(message: Message) -> None:
                    if message["type"] == lost:
                        raise ConnectionResetError
                    await send(message)

                await service.asgi(scope, receive, send_until)

            await converse(leaving, path, "text", leave=False)
    assert [line["event"] for line in log_lines(output)] == events


async def test_errors_are_logged(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        async with running(application(make_settings(), router)) as service:
            for path in ("before/bug", "after/bug", "after/statement", "after/exhausted", "after/refused"):
                await converse(service.asgi, f"/sockets/{path}", leave=False)
            await converse(service.asgi, "/sockets/database")
    lines = log_lines(output)
    assert [line["event"] for line in lines] == [*["websocket_failed"] * 3, "database_failure"]
    assert all("swordfish" in line["exception"] and line["request_id"] for line in lines[:3])


async def test_other_host_is_refused(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(trusted_hosts="api.example.com"), router)) as service:
        start, *_ = await converse(service.asgi, "/sockets/read")
        assert start["status"] == 400
        assert await converse(service.asgi, "/sockets/read", can_refuse=False) == [{"type": "websocket.close"}]


# Older releases of uvicorn choose an implementation that the library calls deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_server_and_its_client_see_the_same(make_settings: MakeSettings) -> None:
    app = application(make_settings(), router)
    async with asyncio.timeout(60), serving(app, websockets=True) as server:
        url = f"ws://127.0.0.1:{server.port}/sockets"
        async with connect(f"{url}/database") as socket:
            assert socket.response is not None
            assert socket.response.headers["X-Request-ID"]
            await socket.send("one")
            assert json.loads(await socket.recv()) == ["one"]
        for how, status, code in (("bug", 500, 1011), ("exhausted", 503, 1013), ("refused", 403, 1008)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{url}/before/{how}")
            assert refused.value.response.status_code == status
            async with connect(f"{url}/after/{how}") as socket:
                with pytest.raises(ConnectionClosedError) as closed:
                    await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
            assert closed.value.rcvd.reason


# Older releases of uvicorn choose an implementation that the library calls deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_refusals_are_no_errors_of_the_server(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        app = application(make_settings(log_level="INFO", trusted_hosts="127.0.0.1"), router)
        async with asyncio.timeout(60), serving(app, websockets=True) as server:
            for host, path, status in (
                ("127.0.0.1", "/nowhere", 404),
                ("127.0.0.1", "/sockets/numbers/one", 422),
                ("127.0.0.1", "/sockets/closed", 403),
                ("127.0.0.1", "/sockets/before/refused", 403),
                ("127.0.0.1", "/sockets/before/modified", 304),
                ("localhost", "/sockets/read", 400),
            ):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(f"ws://{host}:{server.port}{path}", host="127.0.0.1")
                assert refused.value.response.status_code == status
    assert [line["event"] for line in log_lines(output) if line["level"] not in {"info", "debug"}] == []
