"""What is recorded about heroes after the response is sent."""

from typing import Literal

from app.database.sessions import Database
from app.heroes.models import HeroEvent


async def record_event(database: Database, hero_id: int, kind: Literal["created", "updated", "deleted"]) -> None:
    """Record an event, in a transaction of its own.

    A background task outlives the request's session, so it opens one. It runs in this process and is gone if the
    process dies first: what must not be lost belongs in the request's own transaction.
    """
    async with database.transaction() as session:
        session.add(HeroEvent(hero_id=hero_id, kind=kind))
