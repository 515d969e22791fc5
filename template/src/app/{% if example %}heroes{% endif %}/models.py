"""The tables of heroes and of what happened to them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database.models import NOW, Base, PrimaryKey, Timestamped, Versioned


class Hero(Versioned, Timestamped, Base):
    """A hero, who may belong to a team. Deleted heroes keep their row."""

    __tablename__ = "hero"
    __table_args__ = (Index(None, "team_id", "id"),)

    id: Mapped[PrimaryKey]
    name: Mapped[str]
    secret_name: Mapped[str]
    age: Mapped[int | None]
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    deleted_at: Mapped[datetime | None]


class HeroEvent(Base):
    """Something that happened to a hero."""

    __tablename__ = "hero_event"
    __table_args__ = (Index(None, "hero_id", "id"),)

    id: Mapped[PrimaryKey]
    hero_id: Mapped[int] = mapped_column(ForeignKey("hero.id"))
    kind: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=NOW)
