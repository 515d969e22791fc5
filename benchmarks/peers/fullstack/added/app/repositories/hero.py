"""Hero repository.

As in the other repositories: `db.flush()` and `db.refresh()`, never `db.commit()`, which `get_db_session` does.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models.hero import Hero, HeroEvent


async def get_by_id(db: AsyncSession, hero_id: int) -> Hero | None:
    """Return a hero who is not deleted."""
    result = await db.execute(select(Hero).where(Hero.id == hero_id, Hero.deleted_at.is_(None)))
    return result.scalar_one_or_none()


async def list_after(db: AsyncSession, *, after: int, limit: int) -> list[Hero]:
    """Return heroes in the order of their ids, from the one behind an id on."""
    stmt = select(Hero).where(Hero.id > after, Hero.deleted_at.is_(None)).order_by(Hero.id).limit(limit)
    return list((await db.execute(stmt)).scalars())


async def create(db: AsyncSession, *, name: str, secret_name: str, age: int | None, team_id: int | None) -> Hero:
    """Add a hero."""
    hero = Hero(name=name, secret_name=secret_name, age=age, team_id=team_id)
    db.add(hero)
    await db.flush()
    await db.refresh(hero)
    return hero


async def update(db: AsyncSession, *, db_hero: Hero, update_data: dict[str, Any]) -> Hero:
    """Change a hero; raises StaleDataError if it was changed since it was read."""
    for field, value in update_data.items():
        setattr(db_hero, field, value)
    await db.flush()
    await db.refresh(db_hero)
    return db_hero


async def record_event(db: AsyncSession, *, hero_id: int, kind: str) -> None:
    """Add an event."""
    db.add(HeroEvent(hero_id=hero_id, kind=kind))
    await db.flush()
