"""The HTTP interface of orders."""

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Response

from app.database.dependencies import ReadSession, WriteSession
from app.http.fields import Identifier
from app.orders.models import Order
from app.orders.schemas import OrderCreate, OrderRead

router = APIRouter(prefix="/orders", tags=["orders"])


@router.post("", status_code=201, response_model=OrderRead)
async def place_order(order: OrderCreate, response: Response, session: WriteSession) -> Order:
    """Store an order."""
    placed = Order(customer=await to_thread.run_sync(order.customer.title), pieces=order.pieces)
    session.add(placed)
    await session.flush()
    response.headers["Location"] = f"/orders/{placed.id}"
    return placed


@router.get("/{order_id}", response_model=OrderRead)
async def read_order(order_id: Identifier, session: ReadSession) -> Order:
    """Return an order."""
    order = await session.get(Order, order_id)
    if order is None:
        raise HTTPException(404, f"There is no order {order_id}.")
    return order
