"""Pages are complete and without repeats whatever happens between them, and cursors come from outside."""

import gc
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from weakref import ref

import pytest
from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import bindparam, delete, select

from app.kit.database.dependencies import CurrentDatabase
from app.kit.database.pagination import InvalidCursorError, Keyset, Page
from app.kit.database.query import Query
from app.kit.database.sessions import Database
from kit_tests.support.application import application, running
from kit_tests.support.items import Item, insert_item
from kit_tests.support.suite import MakeSettings

Number = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]

BY_ID = Keyset(Item.id, types=tuple[Number])
BY_COUNT = Keyset(Item.count, Item.name, types=tuple[Number, str])
BY_TIME = Keyset(Item.created_at, Item.id, types=tuple[datetime, Number])


@dataclass(frozen=True)
class Listed:
    """What a page shows of an item."""

    id: int
    name: str
    count: int
    created_at: datetime


LISTED = select(Item.id, Item.name, Item.count, Item.created_at)

ITEMS = Query(Listed, LISTED)


async def insert_items(database: Database, *items: Item) -> None:
    async with database.transaction() as session:
        session.add_all(items)


async def page(
    database: Database, keyset: Keyset, *, cursor: str | None = None, limit: int = 3
) -> tuple[list[str], str | None]:
    """Return the names of the items on a page, and the cursor of the next."""
    found = await keyset.page(database, ITEMS, cursor=cursor, limit=limit)
    return [row.name for row in found.items], found.next_cursor


async def all_pages(database: Database, keyset: Keyset, *, limit: int = 3) -> list[list[str]]:
    pages, cursor = [], None
    for _ in range(20):
        names, cursor = await page(database, keyset, cursor=cursor, limit=limit)
        pages.append(names)
        if cursor is None:
            return pages
    pytest.fail("The pages have no end.")


async def test_query_may_have_parameters(shared_database: Database) -> None:
    query = Query(Listed, LISTED.where(Item.name > bindparam("above")))
    async with shared_database.rolled_back(), shared_database.transaction() as session:
        session.add_all(Item(name=name) for name in "abcde")
        await session.flush()
        first = await BY_ID.page(session, query, cursor=None, limit=2, above="b")
        rest = await BY_ID.page(session, query, cursor=first.next_cursor, limit=2, above="c")
    assert [row.name for row in [*first.items, *rest.items]] == ["c", "d", "e"]
    assert rest.next_cursor is None


async def test_unused_query_is_garbage_collected(shared_database: Database) -> None:
    query = Query(Listed, LISTED.where(Item.name == "one"))
    await BY_ID.page(shared_database, query, cursor=None, limit=2)
    kept = ref(query)
    del query
    gc.collect()
    assert kept() is None


async def test_nothing_to_list_is_one_empty_page(shared_database: Database) -> None:
    assert await page(shared_database, BY_ID) == ([], None)


async def test_last_page_has_no_next_also_when_it_is_full(database: Database) -> None:
    await insert_items(database, *(Item(name=name) for name in "abcdef"))
    assert await all_pages(database, BY_ID) == [["a", "b", "c"], ["d", "e", "f"]]
    assert await all_pages(database, BY_ID, limit=4) == [["a", "b", "c", "d"], ["e", "f"]]
    assert await all_pages(database, BY_ID, limit=6) == [["a", "b", "c", "d", "e", "f"]]


async def test_further_columns_order_rows_with_equal_first_ones(database: Database) -> None:
    items = [Item(name=f"{count} {letter}", count=count) for letter in "edcba" for count in (2, 1)]
    await insert_items(database, *items)
    pages = await all_pages(database, BY_COUNT)
    assert pages == [["1 a", "1 b", "1 c"], ["1 d", "1 e", "2 a"], ["2 b", "2 c", "2 d"], ["2 e"]]


async def test_times_find_their_place_again_to_the_last_digit(database: Database) -> None:
    for name in "abcde":
        await insert_items(database, Item(name=name))
    assert await all_pages(database, BY_TIME, limit=1) == [["a"], ["b"], ["c"], ["d"], ["e"]]


async def test_pages_are_stable_while_rows_come_and_go(database: Database) -> None:
    await insert_items(database, *(Item(name=name) for name in "bdfhj"))
    by_name = Keyset(Item.name, types=tuple[str])
    first, cursor = await page(database, by_name)
    await insert_items(database, Item(name="a"), Item(name="g"))
    async with database.transaction() as session:
        # The row at which the first page ended, among others.
        await session.execute(delete(Item).where(Item.name.in_(["b", "f", "h"])))
    second, last = await page(database, by_name, cursor=cursor)
    assert (first, second, last) == (["b", "d", "f"], ["g", "j"], None)


@pytest.mark.parametrize("count", [-(2**63), -1, 0, 2**31, 2**32, 2**63 - 2])
async def test_every_value_that_can_be_stored_can_be_in_a_cursor(database: Database, count: int) -> None:
    await insert_items(database, Item(name="before", count=count), Item(name="after", count=count + 1))
    assert await all_pages(database, BY_COUNT, limit=1) == [["before"], ["after"]]


@pytest.mark.parametrize("name", ["", "ünïcödé 🔑", "'; DROP TABLE item; --", 'a\\b"c', "~" * 500])
async def test_every_text_can_be_in_a_cursor(database: Database, name: str) -> None:
    await insert_items(database, Item(name=name), Item(name="after", count=1))
    assert await all_pages(database, BY_COUNT, limit=1) == [[name], ["after"]]


async def test_cursor_can_be_put_into_a_url_as_it_is(database: Database) -> None:
    await insert_items(database, Item(name="???>>>~~~"), Item(name="after", count=1))
    _, cursor = await page(database, BY_COUNT, limit=1)
    assert cursor is not None
    assert cursor.replace("-", "").replace("_", "").isalnum()


class Shown(NamedTuple):
    """What a query gives of an item."""

    id: int
    name: str


class ItemRead(BaseModel):
    """What a client gets of an item: less than what was read."""

    name: str


async def test_page_is_a_response_model_that_converts_its_rows(make_settings: MakeSettings) -> None:
    router = APIRouter()
    queries: list[Query[Any]] = [ITEMS, Query(Shown, select(Item.id, Item.name))]

    @router.get("/pages/{kind}", response_model=Page[ItemRead])
    async def read_page(kind: int, database: CurrentDatabase) -> Page[Any]:
        return await BY_ID.page(database, queries[kind], cursor=None, limit=1)

    async with running(application(make_settings(), router)) as service:
        for name in ("a", "b"):
            await insert_item(service.database, name)
        for kind in range(len(queries)):
            body = (await service.client.get(f"/pages/{kind}")).json()
            assert body["items"] == [{"name": "a"}]
            assert body.keys() == {"items", "next_cursor"}
            assert body["next_cursor"]
        schemas = (await service.client.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["PageItemRead"]["properties"]["items"]["items"] == {"$ref": "#/components/schemas/ItemRead"}


class Related(NamedTuple):
    """An item, and the one that it belongs to, if any."""

    id: int
    parent_id: int | None


class Belonging(NamedTuple):
    """An item that belongs to another."""

    id: int
    parent_id: int


BY_PARENT = Keyset(Item.parent_id, Item.id, types=tuple[Number, Number])


@pytest.mark.parametrize(
    "statement", [LISTED.order_by(Item.id.desc()), LISTED.limit(5), LISTED.offset(1)], ids=["order", "limit", "offset"]
)
async def test_query_with_an_order_of_its_own_is_refused(shared_database: Database, statement: Any) -> None:
    with pytest.raises(TypeError, match="an order or a limit of its own"):
        await BY_ID.page(shared_database, Query(Listed, statement), cursor=None, limit=1)


async def test_column_that_may_be_null_is_refused(database: Database) -> None:
    related = select(Item.id, Item.parent_id)
    with pytest.raises(TypeError, match="parent_id may be NULL"):
        await BY_PARENT.page(database, Query(Related, related), cursor=None, limit=1)
    async with database.transaction() as session:
        session.add(Item(name="parent"))
        await session.flush()
        session.add_all(Item(name=name, parent_id=1) for name in "ab")
    query = Query(Belonging, related.where(Item.parent_id.is_not(None)))  # type: ignore[arg-type]  # mypy sees the column
    first = await BY_PARENT.page(database, query, cursor=None, limit=1)
    rest = await BY_PARENT.page(database, query, cursor=first.next_cursor, limit=5)
    assert [row.parent_id for row in [*first.items, *rest.items]] == [1, 1]


def forged(json: str | bytes) -> Any:
    content = json.encode() if isinstance(json, str) else json
    return pytest.param(urlsafe_b64encode(content).decode().rstrip("="), id=repr(json))


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "forged",
        "ünïcödé",
        "\x00",
        "=" * 10,
        "A",
        "W" * 10_000,
        forged("[1]"),
        forged('[1,"a"]'),
        forged('["count,name","one","two"]'),
        forged('["count,name",1,2]'),
        forged('["count,name",1,"a",3]'),
        forged('["count,name",null,"a"]'),
        forged('["count,name",1.5,"a"]'),
        forged('["count,name",NaN,"a"]'),
        forged('["count,name",[1],"a"]'),
        forged(f'["count,name",{2**63},"a"]'),
        forged(f'["count,name",-{2**63 + 1},"a"]'),
        forged(f'["count,name",1{"0" * 5000},"a"]'),
        forged('{"count":1,"name":"a"}'),
        forged('"text"'),
        forged("null"),
        forged("1"),
        forged('["count,name",1,"a"'),
        forged('["count,name",1,"\\ud800"]'),
        forged(b'["count,name",1,"\xff"]'),
        forged("[" * 100_000),
        forged(b"\x80\x04\x95"),
    ],
)
async def test_cursor_that_was_not_handed_out_is_refused(shared_database: Database, cursor: str) -> None:
    with pytest.raises(InvalidCursorError, match="not one that this listing has handed out"):
        await page(shared_database, BY_COUNT, cursor=cursor)


def encoded(json: str) -> str:
    return urlsafe_b64encode(json.encode()).decode().rstrip("=")


A_PLACE = encoded('["count,name",1,"a"]')


@pytest.mark.parametrize(
    "spelling",
    [
        *(f"{A_PLACE}=", f"{A_PLACE[:-1]}1", f"!!!{A_PLACE}"),
        *(f"{A_PLACE[:4]} {A_PLACE[4:]}", f"{A_PLACE}\n", f" {A_PLACE}"),
        *(encoded(f'["count,name",{one},"a"]') for one in ('"1"', "1.0", "1e0", "true", '"1_0"', '"+1"', '" 1"', " 1")),
        *(
            encoded(json)
            for json in (
                r'["count,name",1,"\u0061"]',
                '["count,name", 1, "a"]',
                '["count,name",1,"a"]\n',
                '{"count":1,"name":"a"}',
            )
        ),
    ],
)
async def test_cursor_in_another_spelling_is_refused(shared_database: Database, spelling: str) -> None:
    assert A_PLACE == "WyJjb3VudCxuYW1lIiwxLCJhIl0"
    assert await page(shared_database, BY_COUNT, cursor=A_PLACE) == ([], None)
    with pytest.raises(InvalidCursorError):
        await page(shared_database, BY_COUNT, cursor=spelling)


async def test_cursor_has_the_alphabet_of_urls(shared_database: Database) -> None:
    cursor = encoded('["count,name",1,"\u00bf?>~"]')
    assert {"-", "_"} & set(cursor)
    assert await page(shared_database, BY_COUNT, cursor=cursor) == ([], None)
    with pytest.raises(InvalidCursorError):
        await page(shared_database, BY_COUNT, cursor=cursor.replace("_", "/").replace("-", "+"))
