"""The service as popular articles about FastAPI with async SQLAlchemy write it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from os import environ
from typing import Annotated

from fastapi import BackgroundTasks, Body, Depends, FastAPI, Header, HTTPException, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.apps.models import Hero, HeroEvent
from benchmarks.apps.schemas import BulkResult, HeroCreate, HeroPage, HeroPatch, HeroRead, Identifier

engine = create_async_engine(environ["DATABASE_URL"], pool_size=20, max_overflow=10)
session_factory = async_sessionmaker(engine, expire_on_commit=False)


async def get_session() -> AsyncIterator[AsyncSession]:
    """Give the endpoint a session, and commit it afterwards."""
    async with session_factory() as session:
        try:
            yield session
            await session.commit()
        except Exception:
            await session.rollback()
            raise


SessionDep = Annotated[AsyncSession, Depends(get_session)]

app = FastAPI()


async def record_event(session: AsyncSession, hero_id: int, kind: str) -> None:
    """Record an event after the response is sent, in the request's session, which the dependency commits.

    With a session of its own each request would hold two connections, and from 30 requests on wait for itself.
    """
    session.add(HeroEvent(hero_id=hero_id, kind=kind))


async def get_or_404(session: AsyncSession, hero_id: int) -> Hero:
    """Return a hero that is not deleted."""
    result = await session.execute(select(Hero).where(Hero.id == hero_id, Hero.deleted_at.is_(None)))
    hero = result.scalar_one_or_none()
    if hero is None:
        raise HTTPException(status_code=404, detail="Hero not found")
    return hero


@app.get("/health/live")
async def live() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "alive"}


@app.post("/heroes", response_model=HeroRead, status_code=201)
async def create_hero(data: HeroCreate, response: Response, tasks: BackgroundTasks, session: SessionDep) -> Hero:
    """Create a hero."""
    hero = Hero(**data.model_dump())
    session.add(hero)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(status_code=409, detail="Unknown team") from None
    await session.refresh(hero)
    tasks.add_task(record_event, session, hero.id, "created")
    response.headers["Location"] = f"/heroes/{hero.id}"
    response.headers["ETag"] = f'"{hero.version}"'
    return hero


@app.post("/heroes/bulk", response_model=BulkResult, status_code=201)
async def create_heroes(
    data: Annotated[list[HeroCreate], Body(min_length=1, max_length=10_000)], session: SessionDep
) -> BulkResult:
    """Create many heroes."""
    session.add_all([Hero(**hero.model_dump()) for hero in data])
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(status_code=409, detail="Unknown team") from None
    return BulkResult(inserted=len(data))


@app.get("/heroes", response_model=HeroPage)
async def list_heroes(
    session: SessionDep, limit: Annotated[int, Query(ge=1, le=100)] = 50, cursor: int | None = None
) -> HeroPage:
    """Return a page of heroes."""
    query = select(Hero).where(Hero.deleted_at.is_(None)).order_by(Hero.id).limit(limit + 1)
    if cursor is not None:
        query = query.where(Hero.id > cursor)
    heroes = list((await session.execute(query)).scalars().all())
    items = [HeroRead.model_validate(hero) for hero in heroes[:limit]]
    return HeroPage(items=items, next_cursor=str(items[-1].id) if len(heroes) > limit else None)


@app.get("/heroes/export")
async def export_heroes() -> StreamingResponse:
    """Stream all heroes as JSON lines."""

    async def lines() -> AsyncIterator[str]:
        async with session_factory() as session:
            query = select(Hero).where(Hero.deleted_at.is_(None)).order_by(Hero.id)
            heroes = await session.stream_scalars(query.execution_options(yield_per=1000))
            async for hero in heroes:
                yield HeroRead.model_validate(hero).model_dump_json() + "\n"

    return StreamingResponse(lines(), media_type="application/jsonl")


@app.get("/heroes/{hero_id}", response_model=HeroRead)
async def read_hero(hero_id: Identifier, response: Response, session: SessionDep) -> Hero:
    """Return a hero."""
    hero = await get_or_404(session, hero_id)
    response.headers["ETag"] = f'"{hero.version}"'
    return hero


@app.patch("/heroes/{hero_id}", response_model=HeroRead)
async def update_hero(  # noqa: PLR0913, PLR0917 - dependencies are arguments
    hero_id: Identifier,
    data: HeroPatch,
    response: Response,
    tasks: BackgroundTasks,
    session: SessionDep,
    if_match: Annotated[str | None, Header()] = None,
) -> Hero:
    """Change a hero."""
    hero = await get_or_404(session, hero_id)
    if if_match is not None and if_match != f'"{hero.version}"':
        raise HTTPException(status_code=412, detail="The hero was changed")
    for name, value in data.model_dump(exclude_unset=True).items():
        setattr(hero, name, value)
    hero.version += 1
    hero.updated_at = datetime.now(UTC)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(status_code=409, detail="Unknown team") from None
    await session.refresh(hero)
    tasks.add_task(record_event, session, hero.id, "updated")
    response.headers["ETag"] = f'"{hero.version}"'
    return hero
