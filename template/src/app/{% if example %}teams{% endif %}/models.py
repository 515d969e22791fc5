"""The table of teams."""

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from app.kit.database.models import Base, PrimaryKey, Timestamped


class Team(Timestamped, Base):
    """A team that heroes belong to."""

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[PrimaryKey]
    name: Mapped[str]
    headquarters: Mapped[str]
