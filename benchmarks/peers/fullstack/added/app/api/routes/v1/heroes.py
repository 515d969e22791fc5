"""Heroes routes."""

from typing import Annotated, Any

from app.api.deps import DBSession
from fastapi import APIRouter, Depends, Header, Query, Response, status

from app.schemas.hero import HeroCreate, HeroList, HeroRead, HeroUpdate
from app.services.hero import HeroService

router = APIRouter()


def get_hero_service(db: DBSession) -> HeroService:
    """Create HeroService instance with database session."""
    return HeroService(db)


HeroSvc = Annotated[HeroService, Depends(get_hero_service)]


@router.get("", response_model=HeroList)
async def list_heroes(
    service: HeroSvc,
    limit: int = Query(50, ge=1, le=100, description="Max heroes to return"),
    cursor: int = Query(0, description="The last id of the page before"),
) -> Any:
    """List heroes."""
    items, next_cursor = await service.list(after=cursor, limit=limit)
    return HeroList(items=items, next_cursor=next_cursor)


@router.post("", response_model=HeroRead, status_code=status.HTTP_201_CREATED)
async def create_hero(
    data: HeroCreate,
    response: Response,
    service: HeroSvc,
) -> Any:
    """Create a new hero."""
    hero = await service.create(data=data)
    response.headers["Location"] = f"/api/v1/heroes/{hero.id}"
    response.headers["ETag"] = f'"{hero.version}"'
    return hero


@router.get("/{hero_id}", response_model=HeroRead)
async def get_hero(
    hero_id: int,
    response: Response,
    service: HeroSvc,
) -> Any:
    """Get a hero."""
    hero = await service.get(hero_id=hero_id)
    response.headers["ETag"] = f'"{hero.version}"'
    return hero


@router.patch("/{hero_id}", response_model=HeroRead)
async def update_hero(
    hero_id: int,
    data: HeroUpdate,
    response: Response,
    service: HeroSvc,
    if_match: Annotated[str | None, Header()] = None,
) -> Any:
    """Change a hero if it still has the version that the client names."""
    hero = await service.update(hero_id=hero_id, data=data, if_match=if_match)
    response.headers["ETag"] = f'"{hero.version}"'
    return hero
