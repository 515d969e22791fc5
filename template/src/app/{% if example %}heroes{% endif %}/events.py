"""What is recorded about heroes after the response is sent."""

from typing import Literal

from app.heroes.queries import RECORD_EVENT
from app.kit.database.sessions import Database


async def record_event(database: Database, hero_id: int, kind: Literal["created", "updated", "deleted"]) -> None:
    """Record an event, in a transaction of its own.

    A background task outlives the request's session. It runs in this process and is gone if the process dies first:
    what must not be lost belongs in the request's own transaction.
    """
    await database.execute(RECORD_EVENT, {"hero_id": hero_id, "kind": kind})
