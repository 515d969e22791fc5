"""The statements about accounts."""

from typing import Final, NamedTuple

from app.accounts.models import Account
from app.kit.database.query import Command, Query
from sqlalchemy import BigInteger, bindparam, cast, func, select, update


class AccountRow(NamedTuple):
    """An account."""

    id: int
    balance: int


ADD: Final = Command(
    AccountRow,
    update(Account)
    .where(Account.id == bindparam("account"))
    .values(balance=Account.balance + bindparam("amount"))
    .returning(Account.id, Account.balance),
)
TOTAL: Final = Query.of_values(
    select(cast(func.coalesce(func.sum(Account.balance), 0), BigInteger)).where(Account.id < bindparam("below"))
)
