"""The tables of accounts and transfers."""

from app.kit.database.models import Base, PrimaryKey
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column


class Account(Base):
    """An account. The balances of all accounts add up to nothing."""

    __tablename__ = "account"

    id: Mapped[PrimaryKey]
    balance: Mapped[int]


class Transfer(Base):
    """A transfer that was made."""

    __tablename__ = "transfer"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(unique=True)
    source: Mapped[int] = mapped_column(ForeignKey("account.id"))
    target: Mapped[int] = mapped_column(ForeignKey("account.id"))
    amount: Mapped[int]
