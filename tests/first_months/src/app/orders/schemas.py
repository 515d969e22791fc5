"""What clients send and receive about orders."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.kit.http.fields import Identifier, Text


class OrderCreate(BaseModel):
    """A new order."""

    model_config = ConfigDict(extra="forbid")

    customer: Text
    pieces: Annotated[int, Field(ge=1, le=1000)]


class OrderRead(OrderCreate):
    """An order that is stored."""

    model_config = ConfigDict(from_attributes=True)

    id: Identifier


class Confirmation(OrderRead):
    """What a customer reads who has placed an order."""

    greeting: str
