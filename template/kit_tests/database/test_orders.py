"""The pages of a list, in any order and either direction, are the sorted table, whatever comes and goes meanwhile."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import pytest
from pydantic import Field
from sqlalchemy import bindparam, delete, func, insert, select

from app.kit.database.models import NULLS_ARE_LARGEST
from app.kit.database.pagination import InvalidCursorError, Keyset
from app.kit.database.query import Query
from app.kit.database.sessions import Database, WritingSession
from kit_tests.support.items import Item

Number = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


@dataclass(frozen=True)
class Row:
    """What is listed of an item."""

    id: int
    name: str
    count: int
    parent_id: int | None


ITEMS = Query(Row, select(Item.id, Item.name, Item.count, Item.parent_id))

PARENT, COUNT, ID = Item.parent_id, Item.count, Item.id

# A word in a name says what comes first: NULLs, or the largest.
ORDERS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "id": ((ID,), tuple[Number]),
    "-id": ((ID.desc(),), tuple[Number]),
    "name": ((Item.name,), tuple[str]),
    "count": ((COUNT, ID), tuple[Number, Number]),
    "-count -id": ((COUNT.desc(), ID.desc()), tuple[Number, Number]),
    "-count id": ((COUNT.desc(), ID), tuple[Number, Number]),
    "count -name": ((COUNT, Item.name.desc()), tuple[Number, str]),
    "parent": ((PARENT, ID), tuple[Number | None, Number]),
    "-parent": ((PARENT.desc(), ID.desc()), tuple[Number | None, Number]),
    "parent nulls first": ((PARENT.nulls_first(), ID), tuple[Number | None, Number]),
    "parent nulls last": ((PARENT.asc().nulls_last(), ID), tuple[Number | None, Number]),
    "-parent nulls first": ((PARENT.desc().nulls_first(), ID), tuple[Number | None, Number]),
    "-parent nulls last": ((PARENT.desc().nulls_last(), ID.desc()), tuple[Annotated[Number | None, Field()], Number]),
    "count parent": ((COUNT, PARENT, ID), tuple[Number, Number | None, Number]),
    "-count parent nulls first": ((COUNT.desc(), PARENT.nulls_first(), ID), tuple[Number, Number | None, Number]),
    "count -parent nulls last": ((COUNT, PARENT.desc().nulls_last(), ID.desc()), tuple[Number, Number | None, Number]),
    "parent count nulls last": ((PARENT.nulls_last(), COUNT.desc(), ID), tuple[Number | None, Number, Number]),
}

KEYSETS = {name: Keyset(*columns, types=types) for name, (columns, types) in ORDERS.items()}

every_order = pytest.mark.parametrize("order", ORDERS)


class Table:
    """Items that come and go, and how each was, also those that are gone."""

    def __init__(self, session: WritingSession, chance: random.Random) -> None:
        self.session = session
        self.chance = chance
        self.ever: set[int] = set()
        self.gone: set[int] = set()

    async def insert(self, number: int) -> None:
        """Insert items, of which many have the same values."""
        # By itself, a database may give the largest id again once its row is gone.
        taken = max(self.ever, default=0)
        new = range(taken + 1, taken + number + 1)
        rows = [
            {
                "id": n,
                "name": f"{self.chance.random()} {n}",
                "count": self.chance.choice([1, 2]),
                "parent_id": self.chance.choice([None, 1, 2, 3]),
            }
            for n in new
        ]
        await self.session.execute(insert(Item), rows)
        self.ever.update(new)

    async def remove(self, number: int) -> None:
        """Delete items."""
        there = sorted(self.ever - self.gone)
        removed = self.chance.sample(there, min(number, len(there)))
        await self.session.execute(delete(Item).where(Item.id.in_(removed)))
        self.gone.update(removed)

    async def sorted_as(self, order: str) -> list[int]:
        """Return the ids of what is there, as the database itself sorts them."""
        columns, _ = ORDERS[order]
        return list(await self.session.scalars(select(Item.id).order_by(*columns)))


@pytest.fixture(params=range(3))
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.param)  # noqa: S311 - no secret


async def walked(table: Table, keyset: Keyset, *, limit: int) -> tuple[list[list[int]], list[list[int]]]:
    """Return the ids of all pages to the end, and of those back to the beginning."""
    there, back = [], []
    page = await keyset.page(table.session, ITEMS, cursor=None, limit=limit)
    assert page.previous_cursor is None
    there.append([row.id for row in page.items])
    while page.next_cursor is not None:
        page = await keyset.page(table.session, ITEMS, cursor=page.next_cursor, limit=limit)
        there.append([row.id for row in page.items])
    while page.previous_cursor is not None:
        page = await keyset.page(table.session, ITEMS, cursor=page.previous_cursor, limit=limit)
        assert page.next_cursor is not None
        back.append([row.id for row in page.items])
    return there, back


def flat(pages: Iterable[list[int]]) -> list[int]:
    return [number for page in pages for number in page]


@every_order
@pytest.mark.parametrize("limit", [1, 4, 40])
async def test_pages_are_the_sorted_table_there_and_back(
    shared_database: Database, chance: random.Random, order: str, limit: int
) -> None:
    async with shared_database.rolled_back(), shared_database.transaction() as session:
        table = Table(session, chance)
        await table.insert(23)
        expected = await table.sorted_as(order)
        there, back = await walked(table, KEYSETS[order], limit=limit)
    assert flat(there) == expected
    assert all(len(page) == limit for page in there[:-1])
    assert flat(back[::-1]) == expected[: len(expected) - len(there[-1])]
    assert all(len(page) == limit for page in back[:-1])


@every_order
async def test_each_row_is_listed_once_while_others_come_and_go(
    shared_database: Database, chance: random.Random, order: str
) -> None:
    keyset = KEYSETS[order]
    async with shared_database.rolled_back(), shared_database.transaction() as session:
        table = Table(session, chance)
        await table.insert(30)
        for backwards in (False, True):
            at_first, seen, cursor = table.ever - table.gone, [], None
            if backwards:
                # The page before the end.
                page = await keyset.page(session, ITEMS, cursor=None, limit=len(at_first) - 1)
                page = await keyset.page(session, ITEMS, cursor=page.next_cursor, limit=1)
                cursor, seen = page.previous_cursor, [page.items[-1].id]
            while True:
                page = await keyset.page(session, ITEMS, cursor=cursor, limit=3)
                listed = [row.id for row in page.items]
                assert table.gone.isdisjoint(listed)
                seen += reversed(listed) if backwards else listed
                cursor = page.previous_cursor if backwards else page.next_cursor
                if cursor is None:
                    break
                await table.insert(1)
                await table.remove(1)
            assert len(seen) == len(set(seen))
            assert at_first - table.gone <= set(seen)
            left = [number for number in await table.sorted_as(order) if number in seen]
            assert [number for number in seen if number in left] == (left[::-1] if backwards else left)


@pytest.mark.parametrize(("one", "other"), [*pairwise(ORDERS), ("parent nulls first", "parent nulls last")])
async def test_cursor_of_one_order_is_refused_in_another(shared_database: Database, one: str, other: str) -> None:
    async with shared_database.rolled_back(), shared_database.transaction() as session:
        await Table(session, random.Random(1)).insert(5)  # noqa: S311 - no secret
        page = await KEYSETS[one].page(session, ITEMS, cursor=None, limit=2)
        page = await KEYSETS[one].page(session, ITEMS, cursor=page.next_cursor, limit=2)
        for cursor in (page.next_cursor, page.previous_cursor):
            assert cursor is not None
            with pytest.raises(InvalidCursorError):
                await KEYSETS[other].page(session, ITEMS, cursor=cursor, limit=2)


async def test_nulls_come_where_the_database_has_them(shared_database: Database) -> None:
    async with shared_database.rolled_back(), shared_database.transaction() as session:
        await session.execute(insert(Item), [{"name": "a", "parent_id": 1}, {"name": "b", "parent_id": None}])
        parents = list(await session.scalars(select(Item.parent_id).order_by(Item.parent_id)))
    assert parents == ([1, None] if NULLS_ARE_LARGEST else [None, 1])


async def test_page_after_all_rows_were_removed_is_the_end(shared_database: Database) -> None:
    async with shared_database.rolled_back(), shared_database.transaction() as session:
        table = Table(session, random.Random(1))  # noqa: S311 - no secret
        await table.insert(6)
        first = await KEYSETS["id"].page(session, ITEMS, cursor=None, limit=2)
        second = await KEYSETS["id"].page(session, ITEMS, cursor=first.next_cursor, limit=2)
        await table.remove(6)
        for cursor in (first.next_cursor, second.previous_cursor):
            page = await KEYSETS["id"].page(session, ITEMS, cursor=cursor, limit=2)
            assert (page.items, page.next_cursor, page.previous_cursor) == ([], None, None)


@pytest.mark.parametrize("name", ["last_id", "row_limit"])
async def test_parameter_of_a_query_keeps_its_name(shared_database: Database, name: str) -> None:
    query = Query(Row, select(Item.id, Item.name, Item.count, Item.parent_id).where(Item.id < bindparam(name)))
    keyset = KEYSETS["id"]
    async with shared_database.rolled_back(), shared_database.transaction() as session:
        await Table(session, random.Random(1)).insert(6)  # noqa: S311 - no secret
        first = await keyset.page(session, query, cursor=None, limit=2, **{name: 4})
        rest = await keyset.page(session, query, cursor=first.next_cursor, limit=2, **{name: 4})
    assert [row.id for row in (*first.items, *rest.items)] == [1, 2, 3]


@pytest.mark.parametrize("name", ["keyset_id", "keyset_limit"])
async def test_parameter_of_the_page_itself_is_refused(shared_database: Database, name: str) -> None:
    query = Query(Row, select(Item.id, Item.name, Item.count, Item.parent_id).where(Item.id < bindparam(name)))
    with pytest.raises(TypeError, match=f"{name} is a parameter of the page itself"):
        await KEYSETS["id"].page(shared_database, query, cursor=None, limit=2, **{name: 4})


async def test_rows_without_a_column_of_the_order_are_refused(shared_database: Database) -> None:
    with pytest.raises(TypeError, match="The rows have no count, by which the keyset orders them"):
        await KEYSETS["count"].page(shared_database, Query.of_values(select(Item.id)), cursor=None, limit=2)


@pytest.mark.parametrize(
    ("columns", "types"),
    [
        ((Item.id, Item.name), tuple[Number]),
        ((Item.id,), tuple[Number, Number]),
        ((Item.id,), tuple[Number, ...]),
        ((Item.id,), Number),
        ((), tuple[()]),
    ],
    ids=["too few", "too many", "any number", "no tuple", "none"],
)
def test_keyset_has_a_type_for_each_column(columns: tuple[Any, ...], types: Any) -> None:
    with pytest.raises(TypeError, match="as many types"):
        Keyset(*columns, types=types)


@pytest.mark.parametrize(
    "column",
    [func.lower(Item.name), func.lower(Item.name).desc(), Item, "name"],
    ids=["function", "descending function", "model", "name"],
)
def test_what_is_no_column_is_refused(column: Any) -> None:
    with pytest.raises(TypeError, match="attributes of models"):
        Keyset(column, types=tuple[str])
