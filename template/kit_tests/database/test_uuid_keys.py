"""Rows whose keys are UUIDs that the service makes: whatever finds, lists or writes rows takes these keys, too."""

from base64 import urlsafe_b64encode
from itertools import count, pairwise
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy import ForeignKey, bindparam, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database.bulk import insert_many
from app.kit.database.change import Change
from app.kit.database.failures import NotFoundError
from app.kit.database.links import Links
from app.kit.database.listing import Listing, has_value
from app.kit.database.models import Timestamped, Versioned
from app.kit.database.pagination import InvalidCursorError, Keyset
from app.kit.database.query import Command, Query, delete_entity, get_entity
from app.kit.database.sessions import Database
from app.kit.database.upsert import Upsert
from app.kit.http.paging import PageParams
from kit_tests.support.items import ItemBase
from kit_tests.support.prepared import both_ways
from kit_tests.support.statements import statements_seen
from kit_tests.support.suite import MakeSettings

NUMBERS = count(1)
UNKNOWN = UUID(int=0)


def next_key() -> UUID:
    """Return a key that is larger than those before it, with digits that are letters in it."""
    return UUID(int=0xABCDEF << 80 | next(NUMBERS))


class Crate(Versioned, Timestamped, ItemBase):
    """Something with a key of its own making, that may stand on another."""

    __tablename__ = "crate"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=next_key)
    name: Mapped[str] = mapped_column(unique=True)
    below_id: Mapped[UUID | None] = mapped_column(ForeignKey("crate.id"))


class Sticker(ItemBase):
    """What crates are told apart by."""

    __tablename__ = "sticker"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=next_key)


class CrateSticker(ItemBase):
    """That a crate has a sticker."""

    __tablename__ = "crate_sticker"

    crate_id: Mapped[UUID] = mapped_column(ForeignKey("crate.id"), primary_key=True)
    sticker_id: Mapped[UUID] = mapped_column(ForeignKey("sticker.id"), primary_key=True)


class Label(ItemBase):
    """What says what is in a box, whose model comes later."""

    __tablename__ = "box_label"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=next_key)
    box_id: Mapped[UUID] = mapped_column(ForeignKey("box.id"))


OF_BOX = Query.of_values(select(Label.id).where(Label.box_id == bindparam("box_id")))


class Box(ItemBase):
    """What is labelled."""

    __tablename__ = "box"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=next_key)


class CrateRow(NamedTuple):
    """What is read of a crate."""

    id: UUID
    name: str
    below_id: UUID | None
    version: int


class CrateParams(PageParams):
    """What the list can be asked for."""

    below_id: UUID | None = None
    has_below: bool | None = None


class NewCrate(BaseModel):
    """What a client sends."""

    name: str
    below_id: UUID | None = None


COLUMNS = (Crate.id, Crate.name, Crate.below_id, Crate.version)
FIND = Query(CrateRow, select(*COLUMNS).where(Crate.id == bindparam("id")))
CREATE = Command(CrateRow, insert(Crate).returning(*COLUMNS))
CHANGE = Change(Crate, FIND)
PUT = Upsert(Crate, Query(CrateRow, select(*COLUMNS)), Crate.name)
PUT_BY_ID = Upsert(Crate, Query(CrateRow, select(*COLUMNS)), Crate.id)
STICKERS = Links(CrateSticker.crate_id, CrateSticker.sticker_id)
ALL = Query(CrateRow, select(*COLUMNS))
BY_ID = Keyset(Crate.id, types=tuple[UUID])
BY_BELOW = Keyset(Crate.below_id, Crate.id.desc(), types=tuple[UUID | None, UUID])


async def crates(database: Database, *names: str, below_id: UUID | None = None) -> list[UUID]:
    """Store crates, and return their keys."""
    return [(await CREATE.one(database, name=name, below_id=below_id)).id for name in names]


async def test_statement_that_makes_keys_is_prepared(make_settings: MakeSettings, prepared: list[str]) -> None:
    made: list[CrateRow] = []
    async with both_ways(make_settings) as databases:
        for database in databases:
            made += [await CREATE.one(database, name=f"{len(made)} {number}") for number in range(4)]
        assert [row.id for row in made] == sorted({row.id for row in made})
        for row in made:
            assert row.version == 1
            assert [await FIND.get(database, id=row.id) for database in databases] == [row, row]
    assert sum(statement.startswith("INSERT") for statement in prepared) == 3
    assert sum(statement.startswith("SELECT") for statement in prepared) == 7


async def test_key_is_known_before_its_row_is_stored(database: Database) -> None:
    keys = [next_key() for _ in range(3)]
    for number, key in enumerate(keys):
        assert (await CREATE.one(database, id=key, name=f"crate {number}")).id == key
    async with database.transaction() as session:
        crate = Crate(id=next_key(), name="crate", below_id=keys[0])
        session.add(crate)
    assert (await FIND.get(database, id=crate.id)).below_id == keys[0]


async def test_key_finds_its_row_whose_type_is_not_known(database: Database) -> None:
    key, *_ = await crates(database, "a", "b")
    box = next_key()
    await insert_many(database, Box, [{"id": box}, {"id": next_key()}])
    await insert_many(database, Label, [{"box_id": box}, {"box_id": box}])
    for _ in range(2):
        assert len(await OF_BOX.all(database, box_id=box)) == 2
        assert await OF_BOX.all(database, box_id=UNKNOWN) == []
    async with database.read() as session:
        assert await session.scalar(text("SELECT name FROM crate WHERE id = :key"), {"key": key}) == "a"


async def test_unknown_key_is_not_found(database: Database) -> None:
    with pytest.raises(NotFoundError, match=f"There is no crate {UNKNOWN}"):
        await FIND.get(database, id=UNKNOWN)
    async with database.transaction() as session:
        with pytest.raises(NotFoundError, match=f"There is no crate {UNKNOWN}"):
            await get_entity(session, Crate, UNKNOWN)
    with pytest.raises(NotFoundError):
        await CHANGE.row(database, {"name": "a"}, id=UNKNOWN)
    for _ in range(2):
        with pytest.raises(IntegrityError):
            await CREATE.one(database, name="a", below_id=UNKNOWN)


@pytest.mark.parametrize(
    "keyset", [BY_ID, Keyset(Crate.id.desc(), types=tuple[UUID]), BY_BELOW], ids=["id", "-id", "below"]
)
async def test_pages_lead_there_and_back(database: Database, keyset: Keyset) -> None:
    below, *_ = await crates(database, *"abc")
    await crates(database, *"defg", below_id=below)
    pages, cursor = [], None
    for _ in range(4):
        page = await keyset.page(database, ALL, cursor=cursor, limit=2)
        pages.append(page)
        cursor = page.next_cursor
    assert cursor is None
    assert sorted(row.name for page in pages for row in page.items) == [*"abcdefg"]
    for before, page in pairwise(pages):
        back = await keyset.page(database, ALL, cursor=page.previous_cursor, limit=2)
        assert back.items == before.items


async def test_newest_come_first_where_ids_descend(database: Database) -> None:
    keys = await crates(database, *"abcde")
    page = await Keyset(Crate.id.desc(), types=tuple[UUID]).page(database, ALL, cursor=None, limit=9)
    assert [row.id for row in page.items] == keys[::-1]


@pytest.mark.parametrize(
    "written",
    [
        '["id",7]',
        '["id",null]',
        '["id","one"]',
        f'["id","{next_key()}'.upper().replace("ID", "id") + '"]',
        f'["id","{UNKNOWN.hex}"]',
        f'["id","urn:uuid:{UNKNOWN}"]',
        f'["-id","{UNKNOWN}"]',
    ],
)
async def test_cursor_that_was_never_handed_out_is_refused(shared_database: Database, written: str) -> None:
    cursor = urlsafe_b64encode(written.encode()).decode().rstrip("=")
    with pytest.raises(InvalidCursorError):
        await BY_ID.page(shared_database, ALL, cursor=cursor, limit=2)


async def test_lists_are_filtered_by_keys(database: Database) -> None:
    listing = Listing(
        ALL,
        CrateParams,
        orders={"id": BY_ID},
        filters={
            "below_id": Crate.below_id == bindparam("below_id"),
            "has_below": has_value(Crate.below_id, bindparam("has_below")),
        },
    )
    below, _ = await crates(database, *"ab")
    await crates(database, *"cd", below_id=below)
    for asked, found in (
        (CrateParams(below_id=below), ["c", "d"]),
        (CrateParams(below_id=UNKNOWN), []),
        (CrateParams(has_below=False), ["a", "b"]),
    ):
        assert [row.name for row in (await listing.page(database, asked)).items] == found
        assert await listing.total(database, asked) == len(found)


async def test_many_rows_with_keys_are_one_statement(database: Database) -> None:
    (below,) = await crates(database, "below")
    new: list[Any] = [NewCrate(name=f"{number}", below_id=below if number % 2 else None) for number in range(500)]
    for rows in (new, [{"name": f"named {number}", "id": next_key()} for number in range(3)]):
        with statements_seen(about="INSERT") as seen:
            assert await insert_many(database, Crate, rows) == len(rows)
        assert len(seen) == 1
    async with database.read() as session:
        stored = (await session.scalars(select(Crate).order_by(Crate.id))).all()
    # Keys that are given are made when they are given, and others when their rows are stored.
    names = ["below", "named 0", "named 1", "named 2", *(each.name for each in new)]
    assert [crate.name for crate in stored] == names
    assert {crate.below_id for crate in stored} == {below, None}


async def test_change_finds_its_row_by_the_key(database: Database) -> None:
    below, key = await crates(database, "below", "above")
    for _ in range(3):
        assert (await CHANGE.row(database, {"below_id": below}, versions=[1, 2], id=key)).row.below_id == below
    row, is_changed = await CHANGE.row(database, {"below_id": None}, versions=[2], id=key)
    assert (row, is_changed) == (CrateRow(key, "above", None, 3), True)
    async with database.transaction() as session:
        assert (await CHANGE.row(session, {"below_id": below}, id=key)).row.version == 4


async def test_upsert_keeps_the_key_that_is_there(database: Database) -> None:
    (first,) = await PUT.all(database, [{"name": "a", "below_id": None}])
    done = await PUT.all(database, [{"name": name, "below_id": first.row.id} for name in "cab"])
    assert {each.row.name: each.outcome for each in done} == {"a": "updated", "b": "inserted", "c": "inserted"}
    assert next(each.row.id for each in done if each.row.name == "a") == first.row.id
    assert len({each.row.id for each in done}) == 3
    again = await PUT.all(database, [{"name": name, "below_id": first.row.id} for name in "abc"])
    assert {each.outcome for each in again} == {"unchanged"}


async def test_upsert_by_the_key_itself(database: Database) -> None:
    keys = [next_key() for _ in range(3)]
    for outcome, letters in (("inserted", "abc"), ("unchanged", "abc"), ("updated", "def")):
        rows = [{"id": key, "name": letter} for key, letter in zip(keys, letters, strict=True)]
        done = await PUT_BY_ID.all(database, rows[::-1])
        assert {(each.row.id, each.row.name) for each in done} == {(row["id"], row["name"]) for row in rows}
        assert {each.outcome for each in done} == {outcome}


async def test_links_are_set_by_keys(database: Database) -> None:
    (crate,) = await crates(database, "a")
    stickers = [next_key() for _ in range(3)]
    await insert_many(database, Sticker, [{"id": key} for key in stickers])
    assert await STICKERS.set(database, crate, stickers[:2]) == ({*stickers[:2]}, set())
    assert await STICKERS.set(database, crate, stickers[1:]) == ({stickers[2]}, {stickers[0]})
    with pytest.raises(NotFoundError):
        await STICKERS.set(database, UNKNOWN, stickers)
    with pytest.raises(IntegrityError):
        await STICKERS.set(database, crate, [UNKNOWN])


async def test_rows_are_streamed_and_deleted_by_keys(database: Database) -> None:
    keys = await crates(database, *"abcde")
    async with database.transaction() as session:
        await delete_entity(session, Crate, keys[2], versions=[1])
    left = []
    async with database.snapshot() as session:
        async for batch in Query(CrateRow, select(*COLUMNS).order_by(Crate.id)).batches(session, 2):
            left += [row.id for row in batch]
    assert left == [*keys[:2], *keys[3:]]
