"""Hero service.

The session commits after the response is sent, so an event that a background task recorded in a session of its own
would refer to a hero that is not there yet. It is recorded in the request's session instead, which is less work.
"""

from app.core.exceptions import AppException, NotFoundError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from app.db.models.hero import Hero
from app.repositories import hero as hero_repo
from app.schemas.hero import HeroCreate, HeroUpdate


class HeroConflictError(AppException):
    """The database refused the change (409)."""

    message = "The team is unknown, or someone else changed the hero first"
    code = "CONFLICT"
    status_code = 409


class HeroVersionError(AppException):
    """The hero has another version than the client names (412)."""

    message = "The hero has another version"
    code = "PRECONDITION_FAILED"
    status_code = 412


class HeroService:
    """Business logic for heroes."""

    def __init__(self, db: AsyncSession) -> None:
        self.db = db

    async def get(self, *, hero_id: int) -> Hero:
        """Return a hero; raises NotFoundError."""
        hero = await hero_repo.get_by_id(self.db, hero_id)
        if not hero:
            raise NotFoundError(message="Hero not found", details={"hero_id": hero_id})
        return hero

    async def list(self, *, after: int, limit: int) -> tuple[list[Hero], str | None]:
        """Return a page of heroes, and the cursor of the next one."""
        # One more than asked for tells whether there is a next page.
        heroes = await hero_repo.list_after(self.db, after=after, limit=limit + 1)
        if len(heroes) <= limit:
            return heroes, None
        return heroes[:limit], str(heroes[limit - 1].id)

    async def create(self, *, data: HeroCreate) -> Hero:
        """Create a hero; raises HeroConflictError for an unknown team."""
        try:
            hero = await hero_repo.create(
                self.db,
                name=data.name,
                secret_name=data.secret_name,
                age=data.age,
                team_id=data.team_id,
            )
        except IntegrityError as exc:
            raise HeroConflictError from exc
        await hero_repo.record_event(self.db, hero_id=hero.id, kind="created")
        return hero

    async def update(self, *, hero_id: int, data: HeroUpdate, if_match: str | None) -> Hero:
        """Change a hero; raises NotFoundError, HeroVersionError, or HeroConflictError."""
        hero = await self.get(hero_id=hero_id)
        version = hero.version
        if if_match not in (None, f'"{version}"'):
            raise HeroVersionError
        update_data = data.model_dump(exclude_unset=True)
        if not update_data:
            return hero
        try:
            hero = await hero_repo.update(self.db, db_hero=hero, update_data=update_data)
        except (IntegrityError, StaleDataError) as exc:
            raise HeroConflictError from exc
        if hero.version != version:
            await hero_repo.record_event(self.db, hero_id=hero.id, kind="updated")
        return hero
