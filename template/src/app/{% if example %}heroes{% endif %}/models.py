"""The tables of heroes and of what happened to them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base, Timestamped, Versioned
from app.database.columns import NOW, PrimaryKey


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

    id: Mapped[PrimaryKey]
    hero_id: Mapped[int] = mapped_column(ForeignKey("hero.id"), index=True)
    kind: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=NOW)
