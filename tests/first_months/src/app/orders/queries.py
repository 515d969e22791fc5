"""The statements about orders."""

from typing import Final, NamedTuple

from sqlalchemy import bindparam, select

from app.kit.database.query import Query
from app.orders.models import Order


class OrderRow(NamedTuple):
    """An order that is stored."""

    id: int
    customer: str
    pieces: int


FIND: Final = Query(OrderRow, select(Order.id, Order.customer, Order.pieces).where(Order.id == bindparam("id")))
