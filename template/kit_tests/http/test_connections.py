"""What a client may do to a connection: heads, trailers and waiting requests are bounded, and so is stalling."""

import asyncio
import gc
import json
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import pytest
import uvicorn
from fastapi import APIRouter, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from websockets.asyncio.client import connect

from app.kit.database.dependencies import CurrentDatabase
from app.kit.database.sessions import Database
from app.kit.http.connections import BoundedProtocol
from app.kit.http.streaming import JsonLinesResponse
from kit_tests.support.application import Served, application, eventually, serving
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.suite import MakeSettings

# Older releases of uvicorn choose an implementation of WebSockets that the library calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

LIMIT = 65_536
STALLS = 0.4
"""The `client_timeout` of tests in which a client stalls, in seconds."""

SLOWS = 2.0
"""The `client_timeout` of tests in which a client is slow and must not be taken for one that stalls, in seconds."""

LARGE = 16_000_000
"""More than the system takes for a client that does not read."""

GET = b"GET /health/live HTTP/1.1\r\nHost: test\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: test\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

router = APIRouter()


@router.post("/echo")
async def echo(request: Request) -> dict[str, Any]:
    body = await request.body()
    return {"size": len(body), "headers": dict(request.headers), "id": request.headers.get("x-request-id")}


@router.get("/number/{number}")
async def number_of(number: int) -> dict[str, int]:
    if number % 250:
        return {"number": number, "parsed": 0}
    await asyncio.sleep(0.05)
    return {"number": number, "parsed": sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects())}


@router.get("/large")
async def large() -> Response:
    return Response(b"x" * LARGE)


async def _endless(database: Database) -> AsyncGenerator[bytes, None]:
    async with database.snapshot():
        while True:
            yield b"x" * 100_000


@router.get("/endless")
async def endless(database: CurrentDatabase) -> JsonLinesResponse:
    return await JsonLinesResponse.start(_endless(database), longest_pause=None)


@router.get("/silent")
async def silent() -> StreamingResponse:
    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await asyncio.sleep(2 * STALLS)
        yield b"data: 2\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@router.websocket("/silent")
async def silent_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())


@router.websocket("/talkative")
async def talkative_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_bytes(b"x" * 100_000)


def uvicorn_config(app: Any) -> uvicorn.Config:
    config = uvicorn.Config(app, log_config=None)
    config.load()
    return config


@asynccontextmanager
async def served(make_settings: MakeSettings, **values: object) -> AsyncIterator[Served]:
    async with serving(application(make_settings(**values), router), websockets=True) as server:
        yield server


async def sent(server: Served, *pieces: bytes, pause: float = 0) -> bytes:
    """Send these and return all that comes back until the server closes the connection."""
    reader, writer = await server.send(b"")
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(pause)
    async with asyncio.timeout(30):
        received = await reader.read()
    writer.close()
    return received


def assert_refused(received: bytes, status: int) -> None:
    """Check that it is one response, a problem, and that it says that the connection ends."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), received[:200]
    assert b"\r\ncontent-type: application/problem+json" in head
    assert b"\r\nconnection: close" in head.lower()
    found = json.loads(body)
    assert found["status"] == status
    assert f"x-request-id: {found['request_id']}".encode() in head


# --- Size ---

TOO_LARGE = {
    "many headers": (GET + b"".join(b"x-%05d: 1\r\n" % number for number in range(LIMIT // 9)), 431),
    "long value": (GET + b"x: " + b"x" * LIMIT, 431),
    "long name": (GET + b"x" * LIMIT, 431),
    "long URL": (b"GET /" + b"x" * LIMIT, 414),
    "URL that is most of it": (b"GET /" + b"x" * LIMIT + b" HTTP/1.1\r\nHost: test\r\n\r\n", 414),
    "encoded URL": (b"GET /health/live?x=" + b"%2e" * LIMIT + b" HTTP/1.1\r\nHost: test\r\n\r\n", 414),
    "line ends": (b"\r\n" * LIMIT, 431),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\nx: " + b"x" * LIMIT, 431),
    "handshake": (GET + b"Connection: upgrade\r\nUpgrade: websocket\r\nx: " + b"x" * LIMIT, 431),
    "trailers": (CHUNKED + b"0\r\n" + b"x: 1\r\n" * LIMIT, 431),
    "long trailer": (CHUNKED + b"1\r\nx\r\n0\r\nx: " + b"x" * 2 * LIMIT, 431),
    "chunk extension": (CHUNKED + b"1;x=" + b"x" * 2 * LIMIT, 431),
}


@pytest.mark.parametrize(("request_", "status"), TOO_LARGE.values(), ids=TOO_LARGE)
async def test_endless_head_is_refused(make_settings: MakeSettings, request_: bytes, status: int) -> None:
    async with served(make_settings) as server:
        assert_refused(await sent(server, request_), status)
        pieces = [request_[place : place + 5_000] for place in range(0, len(request_), 5_000)]
        assert_refused(await sent(server, *pieces), status)
        await eventually(lambda: server.connections() == 0)


async def test_refusal_reaches_whoever_first_sends_all(make_settings: MakeSettings) -> None:
    async with served(make_settings) as server:

        def send_all() -> bytes:
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
                client.sendall(GET + b"x: " + b"x" * 100 * LIMIT)
                return client.recv(LIMIT)

        assert_refused(await asyncio.to_thread(send_all), 431)


async def test_head_within_the_limit_is_served(make_settings: MakeSettings) -> None:
    async with served(make_settings, max_head_size=2000) as server:
        rest = b"Connection: close\r\n\r\n"
        for size, status in ((2000, b"200"), (2001, b"431")):
            head = GET + b"x: "
            head += b"x" * (size - len(head) - len(rest) - 2) + b"\r\n" + rest
            assert (await sent(server, head)).split()[1] == status


async def test_bound_is_for_each_head_and_not_for_the_body(make_settings: MakeSettings) -> None:
    async with served(make_settings, max_head_size=2000) as server:
        body = POST + b"Content-Length: 500000\r\n\r\n" + b"x" * 500_000
        chunks = CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"
        last = POST + b"Content-Length: 0\r\nConnection: close\r\n\r\n"
        received = await sent(server, body, chunks, body, last)
    assert received.count(b"HTTP/1.1 200 OK") == 4
    assert [received.count(b'"size":%d,' % size) for size in (500_000, 50_000, 0)] == [2, 1, 1]


async def test_trailers_are_no_headers(make_settings: MakeSettings) -> None:
    async with served(make_settings) as server:
        # The last in two parts: the endpoint reads headers after the body has come.
        start = POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n"
        rest = b"0\r\nX-Request-ID: chosen\r\nIdempotency-Key: chosen\r\nExpect: 100-continue\r\n\r\n"
        for pieces in ([start + rest], [start, rest]):
            received = await sent(server, *pieces, pause=0.02)
            assert b'"size":1' in received
            assert b"chosen" not in received
            assert b"idempotency-key" not in received
            assert b"100-continue" not in received


# --- Upgrades that are not taken up ---

UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
OTHER = GET.replace(b"live", b"ready") + b"\r\n"
LAST = POST + b"Content-Length: 2\r\nConnection: close\r\n\r\nxx"

UPGRADES = {
    "body": (POST + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(OTHER) + OTHER, [b'"size":%d,' % len(OTHER)]),
    "chunks": (
        POST + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nx: y\r\n\r\n" % (len(OTHER), OTHER),
        [b'"size":%d,' % len(OTHER)],
    ),
    "no body": (GET + UPGRADE + b"\r\n" + POST + b"Content-Length: 1\r\n\r\nx", [b'"alive"', b'"size":1,']),
    "no body but one announced": (POST + UPGRADE + b"Content-Length: 0\r\n\r\n", [b'"size":0,']),
}


@pytest.mark.parametrize(("request_", "answers"), UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("size", [1, 40, 100_000])
async def test_upgrade_that_is_not_taken_up_is_ignored(
    make_settings: MakeSettings, request_: bytes, answers: list[bytes], size: int
) -> None:
    async with served(make_settings) as server:
        bytes_ = request_ + LAST
        received = await sent(server, *(bytes_[place : place + size] for place in range(0, len(bytes_), size)))
    bodies = re.split(rb"HTTP/1.1 200 OK", received)[1:]
    for answer, body in zip([*answers, b'"size":2,'], bodies, strict=True):
        assert answer in body


async def test_answer_reaches_whoever_first_sends_all(make_settings: MakeSettings) -> None:
    async with served(make_settings, max_body_size=1000) as server:

        def send_all() -> bytes:
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
                client.sendall(POST + b"Connection: close\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20_000_000)
                return client.recv(LIMIT)

        assert_refused(await asyncio.to_thread(send_all), 413)
        await eventually(lambda: server.connections() == 0)


async def test_requests_wait_unparsed_for_the_one_before(make_settings: MakeSettings) -> None:
    numbers = range(1000)
    requests = b"".join(b"GET /number/%d HTTP/1.1\r\nHost: test\r\n\r\n" % number for number in numbers)
    async with served(make_settings) as server:
        reader, writer = await server.send(requests)
        answers = []
        for _ in numbers:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            answers.append(json.loads(await reader.readexactly(length)))
        writer.close()
    assert [answer["number"] for answer in answers] == list(numbers)
    assert max(answer["parsed"] for answer in answers) < 300


# --- Time ---


async def test_head_that_trickles_is_refused_once(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        async with served(make_settings, client_timeout=STALLS, log_level="INFO") as server:
            pieces = [GET, *(b"x: 1\r\n" for _ in range(20))]
            assert_refused(await sent(server, *pieces, pause=STALLS / 6), 408)
    assert [line["event"] for line in log_lines(output) if line["event"] == "request_refused"] == ["request_refused"]


async def test_connection_without_a_request_is_ended(make_settings: MakeSettings) -> None:
    async with served(make_settings, client_timeout=STALLS) as server:
        assert await sent(server) == b""
        assert_refused(await sent(server, *[b"\r\n"] * 20, pause=STALLS / 6), 408)


async def test_idle_connection_lives_as_long_as_the_server_lets_it(make_settings: MakeSettings) -> None:
    async with served(make_settings, client_timeout=STALLS) as server:
        reader, writer = await server.send(GET + b"\r\n")
        await reader.readuntil(b"}")
        await asyncio.sleep(2 * STALLS)
        writer.write(GET + b"Connection: close\r\n\r\n")
        assert b"200 OK" in await reader.read()
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        POST + b"Content-Length: 10\r\n\r\n12345",
        CHUNKED + b"5\r\n12345\r\n",
        POST + b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n",
    ],
)
async def test_body_that_stalls_is_refused(make_settings: MakeSettings, head: bytes) -> None:
    async with served(make_settings, client_timeout=STALLS) as server:
        received = (await sent(server, head)).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert_refused(received, 408)


async def test_body_that_comes_slowly_is_taken(make_settings: MakeSettings) -> None:
    async with served(make_settings, client_timeout=SLOWS) as server:
        head = POST + b"Content-Length: 10\r\nConnection: close\r\n\r\n"
        assert b'"size":10' in await sent(server, head, *[b"x"] * 10, pause=SLOWS / 8)


async def test_silence_on_our_side_is_no_stall(make_settings: MakeSettings) -> None:
    async with served(make_settings, client_timeout=STALLS) as server:
        request = b"GET /silent HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        async with connect(f"ws://127.0.0.1:{server.port}/silent") as client:
            assert b"data: 2" in await sent(server, request)
            await client.send("later")
            assert await client.recv() == "later"


@asynccontextmanager
async def stalled(server: Served, request: bytes, *, buffer: int = 4096) -> AsyncIterator[socket.socket]:
    """Send a request and read no more than the beginning of its response."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", server.port))
        await loop.sock_sendall(client, request)
        assert await loop.sock_recv(client, 10)
        yield client


@pytest.mark.parametrize("path", [b"large", b"endless"])
async def test_who_does_not_read_is_cut_off(make_settings: MakeSettings, path: bytes) -> None:
    with captured_output() as output:
        async with (
            served(make_settings, client_timeout=STALLS, log_level="INFO") as server,
            stalled(server, b"GET /%b HTTP/1.1\r\nHost: test\r\n\r\n" % path),
        ):
            await eventually(lambda: server.connections() == 0)
            await eventually(lambda: server.database.pool_status().checked_out == 0)
    assert [line["event"] for line in log_lines(output) if line["event"] == "client_stalled"] == ["client_stalled"]


async def test_place_is_free_when_the_snapshot_cannot_live_on(make_settings: MakeSettings) -> None:
    app = application(make_settings())

    @app.get("/pausing")
    async def pausing(database: CurrentDatabase) -> JsonLinesResponse:
        return await JsonLinesResponse.start(_endless(database), longest_pause=0.1)

    async with serving(app) as server:
        async with stalled(server, b"GET /pausing HTTP/1.1\r\nHost: test\r\n\r\n"):
            await eventually(lambda: server.database.pool_status().checked_out == 0)
            assert server.connections() == 1
        await eventually(lambda: server.connections() == 0)


async def test_websocket_that_is_not_read_is_cut_off(make_settings: MakeSettings) -> None:
    handshake = (
        b"GET /talkative HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    async with served(make_settings, client_timeout=STALLS) as server, stalled(server, handshake):
        await eventually(lambda: server.connections() == 0)


async def test_server_ends_although_nobody_reads(make_settings: MakeSettings) -> None:
    async with served(make_settings, client_timeout=STALLS) as server:
        connection = stalled(server, b"GET /endless HTTP/1.1\r\nHost: test\r\n\r\n")
        await connection.__aenter__()
        started = perf_counter()
    assert perf_counter() - started < 4
    await connection.__aexit__(None, None, None)


async def test_who_reads_slowly_is_served(make_settings: MakeSettings) -> None:
    request = b"GET /large HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    async with (
        served(make_settings, client_timeout=SLOWS) as server,
        stalled(server, request, buffer=1_000_000) as client,
    ):
        received = 0
        started = perf_counter()
        while piece := await asyncio.get_running_loop().sock_recv(client, 500_000):
            received += len(piece)
            if perf_counter() - started < 1.5 * SLOWS:
                await asyncio.sleep(SLOWS / 8)
    assert received >= LARGE


# --- How it comes to be ---


async def test_uvicorn_still_loses_what_follows_an_upgrade() -> None:
    # When this fails, `_unsupported_upgrade_warning` and what it needs can go.
    received = bytearray()

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        received.extend((await receive()).get("body", b""))
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    class Unbounded(HttpToolsProtocol):
        """uvicorn's own."""

    server = await asyncio.get_running_loop().create_server(
        lambda: Unbounded(uvicorn_config(app), ServerState(), {}), "127.0.0.1"
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(POST + UPGRADE + b"Content-Length: 4\r\n\r\nbody")
        assert await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert received == b""


async def test_bounds_hold_however_the_server_was_started(make_settings: MakeSettings) -> None:
    # uvicorn chooses its class by itself, and before it imports the application.
    config = uvicorn_config("app.kit:about")
    assert config.http_protocol_class is HttpToolsProtocol
    application(make_settings())
    protocol = HttpToolsProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    assert isinstance(protocol, BoundedProtocol)
