"""The application as tests run it: its lifespan, a client, raw ASGI, and a real server where sockets matter."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import httpx2
import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kit.application import build_application
from app.kit.database.schema import head_revisions
from app.kit.database.sessions import Database
from app.kit.settings import KitSettings
from kit_tests.support.items import VERSIONS
from kit_tests.support.items import router as items


def application(settings: KitSettings, *routers: APIRouter, **options: Any) -> FastAPI:
    """Build an application of a test's own endpoints and those of `items`; `options` are `build_application`'s."""
    options.setdefault("revisions", partial(head_revisions, VERSIONS))
    return build_application(settings, routers=(*routers, items), **options)


@dataclass(frozen=True)
class Running:
    """An application whose lifespan has started."""

    app: FastAPI
    asgi: ASGIApp
    client: httpx2.AsyncClient
    database: Database


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[Running]:
    """Start the application's lifespan and give a client that calls it without a network."""
    async with app.router.lifespan_context(app) as state:
        assert state is not None

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(state)
            await app(scope, receive, send)

        transport = httpx2.ASGITransport(app=with_state)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Running(app, with_state, client, state["database"])


async def exchange(
    asgi: ASGIApp,
    method: str,
    path: str,
    *,
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    on_message: Callable[[Message], Awaitable[None]] | None = None,
) -> list[Message]:
    """Send one request, byte for byte, and return the messages that the application answered with.

    `on_message` is called with each of them before it is taken from the application.
    """
    sent: list[Message] = []
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 1234),
        "server": ("test", 80),
    }
    chunks: asyncio.Queue[Message] = asyncio.Queue()
    chunks.put_nowait({"type": "http.request", "body": body, "more_body": False})

    async def send(message: Message) -> None:
        if on_message is not None:
            await on_message(message)
        sent.append(message)

    # Once the body is read, `get` waits for ever: the client says no more, and stays.
    await asgi(scope, chunks.get, send)
    return sent


@dataclass(frozen=True)
class Served:
    """An application behind a real server."""

    port: int
    database: Database
    connections: Callable[[], int]
    """How many clients are connected."""

    async def send(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection, send the beginning of a request, and return the connection's two ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        await writer.drain()
        return reader, writer


@asynccontextmanager
async def serving(app: FastAPI, *, websockets: bool = False) -> AsyncIterator[Served]:
    """Serve the application on a free port of this machine, with WebSockets if a test needs them."""
    ws: Literal["auto", "none"] = "auto" if websockets else "none"
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=5, ws=ws)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield Served(
            port=server.servers[0].sockets[0].getsockname()[1],
            database=server.lifespan.state["database"],
            connections=lambda: len(server.server_state.connections),
        )
    finally:
        await server.shutdown()


async def eventually(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until the condition holds; raises TimeoutError after so many seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it asks about has no event to wait for
            await asyncio.sleep(0.005)


@asynccontextmanager
async def all_connections_taken(database: Database) -> AsyncIterator[None]:
    """Hold every connection that the pool gives out, for the time of the block."""
    async with AsyncExitStack() as stack:
        for _ in range(database.pool_status().size):
            await stack.enter_async_context(database.read())
        yield
