"""The table of teams."""

from typing import TYPE_CHECKING

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from app.database.base import Base, Timestamped
from app.database.columns import PrimaryKey

if TYPE_CHECKING:
    from app.heroes.models import Hero


class Team(Timestamped, Base):
    """A team that heroes belong to."""

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[PrimaryKey]
    name: Mapped[str]
    headquarters: Mapped[str]

    # A query that forgets to load the heroes fails in its test, and does not load them one by one in production.
    heroes: Mapped[list["Hero"]] = relationship(
        primaryjoin="and_(Team.id == Hero.team_id, Hero.deleted_at.is_(None))",
        order_by="Hero.id",
        lazy="raise_on_sql",
        viewonly=True,
    )
