"""The endpoints of heroes."""

from typing import Any

from fastapi import APIRouter, Header, HTTPException, Query, Response, status
from fastapi.param_functions import Depends

from s3rius_peer.db.dao.hero_dao import ConflictError, HeroDAO
from s3rius_peer.db.models.hero_model import HeroModel
from s3rius_peer.web.api.heroes.schema import HeroModelDTO, HeroModelInputDTO, HeroModelUpdateDTO, HeroPageDTO

router = APIRouter()


@router.get("", response_model=HeroPageDTO)
async def get_heroes(
    limit: int = Query(50, ge=1, le=100),
    cursor: int = 0,
    hero_dao: HeroDAO = Depends(),
) -> dict[str, Any]:
    """Retrieve a page of heroes; the cursor is the last id of the page before."""
    # One more than asked for tells whether there is a next page.
    heroes = await hero_dao.get_heroes(limit=limit + 1, after=cursor)
    if len(heroes) <= limit:
        return {"items": heroes, "next_cursor": None}
    return {"items": heroes[:limit], "next_cursor": str(heroes[limit - 1].id)}


@router.get("/{hero_id}", response_model=HeroModelDTO)
async def get_hero(
    hero_id: int,
    response: Response,
    hero_dao: HeroDAO = Depends(),
) -> HeroModel:
    """Retrieve a hero."""
    hero = await hero_dao.get_hero(hero_id)
    if hero is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    response.headers["ETag"] = f'"{hero.version}"'
    return hero


@router.post("", response_model=HeroModelDTO, status_code=status.HTTP_201_CREATED)
async def create_hero(
    new_hero: HeroModelInputDTO,
    response: Response,
    hero_dao: HeroDAO = Depends(),
) -> HeroModel:
    """Create a hero."""
    try:
        hero = await hero_dao.create_hero(**new_hero.model_dump())
    except ConflictError as error:
        raise HTTPException(status.HTTP_409_CONFLICT) from error
    response.headers["Location"] = f"/api/heroes/{hero.id}"
    response.headers["ETag"] = f'"{hero.version}"'
    return hero


@router.patch("/{hero_id}", response_model=HeroModelDTO)
async def update_hero(
    hero_id: int,
    changes: HeroModelUpdateDTO,
    response: Response,
    if_match: str | None = Header(None),
    hero_dao: HeroDAO = Depends(),
) -> HeroModel:
    """Change a hero if it still has the version that the client names."""
    hero = await hero_dao.get_hero(hero_id)
    if hero is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    if if_match not in (None, f'"{hero.version}"'):
        raise HTTPException(status.HTTP_412_PRECONDITION_FAILED)
    try:
        await hero_dao.update_hero(hero, changes.model_dump(exclude_unset=True))
    except ConflictError as error:
        raise HTTPException(status.HTTP_409_CONFLICT) from error
    response.headers["ETag"] = f'"{hero.version}"'
    return hero
