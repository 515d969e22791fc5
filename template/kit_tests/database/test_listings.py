"""A listing has the orders and the filters that it was given, and clients can ask for no others."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict
from sqlalchemy import bindparam, insert, select

from app.kit.database import listing
from app.kit.database.listing import Listing, has_value
from app.kit.database.pagination import Keyset
from app.kit.database.query import Query
from app.kit.database.sessions import Database
from kit_tests.support.items import Item
from kit_tests.support.statements import statements_seen


@dataclass(frozen=True)
class Row:
    """What is listed of an item."""

    id: int
    name: str
    count: int


class Params(BaseModel):
    """What can be asked for."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    limit: int = 50
    cursor: str | None = None
    total: bool = False
    sort: Literal["id", "-id"] = "id"
    count: int | None = None
    above: str | None = None


class ParentParams(BaseModel):
    """What can be asked for of parts."""

    limit: int = 50
    cursor: str | None = None
    has_parent: bool | None = None


class Order(StrEnum):
    """The orders by an enum."""

    OLDEST = "id"
    NEWEST = "-id"


class EnumParams(Params):
    """The same."""

    sort: Order = Order.OLDEST  # type: ignore[assignment]  # another type on purpose


class UnsortedParams(BaseModel):
    """One order alone."""

    limit: int = 50
    cursor: str | None = None


ITEMS = Query(Row, select(Item.id, Item.name, Item.count))
BY_ID = Keyset(Item.id, types=tuple[int])
ORDERS = {"id": BY_ID, "-id": Keyset(Item.id.desc(), types=tuple[int])}
FILTERS = {"count": Item.count == bindparam("count"), "above": Item.name > bindparam("above")}

BY_TIME = Keyset(Item.created_at, Item.id, types=tuple[datetime, int])
BY_PARENT = Keyset(Item.parent_id, Item.id, types=tuple[int | None, int])

LIST = Listing(ITEMS, Params, orders=ORDERS, filters=FILTERS)


async def names(database: Database, **asked: Any) -> str:
    return "".join(row.name for row in (await LIST.page(database, Params(**asked))).items)


@pytest.fixture
async def items(database: Database) -> Database:
    """Return a database with some items."""
    async with database.transaction() as session:
        await session.execute(insert(Item), [{"name": name, "count": n % 2} for n, name in enumerate("abcdef")])
    return database


async def test_list_is_sorted_and_filtered_as_asked(items: Database) -> None:
    assert await names(items) == "abcdef"
    assert await names(items, sort="-id") == "fedcba"
    assert await names(items, count=1) == "bdf"
    assert await names(items, above="c") == "def"
    assert await names(items, sort="-id", count=0, above="b", limit=1) == "e"
    assert await names(items, count=7) == ""

    by_enum = Listing(ITEMS, EnumParams, orders=ORDERS, filters=FILTERS)
    page = await by_enum.page(items, EnumParams(sort=Order.NEWEST, limit=1))
    assert page.items[0].name == "f"


async def test_pages_keep_their_order_and_their_filters(items: Database) -> None:
    params = Params(sort="-id", count=1, limit=2)
    first = await LIST.page(items, params)
    second = await LIST.page(items, params.model_copy(update={"cursor": first.next_cursor}))
    assert [row.name for row in [*first.items, *second.items]] == ["f", "d", "b"]
    assert second.next_cursor is None


async def test_listing_of_one_order_needs_no_name_for_it(items: Database) -> None:
    unsorted = Listing(ITEMS, UnsortedParams, orders={"id": BY_ID})
    assert [row.name for row in (await unsorted.page(items, UnsortedParams(limit=2))).items] == ["a", "b"]


async def test_query_of_a_listing_may_have_parameters(items: Database) -> None:
    query = Query(Row, select(Item.id, Item.name, Item.count).where(Item.name < bindparam("below")))
    bounded = Listing(query, Params, orders=ORDERS, filters=FILTERS)
    page = await bounded.page(items, Params(count=0), below="e")
    assert [row.name for row in page.items] == ["a", "c"]
    assert await bounded.total(items, Params(count=0), below="e") == 2
    with pytest.raises(TypeError, match="below"):
        await bounded.page(items, Params())


async def test_rows_without_a_value_can_be_asked_for(items: Database) -> None:
    whole = await Query.of_values(select(Item.id).where(Item.name == "a")).get(items)
    await items.execute(insert(Item), {"name": "part", "parent_id": whole})
    listed = Listing(
        Query(Row, select(Item.id, Item.name, Item.count)),
        ParentParams,
        orders={"id": BY_ID},
        filters={"has_parent": has_value(Item.parent_id, bindparam("has_parent"))},
    )
    for has_parent, expected in {None: "abcdefpart", True: "part", False: "abcdef"}.items():
        params = ParentParams(has_parent=has_parent)
        assert "".join(row.name for row in (await listed.page(items, params)).items) == expected
        assert await listed.total(items, params) == (1 if has_parent else 6 + (has_parent is None))


async def test_total_counts_all_pages_of_what_is_asked_for(items: Database) -> None:
    assert await LIST.total(items, Params()) == 6
    assert await LIST.total(items, Params(limit=1, sort="-id")) == 6
    assert await LIST.total(items, Params(count=1)) == 3
    assert await LIST.total(items, Params(count=1, above="b")) == 2
    assert await LIST.total(items, Params(count=7)) == 0


async def test_total_is_capped(items: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "TOTAL_CAP", 4)
    capped = Listing(ITEMS, Params, orders=ORDERS, filters=FILTERS)
    assert await capped.total(items, Params()) == 4
    assert await capped.total(items, Params(count=1)) == 3


async def test_statement_of_a_filter_is_built_once(items: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    query = Query(Row, select(Item.id, Item.name, Item.count))
    counted = Listing(query, Params, orders=ORDERS, filters=FILTERS)
    original = Query.__init__

    def count(self: Query[Any], *arguments: Any) -> None:
        built.append(arguments)
        original(self, *arguments)

    monkeypatch.setattr(Query, "__init__", count)
    sets: list[dict[str, Any]] = [{}, {"count": 1}, {"count": 1, "above": "a"}]
    for _ in range(3):
        for asked in sets:
            await counted.page(items, Params(**asked))
    assert len(built) == 2


async def test_page_is_one_statement_and_its_total_another(items: Database) -> None:
    with statements_seen(about="item") as seen:
        await LIST.page(items, Params(count=1))
        assert len(seen) == 1
        await LIST.total(items, Params(count=1))
    assert len(seen) == 2


class Plain(BaseModel):
    """Parameters whose `sort` is an enum without values that are strings."""

    limit: int = 50
    cursor: str | None = None
    sort: Enum = Enum("sort", {"ID": "id"}).ID  # type: ignore[attr-defined]  # made on the spot


class Untyped(BaseModel):
    """Parameters whose `sort` can be anything."""

    limit: int = 50
    cursor: str | None = None
    sort: str = "id"


@pytest.mark.parametrize(
    ("params", "orders", "filters", "message"),
    [
        (Params, {"id": BY_ID}, FILTERS, r"Params\.sort has what the listing has no order for: -id\."),
        (Params, {**ORDERS, "name": BY_ID}, FILTERS, r"has the order name, which Params\.sort does not know"),
        (Untyped, ORDERS, {}, r"Untyped\.sort is no `Literal"),
        (Plain, ORDERS, {}, r"Plain\.sort is no `Literal"),
        (UnsortedParams, ORDERS, {}, "no field `sort`, and the listing more than one order"),
        (UnsortedParams, {}, {}, "at least one order"),
        (Params, ORDERS, {}, "Params has what the listing has no filter for: above, count"),
        (UnsortedParams, {"id": BY_ID}, FILTERS, "has the filter above, count, which UnsortedParams does not know"),
        (Params, ORDERS, FILTERS | {"count": Item.count == 1}, r"filter count has the parameters \(none\)"),
        (
            Params,
            ORDERS,
            FILTERS | {"count": Item.count == bindparam("cuont")},
            "filter count has the parameters cuont",
        ),
        (Params, ORDERS | {"id": BY_TIME}, FILTERS, "The rows have no created_at"),
        (Params, ORDERS | {"id": BY_PARENT}, FILTERS, "The rows have no parent_id"),
    ],
)
def test_listing_that_does_not_fit_its_parameters_is_refused(
    params: Any, orders: Any, filters: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        Listing(ITEMS, params, orders=orders, filters=filters)
