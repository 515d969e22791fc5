"""Queries give rows of their own type, and one that does not fit its rows is refused when it is built."""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, NewType, Protocol, TypeVar, cast
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy import (
    JSON,
    Enum,
    ForeignKey,
    Integer,
    Numeric,
    String,
    Table,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy import Text as TextType
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncResult
from sqlalchemy.orm import Bundle, DeclarativeBase, Mapped, aliased, mapped_column, relationship
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.types import TypeDecorator

from app.kit.database.failures import NotFoundError
from app.kit.database.models import NOW, PrimaryKey, Versioned
from app.kit.database.pagination import Keyset
from app.kit.database.query import Command, Query, change_row, get_entity
from app.kit.database.sessions import Database, ReadingSession
from kit_tests.support.items import Item, ItemBase, insert_item, names
from kit_tests.support.statements import statements_seen

AnyStatement = TypedReturnsRows[*tuple[Any, ...]]


class Colour(StrEnum):
    """A choice, which the database keeps by its name."""

    RED = "red"
    BLUE = "blue"


class Reversed(TypeDecorator[str]):
    """Text that is stored backwards; what Python type its values have, it does not say."""

    impl = TextType
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return value and value[::-1]

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        return value and value[::-1]


class Sample(ItemBase):
    """A row with columns of many kinds."""

    __tablename__ = "sample"

    id: Mapped[PrimaryKey]
    # The attribute has another name than the column.
    title: Mapped[str] = mapped_column("sample_title")
    number: Mapped[int | None]
    weight: Mapped[float]
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    colour: Mapped[Colour] = mapped_column(Enum(Colour, native_enum=False))
    size: Mapped[Literal["small", "large"]] = mapped_column(Enum("small", "large", name="size", native_enum=False))
    details: Mapped[Any] = mapped_column(JSON)
    secret: Mapped[str] = mapped_column(Reversed)
    due: Mapped[date]
    content: Mapped[bytes]
    reference: Mapped[UUID]
    made_at: Mapped[datetime] = mapped_column(server_default=NOW)


SampleId = NewType("SampleId", int)
Title = NewType("Title", str)


class SampleRow(NamedTuple):
    """Every column of a sample: more than the type checker compares."""

    id: SampleId
    title: Title
    number: int | None
    weight: float
    price: Decimal
    colour: Colour
    size: Literal["small", "large"]
    details: Mapping[str, list[int]]
    secret: str
    due: date
    content: bytes
    reference: UUID
    made_at: datetime


SAMPLE = {
    "title": "first",
    "number": None,
    "weight": 0.5,
    "price": Decimal("12.30"),
    "colour": Colour.BLUE,
    "size": "large",
    "details": {"a": [1, 2]},
    "secret": "abc",
    "due": date(2026, 7, 1),
    "content": b"\x00\xff",
    "reference": UUID(int=7),
}

COLUMNS = tuple(getattr(Sample, name) for name in SampleRow._fields)


class Named(NamedTuple):
    """The columns that most tests read."""

    id: int
    name: str


class Counted(NamedTuple):
    """A name, and how often it is there."""

    name: str
    n: int


class WithParent(NamedTuple):
    """A column that may be NULL."""

    id: int
    parent_id: int | None


class Child(NamedTuple):
    """A column that may be NULL, where it is not."""

    id: int
    parent_id: int


NAMED = select(Item.id, Item.name)

BY_ID = Query(Named, NAMED.where(Item.id == bindparam("id")))

IN_ORDER = Query(Named, NAMED.order_by(Item.id))

INSERT = Command(Named, insert(Item).returning(Item.id, Item.name))


async def insert_items(database: Database, *names: str) -> None:
    for name in names:
        await insert_item(database, name)


# --- What queries give ------------------------------------------------------------------------------------------------


async def test_rows_have_their_type_in_a_database_and_in_every_session(database: Database) -> None:
    await insert_items(database, "a", "b")
    expected = [Named(1, "a"), Named(2, "b")]
    assert await IN_ORDER.all(database) == expected
    async with database.read() as reading:
        assert await IN_ORDER.all(reading) == expected
    async with database.snapshot() as snapshot:
        assert await IN_ORDER.all(snapshot) == expected
    async with database.transaction() as session:
        session.add(Item(name="c"))
        await session.flush()
        rows = await IN_ORDER.all(session)
    assert [*expected, Named(3, "c")] == rows
    assert {type(row) for row in rows} == {Named}


async def test_first_row_is_the_first_or_none(database: Database) -> None:
    assert await IN_ORDER.first(database) is None
    await insert_items(database, "a", "b")
    assert await IN_ORDER.first(database) == Named(1, "a")


async def test_row_that_is_not_there_is_not_found(database: Database) -> None:
    await insert_item(database, "a")
    assert await BY_ID.get(database, id=1) == Named(1, "a")
    with pytest.raises(NotFoundError, match=r"^There is no item 404\.$"):
        await BY_ID.get(database, id=404)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (Query(Named, NAMED.where(Item.name == bindparam("wanted"))), "There is no such item."),
        (
            Query(Named, select((each := aliased(Item)).id, each.name).where(each.name == bindparam("wanted"))),
            "There is no such item.",
        ),
        (
            Query(Named, select((sub := NAMED.subquery()).c.id, sub.c.name).where(sub.c.name == bindparam("wanted"))),
            "There is no such item.",
        ),
        (
            Query.of_values(select(literal("x", String)).where(literal("y", String) == bindparam("wanted"))),
            "There is no such row.",
        ),
        (
            Query.of_values(
                select(Sample.title).join(Item, Item.id == Sample.id).where(Item.name == bindparam("wanted"))
            ),
            "There is no such sample.",
        ),
    ],
    ids=["column", "alias", "subquery", "nothing", "join"],
)
async def test_message_says_what_is_not_there(shared_database: Database, query: Query[Any], message: str) -> None:
    with pytest.raises(NotFoundError) as missing:
        await query.get(shared_database, wanted="nobody")
    assert str(missing.value) == message


async def test_values_of_one_column_are_plain_values(database: Database) -> None:
    await insert_items(database, "a", "b")
    query = Query.of_values(select(Item.name).where(Item.id >= bindparam("least")).order_by(Item.id))
    values: list[str] = await query.all(database, least=1)
    assert values == ["a", "b"]
    assert await query.first(database, least=2) == "b"
    assert await query.get(database, least=2) == "b"
    with pytest.raises(NotFoundError):
        await query.get(database, least=3)


async def test_batches_hold_all_rows_in_order(database: Database) -> None:
    await insert_items(database, *"abcde")
    query = Query(Named, NAMED.where(Item.name != bindparam("but")).order_by(Item.id))
    async with database.snapshot() as snapshot:
        batches = [batch async for batch in query.batches(snapshot, 2, but="c")]
    assert batches == [[Named(1, "a"), Named(2, "b")], [Named(4, "d"), Named(5, "e")]]
    async with database.transaction() as session:
        assert [len(batch) async for batch in IN_ORDER.batches(session, 3)] == [3, 2]
        assert [batch async for batch in IN_ORDER.batches(session, 100)] == [await IN_ORDER.all(session)]


async def test_batches_of_nothing_are_none_and_may_be_left_early(database: Database) -> None:
    async with database.snapshot() as snapshot:
        assert [batch async for batch in IN_ORDER.batches(snapshot, 2)] == []
    await insert_items(database, *"abcde")
    async with database.snapshot() as snapshot:
        async with aclosing(IN_ORDER.batches(snapshot, 2)) as batches:
            assert await anext(batches) == [Named(1, "a"), Named(2, "b")]
        # The session can be used for something else.
        assert len(await IN_ORDER.all(snapshot)) == 5
    assert database.pool_status().checked_out == 0


async def test_batches_that_are_left_early_close_their_cursor(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_items(database, *"abcde")
    results = []
    async with database.snapshot() as snapshot:
        stream = AsyncConnection.stream

        async def noted(*arguments: Any) -> AsyncResult[*tuple[Any, ...]]:
            results.append(await stream(*arguments))
            return results[-1]

        monkeypatch.setattr(AsyncConnection, "stream", noted)
        async with aclosing(IN_ORDER.batches(snapshot, 2)) as batches:
            await anext(batches)
            assert [result.closed for result in results] == [False]
        assert [result.closed for result in results] == [True]


async def test_command_gives_what_was_written(database: Database) -> None:
    assert await INSERT.one(database, name="by itself") == Named(1, "by itself")
    async with database.transaction() as session:
        assert await INSERT.one(session, name="in a session") == Named(2, "in a session")
    rename = Command(
        Named,
        update(Item).where(Item.id >= bindparam("least")).values(name=Item.name + "!").returning(Item.id, Item.name),
    )
    assert sorted(await rename.all(database, least=1)) == [Named(1, "by itself!"), Named(2, "in a session!")]
    assert await rename.all(database, least=100) == []
    remove = Command(Named, delete(Item).where(Item.id == bindparam("gone")).returning(Item.id, Item.name))
    assert await remove.one(database, gone=1) == Named(1, "by itself!")
    assert await names(database) == {"in a session!"}


async def test_command_of_one_row_refuses_another_number(database: Database) -> None:
    await insert_items(database, "a", "b")
    everything = Command(Named, update(Item).values(count=1).returning(Item.id, Item.name))
    nothing = Command(Named, delete(Item).where(Item.id == 404).returning(Item.id, Item.name))
    for command in (everything, nothing):
        with pytest.raises(ValueError, match="values to unpack"):
            await command.one(database)


async def test_wide_row_with_every_type_round_trips(database: Database) -> None:
    command = Command(SampleRow, insert(Sample).returning(*COLUMNS))
    query = Query(SampleRow, select(*COLUMNS).order_by(Sample.id))
    written = await command.one(database, **SAMPLE)
    assert await query.all(database) == [written]
    async with database.transaction() as session:
        again = await command.one(session, **SAMPLE)
        assert await query.all(session) == [written, again]
    assert again[1:-1] == written[1:-1]
    assert {name: getattr(written, name) for name in SAMPLE} == SAMPLE
    assert [type(value) for value in written[:8]] == [int, str, type(None), float, Decimal, Colour, str, dict]


SOME = Query(
    Named,
    NAMED.where(Item.id.in_(bindparam("ids", expanding=True)), Item.name != bindparam("but", "none")).order_by(Item.id),
)

PAGES = Keyset(Item.id, types=tuple[int])

RENAME = Command(Named, update(Item).where(Item.id == bindparam("item")).values(count=7).returning(Item.id, Item.name))


async def in_batches(session: ReadingSession, **parameters: Any) -> list[list[Named]]:
    return [batch async for batch in BY_ID.batches(session, 2, **parameters)]


async def in_pages(session: ReadingSession, **parameters: Any) -> list[Named]:
    return (await PAGES.page(session, BY_ID, cursor=None, limit=2, **parameters)).items


CALLS: dict[str, Callable[..., Any]] = {
    "all": BY_ID.all,
    "first": BY_ID.first,
    "get": BY_ID.get,
    "batches": in_batches,
    "page": in_pages,
}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"di": 1}, "unexpected parameter 'di'; the statement takes: id"),
        ({"id": 1, "name": "a"}, "unexpected parameter 'name'; the statement takes: id"),
        ({}, "missing parameter 'id'"),
    ],
)
@pytest.mark.parametrize("call", CALLS)
async def test_parameters_of_a_query_are_checked_at_the_call(
    shared_database: Database, call: str, given: dict[str, Any], message: str
) -> None:
    async with shared_database.read() as session:
        with statements_seen(about="SELECT") as statements, pytest.raises(TypeError) as refused:
            await CALLS[call](session, **given)
    assert (str(refused.value), statements) == (message, [])


async def test_parameter_with_a_value_of_its_own_may_be_left_out(database: Database) -> None:
    await insert_items(database, "a", "b", "c")
    assert [row.name for row in await SOME.all(database, ids=[1, 2])] == ["a", "b"]
    assert [row.name for row in await SOME.all(database, ids=(1, 2), but="a")] == ["b"]
    assert await SOME.all(database, ids=[]) == []
    with pytest.raises(TypeError, match=r"^missing parameter 'ids'$"):
        await SOME.all(database, but="a")
    with pytest.raises(TypeError, match=r"^unexpected parameter 'id'; the statement takes: but, ids$"):
        await SOME.all(database, ids=[], id=1)
    with pytest.raises(TypeError, match=r"^unexpected parameter 'id'; the statement takes: none$"):
        await IN_ORDER.all(database, id=1)


async def test_parameters_of_a_command_are_columns_too(database: Database) -> None:
    assert await INSERT.one(database, name="a", parent_id=None) == Named(1, "a")
    assert await RENAME.one(database, item=1, name="b") == Named(1, "b")
    columns = "count, created_at, id, name, parent_id, updated_at, version"
    with pytest.raises(TypeError, match=rf"^unexpected parameter 'nmae'; the statement takes: {columns}$"):
        await INSERT.one(database, nmae="c")
    with pytest.raises(TypeError, match=r"^unexpected parameter 'nmae'; the statement takes: count, .*, item, name, "):
        await RENAME.one(database, item=1, nmae="c")
    with pytest.raises(TypeError, match=r"^missing parameter 'item'$"):
        await RENAME.one(database, name="c")
    assert await names(database) == {"b"}


async def test_parameters_of_an_insert_are_named_as_the_attributes(database: Database) -> None:
    command = Command(SampleRow, insert(Sample).returning(*COLUMNS))
    with pytest.raises(
        TypeError, match=r"^unexpected parameter 'sample_title'; the statement takes: colour, .* title,"
    ):
        await command.one(database, **SAMPLE, sample_title="the column")
    table = cast("Table", Sample.__table__)
    plain = Command(Number, insert(table).returning(table.c.id.label("n")))
    with pytest.raises(TypeError, match=r"^unexpected parameter 'title'; the statement takes: .*, sample_title,"):
        await plain.one(database, title="the attribute")


@pytest.mark.parametrize(
    ("statement", "limited"),
    [
        (NAMED.order_by(Item.id), True),
        (NAMED.order_by(Item.id).limit(2), True),
        (NAMED.order_by(Item.id).limit(bindparam("most", 2)), True),
        (union_all(NAMED, NAMED).order_by("id"), True),
        (text("SELECT id, name FROM item ORDER BY id").columns(Item.id, Item.name), False),
    ],
)
async def test_first_row_is_the_only_one_that_is_fetched(
    database: Database, statement: AnyStatement, *, limited: bool
) -> None:
    await insert_items(database, "a", "b", "c")
    query: Query[Named] = Query(Named, statement)
    with statements_seen(about="item") as statements:
        assert await query.first(database) == Named(1, "a")
        assert await query.get(database) == Named(1, "a")
    assert ["LIMIT 1" in each for each in statements] == [limited] * 2
    with statements_seen(about="LIMIT 1") as statements:
        assert len(await query.all(database)) > 1
    assert not statements


async def test_attribute_named_unlike_its_column_can_be_changed(database: Database) -> None:
    class BookRow(NamedTuple):
        id: int
        title: str
        version: int

    class Book(Versioned, ItemBase):
        __tablename__ = "book"
        id: Mapped[PrimaryKey]
        title: Mapped[str] = mapped_column("book_title")

    async with database.engines.write.begin() as connection:
        await connection.run_sync(Book.metadata.tables["book"].create)
    ItemBase.metadata.remove(Book.metadata.tables["book"])
    written = insert(Book).values(title="old").returning(Book.id, Book.title, Book.version)
    book = await Command(BookRow, written).one(database)
    assert await change_row(database, Book, book, {"title": "new"}) == BookRow(book.id, "new", 2)
    async with database.transaction() as session:
        assert (await change_row(session, Book, BookRow(book.id, "new", 2), {"title": "newer"})).title == "newer"


async def test_entity_is_found_by_its_key_or_not_found(database: Database) -> None:
    await insert_item(database, "there")
    async with database.read() as session:
        assert (await get_entity(session, Item, 1)).name == "there"
        with pytest.raises(NotFoundError, match=r"^There is no item 404\.$"):
            await get_entity(session, Item, 404)


# --- What fits --------------------------------------------------------------------------------------------------------


@dataclass
class Point:
    """A row with a field that no column needs to fill, and one that is no parameter."""

    id: int
    name: str
    note: str = ""
    seen: bool = field(default=False, init=False)


T = TypeVar("T")


@dataclass(frozen=True)
class Pair(Generic[T]):
    """A row whose type has a parameter."""

    id: T
    name: str


class Sized(Protocol):
    """A protocol that cannot be asked for at run time."""

    length: int


@dataclass
class Vague:
    """Fields whose types say little."""

    id: Any
    name: object
    parent_id: Sized | None


class Converter:
    """A class of its own, which keeps something else than it is given."""

    id: str
    name: str

    def __init__(self, id: int, name: str) -> None:  # noqa: A002 - the name of a column
        self.id, self.name = str(id), name


def joined(id: int, name: str) -> str:  # noqa: A002 - the name of a column
    return f"{id} {name}"


def unresolved(id: "NotImported", name: str) -> str:  # type: ignore[name-defined]  # noqa: A002, F821 - for the type checker
    return f"{id} {name}"


def with_prefix(prefix: str, id: int, name: str) -> str:  # noqa: A002 - the name of a column
    return f"{prefix} {id} {name}"


def anything(*values: object) -> tuple[object, ...]:
    return values


def with_options(id: int, name: str, *, loud: bool = False) -> str:  # noqa: A002 - the name of a column
    return f"{id} {name}" + "!" * loud


@pytest.mark.parametrize(
    ("row", "made"),
    [
        (Named, Named(1, "a")),
        (Point, Point(1, "a")),
        (Pair, Pair(1, "a")),
        (Pair[int], Pair(1, "a")),
        (joined, "1 a"),
        (unresolved, "1 a"),
        (partial(with_prefix, "no."), "no. 1 a"),
        (anything, (1, "a")),
        (with_options, "1 a"),
        (lambda id, name: (name, id), ("a", 1)),  # noqa: A006 - the name of a column
    ],
)
async def test_row_is_whatever_takes_the_columns_in_order(database: Database, row: Any, made: object) -> None:
    await insert_item(database, "a")
    assert await Query(row, NAMED).all(database) == [made]


async def test_class_may_keep_something_else_than_it_is_given(database: Database) -> None:
    await insert_item(database, "a")
    (row,) = await Query(Converter, NAMED).all(database)
    assert (row.id, row.name) == ("1", "a")


class Number(NamedTuple):
    """One number, or none."""

    n: int | None


class Exact(NamedTuple):
    """One number that the server has computed."""

    n: Decimal


class Titled(NamedTuple):
    """A field that has the name of an attribute, and not of its column."""

    title: Title


class Flag(NamedTuple):
    """A truth."""

    n: bool


class Word(NamedTuple):
    """A text."""

    n: str


class Counts(NamedTuple):
    """A field that is called as a function."""

    count: int  # type: ignore[assignment]  # it hides the method of tuples


SUB = select(Item.id, Item.parent_id, func.coalesce(Item.parent_id, 0).label("n")).subquery()
TABLE = cast("Table", Item.__table__)
CTE = select(Item.id, Item.name).where(Item.count > 0).cte()
OTHER = aliased(Item)
PARENT = aliased(Item)
WRITING_CTE = insert(Item).values(name="new").returning(Item.id, Item.name).cte()

FITTING: dict[str, tuple[Any, Any]] = {
    "count": (Counts, select(func.count()).select_from(Item)),
    "count, labelled": (Number, select(func.count(Item.id).label("n"))),
    "coalesce": (Number, select(func.coalesce(Item.parent_id, 0).label("n"))),
    "expression": (Number, select((Item.count + 1).label("n"))),
    "literal": (Word, select(literal("x", String).label("n"))),
    "literal column": (Word, select(literal_column("'x'").label("n"))),
    "literal column without a label": (Number, select(literal_column("1", Integer).label("n"))),
    "comparison": (Flag, select((Item.count > 1).label("n"))),
    "exists": (Flag, select(exists().where(Item.count > 1).label("n"))),
    "case": (Number, select(case((Item.count > 1, 1), else_=0).label("n"))),
    "window": (Number, select(func.row_number().over(order_by=Item.id).label("n"))),
    "scalar subquery": (Number, select(select(func.max(Item.id)).scalar_subquery().label("n"))),
    "sum as the server has it": (Exact, select(func.coalesce(func.sum(Item.count), 0).label("n"))),
    "sum": (Number, select(func.sum(Item.count).label("n"))),
    "JSON path": (Word, select(Sample.details["a"].as_string().label("n"))),
    "distinct": (Number, select(Item.count.label("n")).distinct()),
    "alias": (Named, select(OTHER.id, OTHER.name)),
    "table of Core": (Named, select(Item.__table__.c.id, Item.__table__.c.name)),
    "subquery": (Number, select(SUB.c.n)),
    "nullable in a subquery": (WithParent, select(SUB.c.id, SUB.c.parent_id)),
    "whole subquery": (Named, select(NAMED.subquery())),
    "CTE": (Named, select(CTE.c.id, CTE.c.name)),
    "CTE that writes": (Named, select(WRITING_CTE.c.id, WRITING_CTE.c.name)),
    "union": (Named, union_all(NAMED, select(OTHER.id, OTHER.name))),
    "union, nullable": (WithParent, union_all(select(Item.id, Item.parent_id), select(Item.id, literal(None)))),
    "outer join": (
        Counted,
        select(Item.name, func.count(OTHER.id).label("n"))
        .outerjoin(OTHER, OTHER.parent_id == Item.id)
        .group_by(Item.name),
    ),
    "text of the ORM": (Named, NAMED.from_statement(text("SELECT id, name FROM item"))),
    "text with columns": (Named, text("SELECT id, name FROM item").columns(Item.id, Item.name)),
    "not null, by condition": (Child, select(Item.id, Item.parent_id).where(Item.parent_id.is_not(None))),
    "not null, by inner join": (Child, select(Item.id, Item.parent_id).join(PARENT, PARENT.id == Item.parent_id)),
    "not null, by relation": (Child, select(PARENT.id, OTHER.parent_id).join(PARENT.parts.of_type(OTHER))),
    "not null, within a subquery": (
        Child,
        select(
            (filled := select(Item.id, Item.parent_id).where(Item.parent_id.is_not(None)).subquery()).c.id,
            filled.c.parent_id,
        ),
    ),
    "not null, as somebody knows": (Child, select(Item.id, type_coerce(Item.parent_id, Integer))),
    "any type, object, protocol": (Vague, select(Item.id, Item.name, Item.parent_id)),
    "update": (Named, update(Item).values(count=1).returning(Item.id, Item.name)),
    "delete": (Named, delete(Item).returning(Item.id, Item.name)),
    "expression in RETURNING": (Word, insert(Item).returning((Item.name + "!").label("n"))),
    "function in RETURNING": (Word, insert(Item).returning(func.lower(Item.name).label("n"))),
    "RETURNING of Core": (
        Named,
        insert(cast("Table", Item.__table__)).returning(Item.__table__.c.id, Item.__table__.c.name),
    ),
    "RETURNING under another name": (Titled, insert(Sample).returning(Sample.title)),
}


@pytest.mark.parametrize("case", FITTING)
def test_statement_that_fits_is_not_complained_about(case: str) -> None:
    row, statement = FITTING[case]
    (Command if statement.is_dml else Query)(row, statement)


async def test_computed_columns_have_the_types_that_are_said(database: Database) -> None:
    await insert_items(database, "a", "b")
    assert await Query(Counts, FITTING["count"][1]).all(database) == [Counts(2)]
    assert await Query(Counted, FITTING["outer join"][1].order_by(Item.name)).all(database) == [
        Counted("a", 0),
        Counted("b", 0),
    ]
    rows = await Query(Named, FITTING["union"][1]).all(database)
    assert sorted(rows) == [Named(1, "a"), Named(1, "a"), Named(2, "b"), Named(2, "b")]


def test_models_that_others_refer_to_may_be_imported_later() -> None:
    class Base(DeclarativeBase):
        pass

    class Early(Base):
        __tablename__ = "early"
        id: Mapped[int] = mapped_column(primary_key=True)
        late_id: Mapped[int | None] = mapped_column(ForeignKey("late.id"))
        late: Mapped["Late"] = relationship()  # type: ignore[name-defined]  # noqa: F821 - not yet

    class Row(NamedTuple):
        id: int

    class Joined(NamedTuple):
        id: int
        late_id: int

    Query(Row, select(Early.id))
    Command(Row, insert(Early).returning(Early.id))
    Query.of_values(select(Early.id).join(Early.late))
    Query(Joined, select(Early.id, Early.late_id).join(Early.late))  # type: ignore[arg-type]


# --- What does not fit ------------------------------------------------------------------------------------------------


class Swapped(NamedTuple):
    """The columns in another order."""

    name: str
    id: int


class Misspelt(NamedTuple):
    """A field that no column is called by."""

    id: int
    nmae: str


class Short(NamedTuple):
    """A column too few."""

    id: int


class WrongType(NamedTuple):
    """A field of another type than the column."""

    id: int
    name: int


class WrongId(NamedTuple):
    """A field whose type is another than that of the column by way of a NewType."""

    id: Title
    name: str


class HiddenNull(NamedTuple):
    """A field that could be NULL and does not say so."""

    number: int


class WrongEnum(NamedTuple):
    """A choice for a text."""

    title: Colour


class WrongLiteral(NamedTuple):
    """A choice for a number."""

    id: Literal["small", "large"]


class WrongNumber(NamedTuple):
    """An exact number for one that is not."""

    weight: Decimal


class WrongTime(NamedTuple):
    """A time for a day."""

    due: datetime


class WrongReference(NamedTuple):
    """A text for a UUID."""

    reference: str


class Modelled(BaseModel):
    """A model of pydantic's, which takes its fields by name."""

    id: int
    name: str


def only_number(id: int, name: int) -> int:  # noqa: A002 - the name of a column
    return id + name


UNFITTING: dict[str, tuple[Callable[[], object], str]] = {
    "another order": (
        lambda: Query(Swapped, NAMED),  # type: ignore[arg-type]
        r"^Swapped has the fields name, id, and its statement the columns id, name: give both the same names",
    ),
    "misspelt": (lambda: Query(Misspelt, NAMED), "the fields id, nmae, and its statement the columns id, name"),
    "too few fields": (lambda: Query(Short, NAMED), "the fields id, and its"),  # type: ignore[arg-type]
    "too many fields": (lambda: Query(Named, select(Item.id)), "the columns id:"),  # type: ignore[arg-type]
    "no name": (lambda: Query(Short, select(Item.id + 1)), r"the columns \(unnamed\): .*`\.label\(\.\.\.\)` names"),
    "text": (lambda: Query(Short, select(text("1"))), r"the columns \(unnamed\)"),
    "wrong type": (lambda: Query(WrongType, NAMED), r"^WrongType\.name is int, and its column holds str\.$"),  # type: ignore[arg-type]
    "wrong NewType": (lambda: Query(WrongId, NAMED), r"^WrongId\.id is .*Title, and its column holds int\.$"),  # type: ignore[arg-type]
    "function": (lambda: Query(only_number, NAMED), r"^only_number\.name is int, and its column holds str\.$"),  # type: ignore[arg-type]
    "NULL": (
        lambda: Query(HiddenNull, select(Sample.number)),  # type: ignore[arg-type]
        r"^HiddenNull\.number is int, and its column can be NULL: add `\| None`, or exclude NULL in the statement\.$",
    ),
    "NULL alone": (
        lambda: Query(HiddenNull, select(Sample.number).where(Sample.number.is_(None))),  # type: ignore[arg-type]
        "can be NULL",
    ),
    "NULL of an alias": (
        lambda: Query(HiddenNull, select((a := aliased(Sample)).number).where(a.id > 0)),  # type: ignore[arg-type]
        "can be NULL",
    ),
    "NULL in a union": (
        lambda: Query(HiddenNull, union_all(select(Sample.number), select(Sample.number))),  # type: ignore[arg-type]
        "can be NULL",
    ),
    "NULL in RETURNING": (lambda: Command(HiddenNull, insert(Sample).returning(Sample.number)), "can be NULL"),  # type: ignore[arg-type]
    "choice for a text": (lambda: Query(WrongEnum, select(Sample.title)), "is Colour, and its column holds str"),  # type: ignore[arg-type]
    "choice for a number": (lambda: Query(WrongLiteral, select(Sample.id)), "its column holds int"),  # type: ignore[arg-type]
    "exact for inexact": (lambda: Query(WrongNumber, select(Sample.weight)), "is Decimal, and its column holds float"),  # type: ignore[arg-type]
    "time for a day": (lambda: Query(WrongTime, select(Sample.due)), "is datetime, and its column holds date"),  # type: ignore[arg-type]
    "text for a UUID": (lambda: Query(WrongReference, select(Sample.reference)), "holds UUID"),  # type: ignore[arg-type]
    "number for a text": (
        lambda: Query(Number, select(func.coalesce(Item.name, "").label("n"))),  # type: ignore[arg-type]
        "holds str",
    ),
    "wide row": (
        lambda: Query(SampleRow, select(*COLUMNS[:11], COLUMNS[12], COLUMNS[11])),
        "reference, made_at, and its statement the columns .*made_at, reference:",
    ),
    "entity": (lambda: Query(Named, select(Item)), r"^Item is an entity: name its columns, or load it in a session\.$"),  # type: ignore[arg-type]
    "entity beside columns": (lambda: Query(Named, select(Item.id, Item)), "^Item is an entity"),  # type: ignore[arg-type]
    "aliased entity": (lambda: Query(Named, select(aliased(Item))), "^Item is an entity"),  # type: ignore[arg-type]
    "entity in RETURNING": (lambda: Command(Named, insert(Item).returning(Item)), "^Item is an entity"),  # type: ignore[arg-type]
    "entity as a value": (lambda: Query.of_values(select(Item)), "^Item is an entity"),
    "bundle": (lambda: Query(Named, select(Bundle("b", Item.id, Item.name))), "is no column: name the columns"),  # type: ignore[arg-type]
    "no RETURNING": (
        lambda: Command(Named, insert(Item)),  # type: ignore[arg-type]
        r"^Named has no columns to be made of: the statement needs `\.returning\(\.\.\.\)`\.$",
    ),
    "two values": (
        lambda: Query.of_values(NAMED),  # type: ignore[arg-type]
        r"^The statement has the columns id, name: select one, or name the type of its rows\.$",
    ),
    "model of pydantic's": (
        lambda: Query(Modelled, NAMED),  # type: ignore[arg-type]
        "^Modelled takes id by name only: rows are named tuples, dataclasses, or functions.$",
    ),
    "query that writes": (
        lambda: Query(Named, insert(Item).returning(Item.id, Item.name)),
        "^The statement writes: make it a Command, which runs where writing is allowed.$",
    ),
    "value that is written": (lambda: Query.of_values(insert(Item).returning(Item.id)), "^The statement writes"),
}


@pytest.mark.parametrize("case", UNFITTING)
def test_statement_that_does_not_fit_is_refused_in_one_sentence(case: str) -> None:
    build, message = UNFITTING[case]
    with pytest.raises(TypeError, match=message) as refused:
        build()
    assert "\n" not in str(refused.value)
