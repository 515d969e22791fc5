"""The HTTP interface of orders."""

from anyio import to_thread
from fastapi import Request, Response

from app.kit.database.dependencies import ReadSession, WriteSession
from app.kit.http.fields import Identifier
from app.kit.routing import Router
from app.orders.models import Order
from app.orders.queries import FIND, OrderRow
from app.orders.schemas import Confirmation, OrderCreate, OrderRead
from app.settings import CurrentSettings

router = Router(prefix="/orders")


@router.post("", status_code=201)
async def place_order(
    order: OrderCreate, request: Request, response: Response, session: WriteSession, settings: CurrentSettings
) -> Confirmation:
    """Store an order."""
    async with request.state.clerks:
        customer = await to_thread.run_sync(order.customer.title)
    placed = Order(customer=customer, pieces=order.pieces)
    session.add(placed)
    await session.flush()
    response.headers["Location"] = f"{request.url.path}/{placed.id}"
    return Confirmation(id=placed.id, customer=customer, pieces=placed.pieces, greeting=settings.greeting)


@router.get("/{order_id}", response_model=OrderRead)
async def read_order(order_id: Identifier, session: ReadSession) -> OrderRow:
    """Return an order."""
    return await FIND.get(session, id=order_id)
