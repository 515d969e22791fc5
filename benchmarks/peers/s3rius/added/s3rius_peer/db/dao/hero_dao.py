"""How heroes are read and written."""

from typing import Any

from fastapi import Depends
from s3rius_peer.db.dependencies import get_db_session
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from s3rius_peer.db.models.hero_model import HeroEventModel, HeroModel


class ConflictError(Exception):
    """The database refused the change: the team is unknown, or someone else changed the hero first."""


class HeroDAO:
    """Class for accessing heroes.

    The session commits after the response is sent, so an event that a background task recorded in a session of its own
    would refer to a hero that is not there yet. It is added to this session instead, which is less work.
    """

    def __init__(self, session: AsyncSession = Depends(get_db_session)) -> None:
        self.session = session

    async def create_hero(self, **values: Any) -> HeroModel:
        """Add a hero, and the event; raises ConflictError for an unknown team."""
        hero = HeroModel(**values)
        self.session.add(hero)
        await self._flush()
        self.session.add(HeroEventModel(hero_id=hero.id, kind="created"))
        return hero

    async def get_hero(self, hero_id: int) -> HeroModel | None:
        """Get a hero who is not deleted."""
        raw_hero = await self.session.execute(
            select(HeroModel).where(HeroModel.id == hero_id, HeroModel.deleted_at.is_(None)),
        )
        return raw_hero.scalar_one_or_none()

    async def get_heroes(self, limit: int, after: int) -> list[HeroModel]:
        """Get heroes in the order of their ids, from the one behind an id on."""
        raw_heroes = await self.session.execute(
            select(HeroModel)
            .where(HeroModel.id > after, HeroModel.deleted_at.is_(None))
            .order_by(HeroModel.id)
            .limit(limit),
        )
        return list(raw_heroes.scalars().fetchall())

    async def update_hero(self, hero: HeroModel, values: dict[str, Any]) -> None:
        """Change a hero, and add the event; raises ConflictError if it was changed since it was read."""
        version = hero.version
        for name, value in values.items():
            setattr(hero, name, value)
        await self._flush()
        if hero.version != version:
            self.session.add(HeroEventModel(hero_id=hero.id, kind="updated"))

    async def _flush(self) -> None:
        try:
            await self.session.flush()
        except (IntegrityError, StaleDataError) as error:
            # The session's dependency commits also after an error, which would fail now.
            await self.session.rollback()
            raise ConflictError from error
