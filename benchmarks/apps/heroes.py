# ruff: noqa: S608 - nothing but names of columns is put into these statements
"""The SQL of heroes on a bare asyncpg pool: as few statements as the work allows, written by hand."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from os import environ
from typing import Any

import asyncpg
from pydantic_core import to_json

VISIBLE = "id, name, age, team_id, version, created_at, updated_at"
BULK_COLUMNS = ("name", "secret_name", "age", "team_id", "version")
EXPORT_BATCH = 1000

FIND = f"SELECT {VISIBLE} FROM hero WHERE id = $1 AND deleted_at IS NULL"
PAGE = f"SELECT {VISIBLE} FROM hero WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT $2"
INSERT = f"INSERT INTO hero (name, secret_name, age, team_id, version) VALUES ($1, $2, $3, $4, 1) RETURNING {VISIBLE}"
RECORD_EVENT = "INSERT INTO hero_event (hero_id, kind) VALUES ($1, $2)"
EXPORT = f"SELECT {VISIBLE} FROM hero WHERE deleted_at IS NULL ORDER BY id"

Hero = dict[str, Any]


class StaleError(Exception):
    """The hero has another version than the client thinks."""


class _Connection(asyncpg.Connection):
    """Nothing here leaves a setting or a lock behind, so there is nothing to reset when a connection is given back."""

    def get_reset_query(self) -> str:
        return ""


@asynccontextmanager
async def open_pool() -> AsyncIterator[asyncpg.Pool]:
    """Open ten connections, and let the garbage collector look less often, and not at what was imported."""
    url = environ["DATABASE_URL"]
    async with asyncpg.create_pool(url, min_size=10, max_size=10, connection_class=_Connection) as pool:
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        yield pool


async def find(pool: asyncpg.Pool, hero_id: int) -> Hero | None:
    """Return a hero."""
    record = await pool.fetchrow(FIND, hero_id)
    return None if record is None else dict(record)


async def page(pool: asyncpg.Pool, cursor: str | None, limit: int) -> dict[str, Any]:
    """Return a page; the cursor is the last id of the page before. Raises ValueError for another cursor."""
    records = await pool.fetch(PAGE, int(cursor) if cursor else 0, limit + 1)
    items = [dict(record) for record in records[:limit]]
    return {"items": items, "next_cursor": str(items[-1]["id"]) if len(records) > limit else None}


async def insert(pool: asyncpg.Pool, name: str, secret_name: str, age: int | None, team_id: int | None) -> Hero:
    """Insert a hero. Raises ForeignKeyViolationError for an unknown team."""
    return dict(await pool.fetchrow(INSERT, name, secret_name, age, team_id))


@cache
def _update(fields: tuple[str, ...]) -> str:
    changes = "".join(f"{name} = ${number}, " for number, name in enumerate(fields, start=3))
    return (
        f"UPDATE hero SET {changes}version = version + 1, updated_at = now() "
        f"WHERE id = $1 AND ($2::bigint[] IS NULL OR version = ANY($2)) AND deleted_at IS NULL RETURNING {VISIBLE}"
    )


async def update(pool: asyncpg.Pool, hero_id: int, versions: list[int] | None, changes: Hero) -> Hero | None:
    """Change a hero if it has one of these versions, in one statement. Raises StaleError if it has not."""
    record = await pool.fetchrow(_update(tuple(changes)), hero_id, versions, *changes.values())
    if record is not None:
        return dict(record)
    if await find(pool, hero_id) is None:
        return None
    raise StaleError


def versions_of(if_match: str | None) -> list[int] | None:
    """Return the versions that an ``If-Match`` header allows, None for any."""
    if if_match is None or if_match.strip() == "*":
        return None
    tags = [tag.strip() for tag in if_match.split(",")]
    return [int(tag[1:-1]) for tag in tags if tag[1:-1].isdigit() and tag == f'"{tag[1:-1]}"']


async def record_event(pool: asyncpg.Pool, hero_id: int, kind: str) -> None:
    """Record what happened to a hero."""
    await pool.execute(RECORD_EVENT, hero_id, kind)


async def insert_many(pool: asyncpg.Pool, heroes: list[tuple[Any, ...]]) -> int:
    """Insert rows of :data:`BULK_COLUMNS`, all or none, by COPY."""
    async with pool.acquire() as connection:
        await connection.copy_records_to_table("hero", records=heroes, columns=BULK_COLUMNS)
    return len(heroes)


async def export(pool: asyncpg.Pool) -> AsyncIterator[bytes]:
    """Yield all heroes as JSON lines, through a server-side cursor."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        cursor = await connection.cursor(EXPORT)
        while records := await cursor.fetch(EXPORT_BATCH):
            yield b"".join(to_json(dict(record)) + b"\n" for record in records)
