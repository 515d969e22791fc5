"""SQLAlchemy Core as its documentation shows it, for bulk inserts and exports: what a faster way is compared with."""

from collections.abc import AsyncIterator
from os import environ
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic_core import to_json
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.apps.models import Hero
from benchmarks.apps.schemas import BulkResult, HeroCreate, HeroRead, Identifier

BATCH = 1000
VISIBLE = select(Hero.id, Hero.name, Hero.age, Hero.team_id, Hero.version, Hero.created_at, Hero.updated_at).where(
    Hero.deleted_at.is_(None)
)

engine = create_async_engine(environ["DATABASE_URL"], pool_size=10, max_overflow=0)
app = FastAPI()


@app.get("/health/live")
async def live() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "alive"}


@app.post("/heroes/bulk", status_code=201)
async def create_heroes(new_heroes: Annotated[list[HeroCreate], Body(min_length=1, max_length=10_000)]) -> BulkResult:
    """Create many heroes, all or none."""
    try:
        async with engine.begin() as connection:
            await connection.execute(insert(Hero), [hero.model_dump() for hero in new_heroes])
    except IntegrityError:
        raise HTTPException(409) from None
    return BulkResult(inserted=len(new_heroes))


@app.get("/heroes/export")
async def export_heroes() -> StreamingResponse:
    """Stream all heroes as JSON lines, in partitions."""

    async def batches() -> AsyncIterator[bytes]:
        async with engine.connect() as connection:
            result = await connection.stream(VISIBLE.order_by(Hero.id).execution_options(yield_per=BATCH))
            async for batch in result.partitions():
                yield b"".join(to_json(row._asdict()) + b"\n" for row in batch)

    return StreamingResponse(batches(), media_type="application/jsonl")


@app.get("/heroes/{hero_id}", response_model=HeroRead)
async def read_hero(hero_id: Identifier) -> object:
    """Return a hero."""
    async with engine.connect() as connection:
        hero = (await connection.execute(VISIBLE.where(Hero.id == hero_id))).one_or_none()
    if hero is None:
        raise HTTPException(404)
    return hero
