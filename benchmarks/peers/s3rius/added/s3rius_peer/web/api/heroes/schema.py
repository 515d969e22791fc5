"""What clients send and receive about heroes."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class HeroModelDTO(BaseModel):
    """DTO for heroes, without the secret name."""

    id: int
    name: str
    age: int | None
    team_id: int | None
    version: int
    created_at: datetime
    updated_at: datetime

    model_config = ConfigDict(from_attributes=True)


class HeroPageDTO(BaseModel):
    """DTO for some heroes, and where the next ones are."""

    items: list[HeroModelDTO]
    next_cursor: str | None


class HeroModelInputDTO(BaseModel):
    """DTO for creating a new hero."""

    name: str
    secret_name: str
    age: int | None = None
    team_id: int | None = None


class HeroModelUpdateDTO(BaseModel):
    """DTO for changing a hero: only the fields that are sent."""

    name: str = ""
    secret_name: str = ""
    age: int | None = None
    team_id: int | None = None
