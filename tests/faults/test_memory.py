"""Memory stays flat and no file is left open, however many requests there are and however many rows are exported."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests.harness.rendering.questions import questions
from tests.harness.rendering.template import Template
from tests.harness.running.live_service import LiveService, installed_with_database, migrate, serve
from tests.harness.running.services import Environments

pytestmark = pytest.mark.slow

CONNECTIONS = 8

REQUESTS = {"short": 2_000, "long": 20_000}
ROWS = {"short": 200_000, "long": 1_000_000}

FLAT = 12 * 1024**2
"""Bytes that a service may grow by: what its caches and its allocator need. The rows of the short form take 30 MB."""

FILL_POSTGRES = """
    INSERT INTO hero (name, secret_name, created_at, updated_at, version)
    SELECT 'hero ' || number, 'secret', now(), now(), 1 FROM generate_series(1, %s) AS number
"""

FILL_SQLITE = """
    WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?)
    INSERT INTO hero (name, secret_name, created_at, updated_at, version)
    SELECT 'hero ' || number, 'secret', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', 1 FROM numbers
"""


@pytest.fixture(scope="module", params=questions()["driver"].choices)
def live(
    request: pytest.FixtureRequest,
    form: str,
    template: Template,
    environments: Environments,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LiveService]:
    """A service with one worker, whose table of heroes is full."""
    folder = tmp_path_factory.mktemp("memory") / "service"
    with installed_with_database(template, environments, folder, request.param) as (service, url):
        migrate(service, {"DATABASE_URL": url})
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
                database.execute(FILL_SQLITE, (ROWS[form],))
        else:
            with psycopg.connect(url) as connection:
                connection.execute(FILL_POSTGRES, (ROWS[form],))
        with serve(service, {"DATABASE_URL": url, "LOG_LEVEL": "WARNING"}) as live:
            yield live


def test_memory_is_flat_over_many_requests(live: LiveService, form: str) -> None:
    asyncio.run(_ask(live.port, REQUESTS[form] // 4))
    before, files = live.resident_memory(), live.open_files()
    asyncio.run(_ask(live.port, REQUESTS[form]))
    assert live.resident_memory() - before < FLAT
    # The pool may have opened one for each client since.
    live.process.wait_for("no more open files than before", lambda: live.open_files() <= files + CONNECTIONS)


def test_memory_is_flat_over_an_export(live: LiveService, form: str) -> None:
    asyncio.run(_export(live, rows=1_000))
    before = live.resident_memory()
    lines, most = asyncio.run(_export(live))
    assert lines >= ROWS[form]
    assert most - before < FLAT


async def _ask(port: int, number: int) -> None:
    """Send requests of several kinds over a few connections, and look at how each is answered."""
    hero = b'{"name": "hero", "secret_name": "secret"}'
    head = b"POST /heroes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    kinds = [
        (b"GET /heroes/1 HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"GET /heroes?limit=20 HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"GET /heroes/0 HTTP/1.1\r\nHost: x\r\n\r\n", b"422"),
        (head % len(hero) + hero, b"201"),
    ]

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for turn in range(number // CONNECTIONS):
            request, expected = kinds[turn % len(kinds)]
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert answer[9:12] == expected, answer
            await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.close()

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


async def _export(live: LiveService, rows: int | None = None) -> tuple[int, int]:
    """Read an export, or its first rows and then leave; return how many there were, and the most memory meanwhile."""
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(b"GET /heroes/export HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    lines, most, size, last = 0, 0, 0, b""
    while data := await reader.read(1 << 20):
        # Of the frames around the chunks none ends like a row, which may itself come in two parts.
        lines += (last + data).count(b"}\n")
        last = data[-1:]
        size += len(data)
        if size > 5_000_000:
            most, size = max(most, live.resident_memory()), 0
        if rows and lines > rows:
            break
    writer.transport.abort()
    return lines, max(most, live.resident_memory())
