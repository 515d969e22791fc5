"""What is recorded about heroes after the response is sent."""

from typing import Final, Literal

from sqlalchemy import insert

from app.database.sessions import Database
from app.heroes.models import HeroEvent

RECORD: Final = insert(HeroEvent)


async def record_event(database: Database, hero_id: int, kind: Literal["created", "updated", "deleted"]) -> None:
    """Record an event, in a transaction of its own.

    A background task outlives the request's session. It runs in this process and is gone if the process dies first:
    what must not be lost belongs in the request's own transaction.
    """
    await database.execute(RECORD, {"hero_id": hero_id, "kind": kind})
