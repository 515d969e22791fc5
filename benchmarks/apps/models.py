"""The tables, as models that are written without the mixins of a generated service."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, DateTime, ForeignKey, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base of the models."""

    type_annotation_map: ClassVar = {int: BigInteger, datetime: DateTime(timezone=True)}


class Team(Base):
    """A team."""

    __tablename__ = "team"

    id: Mapped[int] = mapped_column(primary_key=True)


class Hero(Base):
    """A hero."""

    __tablename__ = "hero"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_name: Mapped[str]
    age: Mapped[int | None]
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    version: Mapped[int] = mapped_column(default=1)
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class HeroEvent(Base):
    """Something that happened to a hero."""

    __tablename__ = "hero_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    hero_id: Mapped[int] = mapped_column(ForeignKey("hero.id"))
    kind: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
