"""What clients send and receive about teams."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from app.heroes.schemas import HeroRead
from app.kit.http.fields import Identifier, Text

Name = Annotated[Text, StringConstraints(min_length=1, max_length=200)]


class TeamCreate(BaseModel):
    """A new team."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    headquarters: Name


class TeamRead(BaseModel):
    """A team without its heroes."""

    model_config = ConfigDict(from_attributes=True)

    id: Identifier
    name: str
    headquarters: str


class TeamWithHeroes(TeamRead):
    """A team and its first heroes; the cursor is for the list of heroes of this team."""

    heroes: list[HeroRead]
    next_cursor: str | None
