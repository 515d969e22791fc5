"""The application as tests run it: its lifespan, a client, and a real server where sockets matter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.database.sessions import Database


@dataclass(frozen=True)
class Running:
    """An application whose lifespan has started."""

    app: FastAPI
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
            yield Running(app, client, state["database"])


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[int]:
    """Serve the application on a free port of this machine, and give the port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    serve = asyncio.create_task(server.serve())
    while not server.started:
        if serve.done():
            await serve
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serve
