"""Hero schemas."""

from datetime import datetime

from app.schemas.base import BaseSchema
from pydantic import Field


class HeroCreate(BaseSchema):
    """Payload for ``POST /heroes``."""

    name: str = Field(min_length=1, max_length=200)
    secret_name: str = Field(min_length=1, max_length=200)
    age: int | None = Field(default=None, ge=0, le=10_000)
    team_id: int | None = None


class HeroUpdate(BaseSchema):
    """Payload for ``PATCH /heroes/{id}``: only the fields that are sent."""

    name: str = Field(default="", min_length=1, max_length=200)
    secret_name: str = Field(default="", min_length=1, max_length=200)
    age: int | None = Field(default=None, ge=0, le=10_000)
    team_id: int | None = None


class HeroRead(BaseSchema):
    """Response shape for ``GET /heroes/{id}`` and inside ``HeroList``, without the secret name."""

    id: int
    name: str
    age: int | None
    team_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime


class HeroList(BaseSchema):
    """Some heroes, and where the next ones are."""

    items: list[HeroRead]
    next_cursor: str | None
