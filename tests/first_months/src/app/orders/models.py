"""The table of orders."""

from sqlalchemy.orm import Mapped

from app.kit.database.models import Base, PrimaryKey, Timestamped, Versioned


class Order(Versioned, Timestamped, Base):
    """What a customer has asked for."""

    __tablename__ = "order"

    id: Mapped[PrimaryKey]
    customer: Mapped[str]
    pieces: Mapped[int]
