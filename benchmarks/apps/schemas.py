"""What clients send and receive: the schemas that a generated service has, without its documentation."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Identifier = Annotated[int, Field(ge=1, le=2**63 - 1)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Age = Annotated[int, Field(ge=0, le=10_000)]


class HeroCreate(BaseModel):
    """A new hero."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    secret_name: Name
    age: Age | None = None
    team_id: Identifier | None = None


class HeroPatch(BaseModel):
    """What changes about a hero: only the fields that are sent."""

    model_config = ConfigDict(extra="forbid")

    name: Name = ""
    secret_name: Name = ""
    age: Age | None = None
    team_id: Identifier | None = None


class HeroRead(BaseModel):
    """A hero as everyone may see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    age: int | None
    team_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime


class HeroPage(BaseModel):
    """Some heroes, and where the next ones are."""

    items: list[HeroRead]
    next_cursor: str | None


class BulkResult(BaseModel):
    """How many rows were inserted."""

    inserted: int
