"""FastAPI without an ORM: hand-written SQL on asyncpg, as fast as an expert makes it. The reference of the tables."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import asyncpg
from fastapi import BackgroundTasks, Body, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse

from benchmarks.apps import heroes
from benchmarks.apps.schemas import BulkResult, HeroCreate, HeroPage, HeroPatch, HeroRead, Identifier


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    async with heroes.open_pool() as pool:
        yield {"pool": pool}


async def _pool(request: Request) -> asyncpg.Pool:
    return request.state.pool


Pool = Annotated[asyncpg.Pool, Depends(_pool)]

app = FastAPI(lifespan=_lifespan)


@app.get("/health/live")
async def live() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "alive"}


@app.post("/heroes", status_code=201, response_model=HeroRead)
async def create_hero(hero: HeroCreate, response: Response, tasks: BackgroundTasks, pool: Pool) -> heroes.Hero:
    """Create a hero."""
    try:
        created = await heroes.insert(pool, hero.name, hero.secret_name, hero.age, hero.team_id)
    except asyncpg.ForeignKeyViolationError:
        raise HTTPException(409) from None
    tasks.add_task(heroes.record_event, pool, created["id"], "created")
    response.headers["Location"] = f"/heroes/{created['id']}"
    response.headers["ETag"] = f'"{created["version"]}"'
    return created


@app.post("/heroes/bulk", status_code=201)
async def create_heroes(
    new_heroes: Annotated[list[HeroCreate], Body(min_length=1, max_length=10_000)], pool: Pool
) -> BulkResult:
    """Create many heroes, all or none."""
    rows = [(hero.name, hero.secret_name, hero.age, hero.team_id, 1) for hero in new_heroes]
    try:
        return BulkResult(inserted=await heroes.insert_many(pool, rows))
    except asyncpg.ForeignKeyViolationError:
        raise HTTPException(409) from None


@app.get("/heroes", response_model=HeroPage)
async def list_heroes(
    pool: Pool, limit: Annotated[int, Query(ge=1, le=100)] = 50, cursor: str | None = None
) -> dict[str, Any]:
    """Return a page of heroes in the order of their ids."""
    try:
        return await heroes.page(pool, cursor, limit)
    except ValueError:
        raise HTTPException(422) from None


@app.get("/heroes/export")
async def export_heroes(pool: Pool) -> StreamingResponse:
    """Stream all heroes as JSON lines."""
    return StreamingResponse(heroes.export(pool), media_type="application/jsonl")


@app.get("/heroes/{hero_id}", response_model=HeroRead)
async def read_hero(hero_id: Identifier, response: Response, pool: Pool) -> heroes.Hero:
    """Return a hero."""
    hero = await heroes.find(pool, hero_id)
    if hero is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{hero["version"]}"'
    return hero


@app.patch("/heroes/{hero_id}", response_model=HeroRead)
async def change_hero(  # noqa: PLR0913, PLR0917 - dependencies are arguments
    hero_id: Identifier,
    changes: HeroPatch,
    response: Response,
    tasks: BackgroundTasks,
    pool: Pool,
    if_match: Annotated[str | None, Header()] = None,
) -> heroes.Hero:
    """Change the fields that are sent."""
    try:
        hero = await heroes.update(pool, hero_id, heroes.versions_of(if_match), changes.model_dump(exclude_unset=True))
    except asyncpg.ForeignKeyViolationError:
        raise HTTPException(409) from None
    except heroes.StaleError:
        raise HTTPException(412) from None
    if hero is None:
        raise HTTPException(404)
    tasks.add_task(heroes.record_event, pool, hero_id, "updated")
    response.headers["ETag"] = f'"{hero["version"]}"'
    return hero
