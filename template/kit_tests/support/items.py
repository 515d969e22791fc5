"""A table and endpoints for tests of what the service is built on, apart from the service's own."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from fastapi import HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, UniqueConstraint, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.kit.database.dependencies import CurrentDatabase, ReadSession, WriteSession
from app.kit.database.models import TYPES, Base, PrimaryKey, Timestamped, Versioned
from app.kit.database.pagination import Keyset, Page
from app.kit.database.query import Query
from app.kit.database.sessions import Database
from app.kit.http.etags import IfMatch, etag, require_match
from app.kit.http.fields import MAX_BIGINT, Cursor, Identifier, Limit, Reference, Text
from app.kit.http.streaming import JsonLinesResponse
from app.kit.idempotency.models import IdempotencyKey
from app.kit.routing import Router

VERSIONS: Final = Path(__file__).with_name("versions")
"""The migrations that make these tables."""


class ItemBase(DeclarativeBase):
    """A base of its own, so that these tables are never taken for the service's."""

    metadata = type(Base.metadata)(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = TYPES


IdempotencyKey.metadata.tables["idempotency_key"].to_metadata(ItemBase.metadata)


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


async def insert_item(database: Database, name: str) -> None:
    """Store an item."""
    async with database.transaction() as session:
        session.add(Item(name=name))


async def insert_alone(database: Database, name: str) -> None:
    """Store an item by a statement that is a transaction of its own."""
    await database.execute(insert(Item), {"name": name})


async def names(database: Database) -> set[str]:
    """Return the names of the items that are stored."""
    async with database.read() as session:
        return set(await session.scalars(select(Item.name)))


async def count_of(database: Database, name: str) -> int | None:
    """Return the count of a stored item, or None if there is none of this name."""
    async with database.read() as session:
        return await session.scalar(select(Item.count).where(Item.name == name))


class ItemCreate(BaseModel):
    """What a client may send, of every kind of field that can go wrong."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    count: Annotated[int, Field(ge=-MAX_BIGINT, le=MAX_BIGINT)] = 0
    weight: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    parent_id: Reference | None = None


class ItemChange(BaseModel):
    """What may change about an item."""

    count: Annotated[int, Field(ge=-MAX_BIGINT, le=MAX_BIGINT)]


router = Router(prefix="/items")


class ItemRow(NamedTuple):
    """What a listing shows of an item."""

    id: int
    name: str


LIST = Query(ItemRow, select(Item.id, Item.name))

BY_ID = Keyset(Item.id, types=tuple[Identifier])


@router.post("", status_code=201)
async def create_item(item: ItemCreate, session: WriteSession) -> dict[str, int]:
    created = Item(**item.model_dump(exclude={"weight"}))
    session.add(created)
    await session.flush()
    return {"id": created.id}


@router.post("/then/{status}")
async def create_then_fail(status: int, name: str, session: WriteSession) -> None:
    session.add(Item(name=name))
    await session.flush()
    if status == 500:
        raise RuntimeError("a bug")
    raise HTTPException(status, "refused after the row was inserted")


@router.get("")
async def list_items(session: ReadSession, cursor: Cursor = None, limit: Limit = 50) -> Page[str]:
    page = await BY_ID.page(session, LIST, cursor=cursor, limit=limit)
    return Page([row.name for row in page.items], page.next_cursor)


async def _names(database: Database) -> AsyncGenerator[bytes, None]:
    async with database.snapshot() as session:
        names = await session.stream_scalars(select(Item.name).order_by(Item.id).execution_options(yield_per=1))
        try:
            async for name in names:
                yield b'"%s"\n' % name.encode()
        finally:
            await names.close()


@router.get("/export", response_class=JsonLinesResponse)
async def export_items(database: CurrentDatabase) -> JsonLinesResponse:
    return await JsonLinesResponse.start(_names(database))


@router.get("/{item_id}")
async def read_item(item_id: Identifier, response: Response, session: ReadSession) -> dict[str, int]:
    item = await session.scalar(select(Item).where(Item.id == item_id))
    if item is None:
        raise HTTPException(404, f"There is no item {item_id}.")
    response.headers["ETag"] = etag(item.version)
    return {"id": item.id, "count": item.count}


@router.patch("/{item_id}")
async def change_item(
    item_id: Identifier, change: ItemChange, session: WriteSession, if_match: IfMatch = None
) -> dict[str, int]:
    item = await session.scalar(select(Item).where(Item.id == item_id))
    if item is None:
        raise HTTPException(404, f"There is no item {item_id}.")
    require_match(if_match, item.version)
    item.count = change.count
    return {"id": item.id, "count": item.count}
