"""A table and endpoints for tests of the database layer, apart from the service's own."""

from fastapi import APIRouter, HTTPException
from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.database.base import Base, Timestamped, Versioned
from app.database.columns import TYPES, PrimaryKey
from app.database.dependencies import ReadSession, WriteSession


class ItemBase(DeclarativeBase):
    """A base of its own, so that these tables are never taken for the service's."""

    metadata = type(Base.metadata)(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = TYPES
    __mapper_args__ = {"eager_defaults": True}


class Item(Versioned, Timestamped, ItemBase):
    """Something that is counted, and may be part of something else."""

    __tablename__ = "item"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[PrimaryKey]
    name: Mapped[str]
    count: Mapped[int] = mapped_column(default=0)
    # Deferred to the commit, where most code does not expect an error any more.
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("item.id", deferrable=True, initially="DEFERRED"))

    parts: Mapped[list["Item"]] = relationship(lazy="raise_on_sql")


router = APIRouter(prefix="/items")


@router.post("", status_code=201)
async def create_item(session: WriteSession, name: str, parent_id: int | None = None) -> dict[str, int]:
    item = Item(name=name, parent_id=parent_id)
    session.add(item)
    await session.flush()
    return {"id": item.id}


@router.post("/then/{status}")
async def create_then_fail(session: WriteSession, status: int, name: str) -> None:
    session.add(Item(name=name))
    await session.flush()
    if status == 500:
        raise RuntimeError("a mistake in the program")
    raise HTTPException(status, "refused after the row was inserted")


@router.get("/{name}")
async def read_item(session: ReadSession, name: str) -> dict[str, int]:
    item = await session.scalar(select(Item).where(Item.name == name))
    if item is None:
        raise HTTPException(404)
    return {"id": item.id, "count": item.count}
