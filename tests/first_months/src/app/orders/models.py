"""The table of orders."""

from sqlalchemy.orm import Mapped

from app.database.base import Base, Timestamped, Versioned
from app.database.columns import PrimaryKey


class Order(Versioned, Timestamped, Base):
    """What a customer has asked for."""

    __tablename__ = "order"

    id: Mapped[PrimaryKey]
    customer: Mapped[str]
    pieces: Mapped[int]
