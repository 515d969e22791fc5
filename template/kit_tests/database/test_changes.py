"""Changes of a row that a query finds: what is found, what is changed, and what is said where nothing is."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

import pytest
from sqlalchemy import JSON, ForeignKey, bindparam, func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from app.kit.database.change import Change, Changed
from app.kit.database.errors import classify
from app.kit.database.failures import Failure, NotFoundError, VersionMismatchError
from app.kit.database.models import TYPES, PrimaryKey, Timestamped, Versioned
from app.kit.database.query import Command, Query, WritingExecutor
from app.kit.database.sessions import Database
from kit_tests.support.items import Item
from kit_tests.support.statements import statements_seen


class ShelfBase(DeclarativeBase):
    """A base of its own."""

    type_annotation_map = TYPES


class Shelf(ShelfBase):
    """Where books stand."""

    __tablename__ = "shelf"

    id: Mapped[PrimaryKey]
    room: Mapped[str]


class Book(Versioned, Timestamped, ShelfBase):
    """A row of which attributes and columns are called in every way that could be mixed up."""

    __tablename__ = "read"

    id: Mapped[PrimaryKey] = mapped_column("book_id")
    title: Mapped[str] = mapped_column("book_title")
    name: Mapped[str | None] = mapped_column("title")
    new_name: Mapped[str | None]
    secret: Mapped[str] = mapped_column(default="")
    notes: Mapped[Any] = mapped_column(JSON, nullable=True)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))
    hidden: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column("row_version", default=1)


class BookRow(NamedTuple):
    """What is read of a book."""

    id: int
    title: str
    name: str | None
    new_name: str | None
    notes: Any
    version: int
    updated_at: datetime


COLUMNS = (Book.id, Book.title, Book.name, Book.new_name, Book.notes, Book.version, Book.updated_at)
FIND = Query(BookRow, select(*COLUMNS).where(Book.id == bindparam("id"), Book.hidden.is_(False)))
ADD = Command(BookRow, insert(Book).returning(*COLUMNS))
CHANGE = Change(Book, FIND)


@pytest.fixture
async def books(shared_database: Database) -> AsyncIterator[Database]:
    """Return a database with the tables, of which nothing stays."""
    async with shared_database.rolled_back():
        async with shared_database.transaction() as session:
            await (await session.connection()).run_sync(ShelfBase.metadata.create_all)
        yield shared_database


@pytest.fixture(params=["database", "session"])
async def executor(books: Database, request: pytest.FixtureRequest) -> AsyncIterator[WritingExecutor]:
    """Return what runs statements, in each of the two ways."""
    if request.param == "database":
        yield books
    else:
        async with books.transaction() as session:
            yield session


async def add(executor: WritingExecutor, **values: Any) -> BookRow:
    """Store a book and another one, which is to stay as it is."""
    await ADD.one(executor, title="other")
    return await ADD.one(executor, **{"title": "old", **values})


async def stored(executor: WritingExecutor, book: BookRow) -> BookRow:
    return await FIND.get(executor, id=book.id)


async def test_found_row_is_changed_and_returned_as_it_is_now(executor: WritingExecutor) -> None:
    book = await add(executor, name="name")
    after, is_changed = await CHANGE.row(executor, {"title": "new", "name": None}, id=book.id)
    assert is_changed
    assert after == book._replace(title="new", name=None, version=2, updated_at=after.updated_at)
    assert after.updated_at >= book.updated_at
    assert await stored(executor, book) == after
    books = await executor.execute(select(Book.title, Book.version).order_by(Book.id))
    assert list(books) == [("other", 1), ("new", 2)]


@pytest.mark.parametrize(
    "values",
    [{}, {"title": "old"}, {"name": None}, {"new_name": "x", "title": "old"}, {"notes": {"a": [1, {"b": None}]}}],
    ids=str,
)
async def test_row_that_has_the_values_stays_as_it_is(executor: WritingExecutor, values: dict[str, Any]) -> None:
    book = await add(executor, new_name="x", notes={"a": [1, {"b": None}]})
    for versions in (None, [1], {7, 1}):
        assert await CHANGE.row(executor, values, versions=versions, id=book.id) == Changed(book, is_changed=False)
    assert await stored(executor, book) == book


@pytest.mark.parametrize(
    ("before", "after"),
    [
        *[({"name": None}, {"name": ""}), ({"name": ""}, {"name": None}), ({"name": "a"}, {"name": "A"})],
        *[({"name": "a"}, {"name": "a "}), ({"new_name": "é"}, {"new_name": "e\u0301"})],
        *[({"notes": 1}, {"notes": True}), ({"notes": [{"a": 0}]}, {"notes": [{"a": False}]})],
        *[({"notes": {"a": 1}}, {"notes": {"a": 1, "b": None}}), ({"notes": [1]}, {"notes": [1, 1]})],
        *[({"notes": {}}, {"notes": []}), ({"notes": None}, {"notes": {}}), ({"notes": 0}, {"notes": None})],
    ],
    ids=str,
)
async def test_the_smallest_change_is_made(
    executor: WritingExecutor, before: dict[str, Any], after: dict[str, Any]
) -> None:
    book = await add(executor, **before)
    changed, is_changed = await CHANGE.row(executor, after, id=book.id)
    assert (is_changed, changed.version) == (True, 2)
    ((name, value),) = after.items()
    for now in (changed, await stored(executor, book)):
        assert (getattr(now, name), type(getattr(now, name))) == (value, type(value))


async def test_value_that_the_query_does_not_select_is_set(executor: WritingExecutor) -> None:
    book = await add(executor)
    for version in (2, 3):
        # Whether it is the same, nobody learns.
        changed = await CHANGE.row(executor, {"secret": "s", "title": "old"}, id=book.id)
        assert (changed.is_changed, changed.row.version) == (True, version)
    assert list(await executor.execute(select(Book.secret).order_by(Book.id))) == [("",), ("s",)]


async def test_row_that_is_not_found_is_not_changed(executor: WritingExecutor) -> None:
    book = await add(executor)
    removed = await CHANGE.row(executor, {"hidden": True}, versions=[1], id=book.id)
    assert removed == Changed(book._replace(version=2, updated_at=removed.row.updated_at), is_changed=True)
    for values in ({"title": "new"}, {"hidden": False}, {"secret": "s"}, {}):
        for versions in (None, [2], []):
            with pytest.raises(NotFoundError, match=rf"^There is no read {book.id}\.$"):
                await CHANGE.row(executor, values, versions=versions, id=book.id)
    assert list(await executor.execute(select(Book.title, Book.version).order_by(Book.id))) == [
        ("other", 1),
        ("old", 2),
    ]


@pytest.mark.parametrize("values", [{"title": "new"}, {"title": "old"}, {"secret": "s"}, {"notes": 1}, {}], ids=str)
async def test_other_version_is_not_changed(executor: WritingExecutor, values: dict[str, Any]) -> None:
    book = await add(executor)
    for versions in ([], [2], {0, 2, 2**63 - 1}, [2**70]):
        with pytest.raises(VersionMismatchError) as refused:
            await CHANGE.row(executor, values, versions=versions, id=book.id)
        assert refused.value.version == 1
    assert await stored(executor, book) == book


async def test_one_of_several_versions_is_enough(executor: WritingExecutor) -> None:
    book = await add(executor)
    versions = frozenset(range(1, 1_000))
    assert (await CHANGE.row(executor, {"title": "new"}, versions=versions, id=book.id)).row.version == 2


async def test_change_in_a_session_is_undone_with_it(books: Database) -> None:
    book = await add(books)
    with pytest.raises(RuntimeError, match="after the change"):
        async with books.transaction() as session:
            assert (await CHANGE.row(session, {"title": "new"}, id=book.id)).is_changed
            raise RuntimeError("after the change")
    assert await stored(books, book) == book


async def test_entity_in_the_session_is_changed_with_its_row(books: Database) -> None:
    book = await add(books)
    async with books.transaction() as session:
        entity = await session.get_one(Book, book.id)
        entity.title = "pending"
        after = (await CHANGE.row(session, {"name": "name"}, id=book.id)).row
        assert (after.title, after.name, after.version) == ("pending", "name", 3)
        await session.refresh(entity, ["name"])
        entity.name = "later"
    assert (await stored(books, book)).version == 4


async def test_refused_change_leaves_everything_as_it_was(executor: WritingExecutor, books: Database) -> None:
    book = await add(executor)
    nested = nullcontext() if executor is books else executor.begin_nested()  # type: ignore[attr-defined]
    with pytest.raises(IntegrityError):
        async with nested:
            await CHANGE.row(executor, {"title": None}, id=book.id)
    assert await stored(executor, book) == book


async def test_no_row_is_said_before_what_could_not_be_stored(books: Database) -> None:
    book = await add(books)
    values = {"title": "ok", "shelf_id": 1.5}
    with pytest.raises(NotFoundError):
        await CHANGE.row(books, values, id=404)
    with pytest.raises(VersionMismatchError):
        await CHANGE.row(books, values, versions=[2], id=book.id)
    with pytest.raises(Exception) as refused:  # noqa: PT011 - of which the class is the driver's
        await CHANGE.row(books, values, id=book.id)
    assert classify(refused.value) is Failure.DATA


async def test_what_is_no_attribute_is_refused_by_its_name(executor: WritingExecutor) -> None:
    book = await add(executor)
    for name in ("book_title", "id#new", "nmae"):
        with pytest.raises(TypeError, match=f"^'{name}' of dict is no column of Book, which has "):
            await CHANGE.row(executor, {name: "new"}, id=book.id)


async def test_parameters_of_a_change_are_those_of_the_query(executor: WritingExecutor) -> None:
    with pytest.raises(TypeError, match=r"^missing parameter 'id'$"):
        await CHANGE.row(executor, {"title": "new"})
    with pytest.raises(TypeError, match=r"^unexpected parameter 'title'; the statement takes: id$"):
        await CHANGE.row(executor, {"title": "new"}, id=1, title="old")


class Named(NamedTuple):
    """What a query with parameters like columns finds."""

    id: int
    name: str | None
    version: int


async def test_parameters_may_be_called_like_what_is_changed(executor: WritingExecutor) -> None:
    query = Query(
        Named,
        select(Book.id, Book.name, Book.version).where(
            Book.title == bindparam("title"), Book.secret.in_(bindparam("secret", expanding=True))
        ),
    )
    change = Change(Book, query)
    book = await add(executor, name="a")
    secret = ["", "s"]
    after = await change.row(executor, {"title": "new", "name": "b"}, versions=[1], title="old", secret=secret)
    assert after == Changed(Named(book.id, "b", 2), is_changed=True)
    with pytest.raises(NotFoundError):
        await change.row(executor, {"title": "new", "name": "b"}, title="old", secret=secret)
    assert (await stored(executor, book)).title == "new"


class Placed(NamedTuple):
    """A book with what is computed, and what is of another table."""

    id: int
    label: str
    loud: str
    room: str | None
    version: int


PLACED = (
    select(Book.id, Book.title.label("label"), func.upper(Book.title).label("loud"), Shelf.room, Book.version)
    .outerjoin(Shelf, Shelf.id == Book.shelf_id)
    .where(Book.id == bindparam("id"), Book.hidden.is_(False))
)


async def test_what_follows_from_a_change_is_returned_with_it(executor: WritingExecutor) -> None:
    change = Change(Book, Query(Placed, PLACED))
    book = await add(executor)
    await executor.execute(insert(Shelf).values([{"room": "hall"}, {"room": "attic"}]))
    hall, attic = [key for (key,) in await executor.execute(select(Shelf.id).order_by(Shelf.id))]
    for values, expected in (
        ({"title": "old"}, (Placed(book.id, "old", "OLD", None, 1), False)),
        ({"shelf_id": hall}, (Placed(book.id, "old", "OLD", "hall", 2), True)),
        ({"title": "new", "shelf_id": attic}, (Placed(book.id, "new", "NEW", "attic", 3), True)),
        ({"hidden": True}, (Placed(book.id, "new", "NEW", "attic", 4), True)),
    ):
        assert await change.row(executor, values, id=book.id) == expected


async def test_query_of_any_form_finds_what_is_changed(executor: WritingExecutor) -> None:
    book = await add(executor)
    other = aliased(Book)
    within = select(Book.id, Book.name, Book.version).where(Book.id == bindparam("id")).subquery()
    queries: list[Any] = [
        select(other.id, other.name, other.version).where(other.id == bindparam("id")),
        select(within),
        text("SELECT book_id, title, row_version FROM read WHERE book_id = :id").columns(
            Book.id, Book.name, Book.version
        ),
        select(Book.id, Book.name, Book.version).where(Book.id == bindparam("id")).distinct().order_by(Book.name),
        select(Book.id, func.max(Book.name).label("name"), Book.version)
        .where(Book.id == bindparam("id"))
        .group_by(Book.id, Book.version),
    ]
    for version, query in enumerate(queries, 2):
        change = Change(Book, Query(Named, query))
        after = await change.row(executor, {"name": f"{version}"}, versions=[version - 1], id=book.id)
        assert after == Changed(Named(book.id, f"{version}", version), is_changed=True)


async def test_only_the_first_row_that_is_found_is_changed(executor: WritingExecutor) -> None:
    await add(executor)
    last = Query(Named, select(Book.id, Book.name, Book.version).order_by(Book.id.desc()))
    assert (await Change(Book, last).row(executor, {"name": "last"})).is_changed
    assert list(await executor.execute(select(Book.name).order_by(Book.id))) == [(None,), ("last",)]


class Edited(Versioned, ShelfBase):
    """A row with values that are computed anew for each change."""

    __tablename__ = "edited"

    id: Mapped[PrimaryKey]
    name: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="new", onupdate="edited")
    edits: Mapped[int] = mapped_column(default=0, onupdate=count(1).__next__)


async def test_values_that_python_computes_are_set_with_a_change(executor: WritingExecutor) -> None:
    change = Change(Edited, Query(Named, select(Edited.id, Edited.name, Edited.version)))
    await executor.execute(insert(Edited), {"name": "a"})
    for values, version in (({"name": "a"}, 1), ({"name": "b"}, 2), ({"name": "c"}, 3)):
        assert (await change.row(executor, values)).row.version == version
    await change.row(executor, {"status": "kept", "edits": 0})
    assert list(await executor.execute(select(Edited.status, Edited.edits))) == [("kept", 0)]
    await change.row(executor, {"name": "d"})
    ((status, edits),) = await executor.execute(select(Edited.status, Edited.edits))
    assert (status, edits > 0) == ("edited", True)


class Unversioned(ShelfBase):
    """A row without a version."""

    __tablename__ = "unversioned"

    id: Mapped[PrimaryKey]
    version: Mapped[int]


class Shared(Versioned, ShelfBase):
    """Rows of which several have the same id."""

    __tablename__ = "shared"

    tenant: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)


class Key(NamedTuple):
    """The least that a change needs."""

    id: int
    version: int


def test_model_that_could_lose_a_change_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Unversioned is not `Versioned`"):
        Change(Unversioned, Query(Key, select(Unversioned.id, Unversioned.version)))
    with pytest.raises(TypeError, match=r"^Shared has other keys than `id`"):
        Change(Shared, Query(Key, select(Shared.id, Shared.version)))


def test_query_without_id_and_version_is_refused() -> None:
    class NameOnly(NamedTuple):
        id: int
        name: str

    with pytest.raises(TypeError, match=r"^The query has the columns id, name: a change needs `id` and `version`\.$"):
        Change(Item, Query(NameOnly, select(Item.id, Item.name)))


async def test_row_may_be_whatever_a_function_makes_of_it(executor: WritingExecutor) -> None:
    def shown(id: int, name: str | None, version: int) -> str:  # noqa: A002 - the name of a column
        return f"{id} {name} {version}"

    book = await add(executor)
    found = Query(shown, select(Book.id, Book.name, Book.version).where(Book.id == bindparam("id")))
    changed: Changed[str] = await Change(Book, found).row(executor, {"name": "a"}, id=book.id)
    assert changed == (f"{book.id} a 2", True)


async def test_unchanged_row_is_not_written(executor: WritingExecutor) -> None:
    book = await add(executor)
    with statements_seen(about=" ") as seen:
        await CHANGE.row(executor, {}, id=book.id)
    assert not any("UPDATE" in statement for statement in seen)
