"""No framework at all: an ASGI function on asyncpg. What remains is the server, the driver and the database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs

import asyncpg
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from benchmarks.apps import heroes
from benchmarks.apps.schemas import HeroCreate, HeroPatch

_BULK = TypeAdapter(list[HeroCreate])
_LIVE = b'{"status":"alive"}'

_LARGEST_PAGE = 100
_JSON = (b"content-type", b"application/json")


class _RefusedError(Exception):
    """An answer without a hero."""

    def __init__(self, status: int) -> None:
        self.status = status


class Application:
    """The ASGI application: its pool, and what answers which request."""

    pool: asyncpg.Pool

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            await self._answer(scope, receive, send)
        except _RefusedError as refusal:
            await _send(send, refusal.status, to_json({"status": refusal.status}))
        except (ValidationError, ValueError):
            await _send(send, 422, b'{"status":422}')
        except asyncpg.ForeignKeyViolationError:
            await _send(send, 409, b'{"status":409}')

    async def _live(self, receive: Any, send: Any) -> None:
        async with AsyncExitStack() as stack:
            await receive()
            self.pool = await stack.enter_async_context(heroes.open_pool())
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        match scope["method"], scope["path"].split("/")[1:]:
            case "GET", ["health", "live"]:
                await _send(send, 200, _LIVE)
            case "GET", ["heroes"]:
                await self._list(scope["query_string"], send)
            case "GET", ["heroes", "export"]:
                await _stream(send, heroes.export(self.pool))
            case "GET", ["heroes", hero_id]:
                await self._read(int(hero_id), send)
            case "POST", ["heroes"]:
                await self._create(await _body(receive), send)
            case "POST", ["heroes", "bulk"]:
                await self._create_many(await _body(receive), send)
            case "PATCH", ["heroes", hero_id]:
                if_match = next((value for name, value in scope["headers"] if name == b"if-match"), None)
                await self._change(int(hero_id), if_match, await _body(receive), send)
            case _:
                raise _RefusedError(404)

    async def _read(self, hero_id: int, send: Any) -> None:
        hero = await heroes.find(self.pool, hero_id)
        if hero is None:
            raise _RefusedError(404)
        await _send(send, 200, to_json(hero), _etag(hero))

    async def _list(self, query: bytes, send: Any) -> None:
        values = parse_qs(query.decode())
        limit = int(values.get("limit", ["50"])[0])
        if not 1 <= limit <= _LARGEST_PAGE:
            raise _RefusedError(422)
        await _send(send, 200, to_json(await heroes.page(self.pool, values.get("cursor", [None])[0], limit)))

    async def _create(self, body: bytes, send: Any) -> None:
        hero = HeroCreate.model_validate_json(body)
        created = await heroes.insert(self.pool, hero.name, hero.secret_name, hero.age, hero.team_id)
        location = (b"location", b"/heroes/%d" % created["id"])
        await _send(send, 201, to_json(created), location, _etag(created))
        await heroes.record_event(self.pool, created["id"], "created")

    async def _create_many(self, body: bytes, send: Any) -> None:
        rows = [(hero.name, hero.secret_name, hero.age, hero.team_id, 1) for hero in _BULK.validate_json(body)]
        await _send(send, 201, to_json({"inserted": await heroes.insert_many(self.pool, rows)}))

    async def _change(self, hero_id: int, if_match: bytes | None, body: bytes, send: Any) -> None:
        changes = HeroPatch.model_validate_json(body).model_dump(exclude_unset=True)
        versions = heroes.versions_of(if_match.decode() if if_match else None)
        try:
            hero = await heroes.update(self.pool, hero_id, versions, changes)
        except heroes.StaleError:
            raise _RefusedError(412) from None
        if hero is None:
            raise _RefusedError(404)
        await _send(send, 200, to_json(hero), _etag(hero))
        await heroes.record_event(self.pool, hero_id, "updated")


def _etag(hero: heroes.Hero) -> tuple[bytes, bytes]:
    return b"etag", b'"%d"' % hero["version"]


async def _body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _send(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Any, chunks: AsyncIterator[bytes]) -> None:
    headers = [(b"content-type", b"application/jsonl")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


app = Application()
