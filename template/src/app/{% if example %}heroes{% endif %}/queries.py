"""The statements about heroes, each with the type of its rows.

They are built once, because building one for each request takes as long as running it. And they select columns, which
cost less than entities where nothing is changed.
"""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import bindparam, insert, select

from app.heroes.models import Hero, HeroEvent
from app.heroes.schemas import HeroListParams
from app.kit.database.change import Change
from app.kit.database.listing import Listing, has_value
from app.kit.database.pagination import Keyset
from app.kit.database.query import Command, Query
from app.kit.http.fields import Identifier


class HeroRow(NamedTuple):
    """What everyone may see of a hero."""

    id: int
    name: str
    age: int | None
    team_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime


class HeroEventRow(NamedTuple):
    """Something that happened to a hero."""

    id: int
    kind: str
    recorded_at: datetime


_COLUMNS: Final = (Hero.id, Hero.name, Hero.age, Hero.team_id, Hero.version, Hero.created_at, Hero.updated_at)
_VISIBLE: Final = select(*_COLUMNS).where(Hero.deleted_at.is_(None))

FIND: Final = Query(HeroRow, _VISIBLE.where(Hero.id == bindparam("id")))
LIST: Final = Listing(
    Query(HeroRow, _VISIBLE),
    HeroListParams,
    orders={
        "id": Keyset(Hero.id, types=tuple[Identifier]),
        "-id": Keyset(Hero.id.desc(), types=tuple[Identifier]),
    },
    filters={
        "team_id": Hero.team_id == bindparam("team_id"),
        "has_team": has_value(Hero.team_id, bindparam("has_team")),
    },
)
EXPORT: Final = Query(HeroRow, _VISIBLE.order_by(Hero.id))
CREATE: Final = Command(HeroRow, insert(Hero).returning(*_COLUMNS))
CHANGE: Final = Change(Hero, FIND)

EXISTS: Final = Query.of_values(select(Hero.id).where(Hero.id == bindparam("id")))
"""Whether there ever was a hero, who may be deleted by now."""

EVENTS: Final = Query(
    HeroEventRow,
    select(HeroEvent.id, HeroEvent.kind, HeroEvent.recorded_at).where(HeroEvent.hero_id == bindparam("hero_id")),
)

RECORD_EVENT: Final = insert(HeroEvent)

EVENTS_BY_ID: Final = Keyset(HeroEvent.id, types=tuple[Identifier])
