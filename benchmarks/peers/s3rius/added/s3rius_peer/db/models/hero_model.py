"""The tables of heroes and of what happened to them."""

from datetime import datetime

from s3rius_peer.db.base import Base
from sqlalchemy import BigInteger, DateTime, ForeignKey, Text, func
from sqlalchemy.orm import Mapped, mapped_column


class HeroModel(Base):
    """A hero. The foreign key to the team is in the database only, since nothing here needs to know teams."""

    __tablename__ = "hero"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    secret_name: Mapped[str] = mapped_column(Text)
    age: Mapped[int | None] = mapped_column(BigInteger)
    team_id: Mapped[int | None] = mapped_column(BigInteger)
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
    version: Mapped[int] = mapped_column(BigInteger)

    # RETURNING saves the query that would read the new updated_at.
    __mapper_args__ = {"version_id_col": version, "eager_defaults": True}


class HeroEventModel(Base):
    """Something that happened to a hero."""

    __tablename__ = "hero_event"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hero_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("hero.id"))
    kind: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
