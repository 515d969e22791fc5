"""What clients send and receive about heroes."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.kit.http.fields import LEFT_OUT, Identifier, NoCoercion, Omittable, Reference, Text, Total
from app.kit.http.paging import PageParams

Name = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
Age = Annotated[int, Field(ge=0, le=10_000), NoCoercion]


class HeroCreate(BaseModel):
    """A new hero."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    secret_name: Name
    age: Age | None = None
    team_id: Reference | None = None


class HeroPatch(BaseModel):
    """What changes about a hero: only the fields that are sent."""

    model_config = ConfigDict(extra="forbid")

    name: Omittable[Name] = LEFT_OUT
    secret_name: Omittable[Name] = LEFT_OUT
    age: Age | None = None
    team_id: Reference | None = None


class HeroListParams(PageParams):
    """What the list of heroes can be asked for. They are sorted by their ids, descending with a minus."""

    sort: Literal["id", "-id"] = "id"
    total: Total = False
    team_id: Identifier | None = None
    has_team: bool | None = None


class HeroRead(BaseModel):
    """A hero as everyone may see it: without the secret name."""

    model_config = ConfigDict(from_attributes=True)

    id: Identifier
    name: str
    age: int | None
    team_id: Identifier | None
    version: int
    created_at: datetime
    updated_at: datetime


class BulkResult(BaseModel):
    """How many rows were inserted."""

    inserted: int


class HeroEventRead(BaseModel):
    """Something that happened to a hero."""

    model_config = ConfigDict(from_attributes=True)

    kind: str
    recorded_at: datetime
