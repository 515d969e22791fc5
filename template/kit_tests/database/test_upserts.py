"""Rows are inserted or change what has their key, many at once, and nobody fails who comes at the same time."""

import asyncio
from datetime import datetime
from typing import NamedTuple

import pytest
from pydantic import BaseModel
from sqlalchemy import JSON, UniqueConstraint, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database.models import PrimaryKey, Timestamped, Versioned
from app.kit.database.query import Query
from app.kit.database.sessions import Database
from app.kit.database.upsert import Upsert
from kit_tests.support.items import ItemBase
from kit_tests.support.statements import statements_seen


class Price(Versioned, Timestamped, ItemBase):
    """What something costs somewhere."""

    __tablename__ = "price"
    __table_args__ = (UniqueConstraint("country", "product_name"),)

    id: Mapped[PrimaryKey]
    country: Mapped[str]
    # The attribute has another name than the column.
    product: Mapped[str] = mapped_column("product_name")
    cents: Mapped[int]
    note: Mapped[str | None]
    details: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)


class Word(ItemBase):
    """Nothing but its key, as tags are."""

    __tablename__ = "word"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(unique=True)


class PriceRow(NamedTuple):
    product: str
    cents: int
    version: int


class PriceIn(BaseModel):
    country: str
    product: str
    cents: int


class Named(NamedTuple):
    id: int
    name: str


PUT = Upsert(Price, Query(PriceRow, select(Price.product, Price.cents, Price.version)), Price.country, Price.product)
WORDS = Upsert(Word, Query(Named, select(Word.id, Word.name)), Word.name)


def price(product: str, cents: int, **more: object) -> dict[str, object]:
    return {"country": "nl", "product": product, "cents": cents, **more}


async def test_row_is_inserted_updated_or_left_as_it_is(database: Database) -> None:
    assert await PUT.one(database, price("tea", 100)) == (("tea", 100, 1), "inserted")
    assert await PUT.one(database, PriceIn(country="nl", product="tea", cents=120)) == (("tea", 120, 2), "updated")
    assert await PUT.one(database, price("tea", 120)) == (("tea", 120, 2), "unchanged")
    assert await PUT.one(database, {**price("tea", 120), "country": "be"}) == (("tea", 120, 1), "inserted")


async def test_many_rows_tell_each_what_has_become_of_them(database: Database) -> None:
    await PUT.all(database, [price("a", 1), price("b", 2), price("c", 3)])
    with statements_seen(about="price") as seen:
        done = await PUT.all(database, [price("d", 4), price("b", 2), price("a", 9)])
    assert sorted(done) == [(("a", 9, 2), "updated"), (("b", 2, 1), "unchanged"), (("d", 4, 1), "inserted")]
    assert [statement.split()[0] for statement in seen] == ["INSERT", "SELECT"]
    assert await PUT.all(database, []) == []


async def test_thousands_of_rows_are_written(database: Database) -> None:
    rows = [price(f"p{number}", number) for number in range(2500)]
    assert {done.outcome for done in await PUT.all(database, rows)} == {"inserted"}
    assert [done.outcome for done in await PUT.all(database, rows)] == ["unchanged"] * 2500


async def test_only_a_change_is_counted_and_dated(database: Database) -> None:
    async def dates() -> tuple[datetime, datetime]:
        async with database.read() as session:
            return (await session.execute(select(Price.created_at, Price.updated_at))).one()

    await PUT.one(database, price("tea", 1, note=None, details={"a": 1}))
    first = await dates()
    await PUT.one(database, price("tea", 1, note=None, details={"a": 1}))
    assert await dates() == first
    await asyncio.sleep(0.002)
    await PUT.one(database, price("tea", 1, note="new", details={"a": 1}))
    created, updated = await dates()
    assert (created, updated > first[1]) == (first[0], True)
    assert (await PUT.one(database, price("tea", 1, note=None, details={"a": 1}))).row.version == 3
    assert (await PUT.one(database, price("tea", 1, note=None, details={"a": 2}))).row.version == 4


async def test_rows_that_are_only_keys_are_found_or_made(database: Database) -> None:
    first = await WORDS.one(database, {"name": "blue"})
    assert first.outcome == "inserted"
    words = await WORDS.all(database, [{"name": name} for name in ("red", "blue")])
    assert {word.row.name: word.outcome for word in words} == {"red": "inserted", "blue": "unchanged"}
    assert {word.row.id for word in words if word.row.name == "blue"} == {first.row.id}


async def test_upsert_belongs_to_the_transaction_of_the_session(database: Database) -> None:
    with pytest.raises(RuntimeError, match="undone"):
        async with database.transaction() as session:
            session.add(Price(country="nl", product="tea", cents=1))
            assert await PUT.one(session, price("tea", 2)) == (("tea", 2, 2), "updated")
            raise RuntimeError("undone")
    assert (await PUT.one(database, price("tea", 2))).outcome == "inserted"


async def test_same_keys_by_many_at_once_never_fail(database: Database) -> None:
    """In orders that would make a circle of those who wait for each other."""
    products = [f"p{number}" for number in range(40)]

    async def put(cents: int) -> None:
        ordered = products if cents % 2 else [*reversed(products)]
        await PUT.all(database, [price(product, cents) for product in ordered])
        await WORDS.all(database, [{"name": product} for product in ordered])

    await asyncio.gather(*(put(cents) for cents in range(12)))
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Word)) == 40
        assert {*await session.scalars(select(Price.version))} == {12}
        assert len({*await session.scalars(select(Price.cents))}) == 1


async def test_one_key_by_many_at_once_is_inserted_once(database: Database) -> None:
    done = await asyncio.gather(*(PUT.one(database, price("tea", cents)) for cents in range(20)))
    assert [each.outcome for each in done].count("inserted") == 1
    assert sorted(each.row.version for each in done) == [*range(1, 21)]


async def test_rows_that_could_be_lost_are_refused(database: Database) -> None:
    with pytest.raises(ValueError, match=r"country, product is .* twice"):
        await PUT.all(database, [price("tea", 1), price("tea", 2)])
    with pytest.raises(ValueError, match="country, product is None"):
        await PUT.one(database, {"country": None, "product": "tea", "cents": 1})
    with pytest.raises(TypeError, match="lack country, which is their key"):
        PUT._statement(("product", "cents"))
    with pytest.raises(TypeError, match="what their version is"):
        await PUT.one(database, price("tea", 1, version=3))
    with pytest.raises(TypeError, match="is no column of Price"):
        await PUT.one(database, price("tea", 1, colour="green"))
    with pytest.raises(IntegrityError):
        await PUT.one(database, {"country": "nl", "product": "tea", "cents": None})
    assert (await PUT.one(database, price("tea", 1))).outcome == "inserted"


def test_what_is_no_key_or_no_column_is_refused() -> None:
    with pytest.raises(TypeError, match="country is no key of Price"):
        Upsert(Price, Query(PriceRow, select(Price.product, Price.cents, Price.version)), Price.country)
    with pytest.raises(TypeError, match="Nothing is no key"):
        Upsert(Price, Query(PriceRow, select(Price.product, Price.cents, Price.version)))
    with pytest.raises(TypeError, match="is no column of Word"):
        Upsert(Word, Query(Named, select(Price.id, Word.name)), Word.name)
