"""All heroes, as a stream."""

import json
import sys

import httpx2
from sqlalchemy import insert, select
from starlette.types import Message

from app.heroes.models import Hero
from kit_tests.support.application import Running, exchange
from tests.heroes.factories import HeroFactory

HERO = {"name": "Deadpond", "secret_name": "Dive Wilson"}


async def test_export_has_one_json_line_per_hero(client: httpx2.AsyncClient) -> None:
    for name in ("Deadpond", "Rusty-Män", "line\nfeed"):
        await client.post("/heroes", json=HERO | {"name": name})

    response = await client.get("/heroes/export")

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/jsonl")
    assert response.text.endswith("\n")
    heroes = [json.loads(line) for line in response.text.splitlines()]
    assert heroes == (await client.get("/heroes")).json()["items"]


async def test_export_without_heroes_is_empty(client: httpx2.AsyncClient) -> None:
    response = await client.get("/heroes/export")
    assert (response.status_code, response.content) == (200, b"")


async def test_export_needs_constant_memory(service: Running) -> None:
    columns = ("name", "secret_name", "version")
    copy = insert(Hero).from_select(columns, select(Hero.name, Hero.secret_name, Hero.version))
    async with service.database.transaction() as session:
        session.add(HeroFactory.build())
        await session.flush()
        for _ in range(14):
            await session.execute(copy)

    lines = 0
    blocks = []
    checked_out = set()

    async def measure(message: Message) -> None:
        nonlocal lines
        lines += message.pop("body", b"").count(b"\n")
        blocks.append(sys.getallocatedblocks())
        checked_out.add(service.database.pool_status().checked_out)

    before = sys.getallocatedblocks()
    await exchange(service.asgi, "GET", "/heroes/export", on_message=measure)

    assert lines == 2**14
    # A hero takes a dozen blocks, so not even a quarter of them is ever in memory at once.
    assert max(blocks) - before < 3 * 2**14
    # One connection, the stream's own, and only for as long as the stream lasts.
    assert checked_out <= {1, 0}
    assert service.database.pool_status().checked_out == 0
