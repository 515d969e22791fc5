"""What is filled gets rows that the database takes, however often, and that look like those of people."""

import asyncio
import re
from contextlib import aclosing
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, Table, UniqueConstraint, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.kit.database.models import TYPES, PrimaryKey
from app.kit.database.sessions import Database
from devtools.seed import SeedError
from devtools.seed.factory import Factory
from devtools.seed.filling import Factories, fill, rows_of
from devtools.seed.models import Filled, all_filled, named
from kit_tests.seed.library import Author, Bicycle, Book, Branch, Card, LibraryBase, Shelf, Tag, make_tables
from kit_tests.support.all_types import VALUES

MODELS = [mapper.class_ for mapper in LibraryBase.registry.mappers]
LIBRARY = all_filled(MODELS, LibraryBase.metadata)

ROWS = 30


class BookFactory(Factory[Book]):
    """Books of one kind."""

    @classmethod
    def title(cls) -> str:
        return f"About {cls.__faker__.first_name()}"[:20]

    @classmethod
    def shelf(cls) -> str:
        return "B"


@pytest.fixture
async def library(database: Database) -> Database:
    """Return a database with the tables of the library."""
    await make_tables(database)
    return database


async def stored(database: Database, filled: Filled, wanted: int = ROWS, factories: Factories | None = None) -> int:
    """Fill, and return how many rows that has stored."""
    async with aclosing(fill(database, filled, wanted, factories or {})) as batches:
        return sum([number async for number in batches])


async def fill_all(database: Database, wanted: int = ROWS) -> dict[str, int]:
    """Fill everything, and return with how many rows, by the models' names."""
    return {each.model.__name__ if each.model else each.name: await stored(database, each, wanted) for each in LIBRARY}


async def all_of(database: Database, *columns: Any) -> list[tuple[Any, ...]]:
    async with database.read() as session:
        return [tuple(row) for row in await session.execute(select(*columns))]


async def test_everything_is_filled_and_again_and_stays_unique(library: Database) -> None:
    everything = {model.__name__ for model in MODELS} - {"Vehicle"} | {"book_tag"}
    first = await fill_all(library)
    assert first == dict.fromkeys(everything, ROWS)
    second = await fill_all(library)
    assert {name: number for name, number in second.items() if name != "book_tag"} == dict.fromkeys(
        everything - {"book_tag"}, ROWS
    )
    emails = [email for (email,) in await all_of(library, Author.email)]
    assert len({email.lower() for email in emails}) == len(emails) == 2 * ROWS
    assert all(re.fullmatch(r"[\w.-]+@example\.\w+", email) for email in emails)


async def test_defaults_are_kept_and_references_lead_somewhere(library: Database) -> None:
    await fill_all(library)
    assert {(1, None)} == {*await all_of(library, Author.version, Author.deleted_at)}
    assert {(7, "A", 1)} == {*await all_of(library, Book.pages, Book.shelf, Book.version)}
    assert len({*await all_of(library, Book.id)}) == ROWS
    mentors = {mentor for (mentor,) in await all_of(library, Author.mentor_id)}
    assert None in mentors
    assert len(mentors) > 1
    assert len({*await all_of(library, Book.author_id)}) > 5
    assert {None} < {room for (room,) in await all_of(library, Shelf.room_number)}
    assert {None} == {room for (room,) in await all_of(library, Branch.main_room_id)}
    for details, marks in await all_of(library, Book.details, Book.marks):
        assert all(isinstance(value, int) for value in details.values())
        assert isinstance(marks, list)
    assert {*await all_of(library, Book.status)} == {("here",), ("lent",)}
    assert {isinstance(weight, float) for (weight,) in await all_of(library, Book.weight)} == {True, False}


async def test_same_seed_makes_the_same_rows(library: Database) -> None:
    await stored(library, Filled.of(Author))
    made = []
    for seed in (7, 7, 8):
        Factory.seed_random(seed)
        made.append([await rows_of(Filled.of(model), {}).batch(library, ROWS) for model in (Author, Book, Card, Tag)])
    assert made[0] == made[1]
    assert made[0] != made[2]


async def test_factory_of_an_owner_says_what_columns_hold(library: Database) -> None:
    await stored(library, Filled.of(Author))
    assert await stored(library, Filled.of(Book), factories={Book: BookFactory}) == ROWS
    books = await all_of(library, Book.title, Book.shelf, Book.pages)
    assert all(title.startswith("About ") and rest == ["B", 7] for title, *rest in books)


def test_factory_builds_entities_for_tests() -> None:
    book = BookFactory.build(author_id=3, stars=2)
    assert (book.author_id, book.stars, book.shelf) == (3, 2, "B")
    assert book.title.startswith("About ")
    assert 4.5 < book.price < 5
    assert len({book.number for book in BookFactory.batch(20)}) > 10
    assert BookFactory.declared() == {"title", "shelf"}


async def test_few_values_that_are_unique_make_few_rows(database: Database) -> None:
    table = Table("flag", MetaData(), Column("id", Integer, primary_key=True), Column("is_on", VALUES["boolean"][0]))
    table.c.is_on.nullable = False
    table.append_constraint(UniqueConstraint("is_on"))
    await make_tables_of(database, table)
    assert await stored(database, Filled(table, None), 5) == 2
    assert await stored(database, Filled(table, None), 5) == 0


async def test_links_are_made_until_there_are_few_more(library: Database) -> None:
    for each in LIBRARY:
        if each.name in {"author", "book", "tag"}:
            await stored(library, each, 3)
    (links,) = (each for each in LIBRARY if each.name == "book_tag")
    assert 5 <= await stored(library, links, 50) <= 9


async def make_tables_of(database: Database, table: Table) -> None:
    async with database.transaction() as session:
        await (await session.connection()).run_sync(table.metadata.create_all)


async def test_every_type_is_filled(database: Database) -> None:
    """Each column must have a value."""
    columns = [Column(name, kind, nullable=False) for name, (kind, _) in VALUES.items() if name != "json_null"]
    table = Table("every_type", MetaData(), Column("id", Integer, primary_key=True), *columns)
    await make_tables_of(database, table)
    assert await stored(database, Filled(table, None)) == ROWS


async def test_rows_without_one_to_refer_to_are_refused(library: Database) -> None:
    with pytest.raises(SeedError, match=r"book\.author_id refers to a row of author.* `uv run poe seed author book`"):
        await stored(library, Filled.of(Book))
    assert await all_of(library, Book.id) == []


class Refused(DeclarativeBase):
    """Models that no rule fits."""

    type_annotation_map = TYPES


class Parcel(Refused):
    """A row of which only the database knows what it takes."""

    __tablename__ = "parcel_refused"

    id: Mapped[PrimaryKey]
    number: Mapped[int] = mapped_column(unique=True)
    weight: Mapped[int]


async def test_refusal_of_the_database_says_what_to_write(library: Database) -> None:
    table = Filled.of(Parcel).table
    table.append_constraint(CheckConstraint("weight % 100000 = 99999", name="odd_weight"))
    await make_tables_of(library, table)
    with pytest.raises(SeedError) as raised:
        await stored(library, Filled.of(Parcel))
    said = str(raised.value)
    assert said.startswith("parcel_refused.weight: the database has refused rows: ")
    assert "odd_weight" in said.partition("\n")[0]
    assert "class ParcelFactory(Factory[Parcel]):" in said
    assert "def weight(cls) -> int" in said


async def test_interrupted_seed_has_stored_what_it_counted(library: Database) -> None:
    counted: list[int] = []
    begun = asyncio.Event()

    async def seed() -> None:
        async for number in fill(library, Filled.of(Tag), 1_000_000, {}):
            counted.append(number)
            begun.set()

    task = asyncio.create_task(seed())
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert await all_of(library, func.count(Tag.name)) == [(sum(counted),)]
    assert 0 < sum(counted) < 1_000_000


@pytest.mark.parametrize("name", ["tag", "tags", "Tag", "TAG"])
def test_models_are_named_as_people_call_them(name: str) -> None:
    assert named(name, LIBRARY).model is Tag


def test_name_that_is_unknown_is_refused_with_those_there_are() -> None:
    with pytest.raises(SeedError, match=r"There is no model tagg\. There are: author, bicycle, .*tag"):
        named("tagg", LIBRARY)
    assert named("buses", LIBRARY).name == "bus"
    assert named("bicycle", LIBRARY).model is Bicycle
