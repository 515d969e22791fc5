"""Rows are found by their words, however they were written, and whatever is searched for."""

import random
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID, uuid4

import pytest
from fastapi import Query as QueryString
from fastapi import Request, Response
from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, delete, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.kit.database.bulk import insert_many
from app.kit.database.change import Change
from app.kit.database.dependencies import CurrentDatabase
from app.kit.database.listing import Listing
from app.kit.database.models import NAMING_CONVENTION, TYPES, PrimaryKey, Versioned
from app.kit.database.pagination import Keyset
from app.kit.database.query import Command, Query
from app.kit.database.search import add_search, matches, searchable
from app.kit.database.sessions import Database
from app.kit.http.fields import Identifier, Search, Total
from app.kit.http.paging import PageParams, add_links, add_total
from app.kit.routing import Router
from kit_tests.support.application import application, running
from kit_tests.support.problems import assert_problem
from kit_tests.support.statements import statements_seen
from kit_tests.support.suite import MakeSettings


class ArticleBase(DeclarativeBase):
    """A base of its own, whose tables are made where a test asks for them."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = TYPES


@searchable("title", "text")
class Article(Versioned, ArticleBase):
    """Something to read."""

    __tablename__ = "article"

    id: Mapped[PrimaryKey]
    title: Mapped[str]
    # The attribute has another name than the column.
    text: Mapped[str | None] = mapped_column("body")
    secret: Mapped[str | None]


@searchable("title")
class Note(ArticleBase):
    """Something with a key that is no number."""

    __tablename__ = "note"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str]


class ArticleRow(NamedTuple):
    """What is listed of an article."""

    id: int
    title: str
    version: int


class NoteRow(NamedTuple):
    """What is listed of a note."""

    id: UUID
    title: str


class ArticleListParams(PageParams):
    """What the list can be asked for."""

    sort: Literal["id", "-title"] = "id"
    total: Total = False
    secret: str | None = None
    search: Search = None


COLUMNS = (Article.id, Article.title, Article.version)
FIND = Query(ArticleRow, select(*COLUMNS).where(Article.id == bindparam("id")))
LIST = Listing(
    Query(ArticleRow, select(*COLUMNS)),
    ArticleListParams,
    orders={
        "id": Keyset(Article.id, types=tuple[Identifier]),
        "-title": Keyset(Article.title.desc(), Article.id.desc(), types=tuple[str, Identifier]),
    },
    filters={"secret": Article.secret == bindparam("secret"), "search": matches(Article, bindparam("search"))},
)
SEARCH = Query.of_values(select(Article.id).where(matches(Article, bindparam("words"))).order_by(Article.id))
CREATE = Command(ArticleRow, insert(Article).returning(*COLUMNS))
CHANGE = Change(Article, FIND)

router = Router(prefix="/articles")


@router.get("")
async def list_articles(
    params: Annotated[ArticleListParams, QueryString()], request: Request, response: Response, database: CurrentDatabase
) -> list[str]:
    page = await LIST.page(database, params)
    add_links(request, response, page)
    if params.total:
        add_total(response, await LIST.total(database, params))
    return [row.title for row in page.items]


@pytest.fixture
async def articles(database: Database) -> Database:
    """Return a database with the table."""
    async with database.transaction() as session:
        await (await session.connection()).run_sync(ArticleBase.metadata.create_all)
    return database


async def found(database: Database, words: str, **asked: Any) -> list[str]:
    page = await LIST.page(database, ArticleListParams(search=words, **asked))
    return [row.title for row in page.items]


async def test_row_is_found_by_its_words_until_it_is_deleted(articles: Database) -> None:
    created = await CREATE.one(articles, title="A blue whale", text="Sings at night.", secret="hidden")
    assert await found(articles, "whale") == ["A blue whale"]
    assert await found(articles, "NIGHT blue") == ["A blue whale"]
    assert await found(articles, "hidden") == []
    assert await found(articles, "whale red") == []

    await CHANGE.row(articles, {"title": "A red whale"}, id=created.id)
    assert (await found(articles, "blue"), await found(articles, "red night")) == ([], ["A red whale"])
    await CHANGE.row(articles, {"text": None}, id=created.id)
    assert (await found(articles, "night"), await found(articles, "red")) == ([], ["A red whale"])

    await articles.execute(delete(Article).where(Article.id == created.id))
    assert await found(articles, "whale") == []


async def test_row_with_a_uuid_is_found_by_its_words(articles: Database) -> None:
    create = Command(NoteRow, insert(Note).returning(Note.id, Note.title))
    search = Query(NoteRow, select(Note.id, Note.title).where(matches(Note, bindparam("words"))).order_by(Note.title))
    one, two = [await create.one(articles, title=f"a whale, number {number}") for number in ("one", "two")]
    await insert_many(articles, Note, [{"title": f"whale {number} of many"} for number in range(300)])
    assert (await search.all(articles, words="whale"))[:2] == [one, two]
    assert len(await search.all(articles, words="many")) == 300

    await articles.execute(update(Note).where(Note.id == one.id).values(title="a red fox"))
    await articles.execute(delete(Note).where(Note.title.startswith("whale")))
    assert await search.all(articles, words="whale") == [two]
    assert await search.all(articles, words="fox") == [NoteRow(one.id, "a red fox")]


async def test_row_is_found_however_it_was_written(articles: Database) -> None:
    assert await insert_many(articles, Article, [{"title": "many one"}, {"title": "many two"}]) == 2
    async with articles.transaction() as session:
        entity = Article(title="many three")
        session.add(entity)
        session.add_all([Article(title="many four"), Article(title="many five")])
        await session.execute(insert(Article), [{"title": "many six"}, {"title": "many seven"}])
        await session.flush()
        entity.title = "many 3"
    assert await found(articles, "many") == [f"many {n}" for n in ("one", "two", "3", "four", "five", "six", "seven")]
    assert await found(articles, "three") == []

    async with articles.transaction() as session:
        await session.execute(update(Article).where(Article.title != "many 3").values(title=Article.title + "th"))
    assert await found(articles, "oneth or 3") == ["many oneth", "many 3"]
    async with articles.transaction() as session:
        await session.execute(update(Article).values(id=Article.id + 100))
    assert await SEARCH.all(articles, words="oneth or 3") == [101, 103]


async def test_search_is_rolled_back_with_what_it_finds(articles: Database) -> None:
    with pytest.raises(RuntimeError):
        async with articles.transaction() as session:
            session.add(Article(title="half done"))
            await session.flush()
            assert len(await SEARCH.all(session, words="half")) == 1
            raise RuntimeError
    assert await found(articles, "half") == []


async def test_table_that_is_dropped_leaves_no_words(articles: Database) -> None:
    await CREATE.one(articles, title="A blue whale")
    async with articles.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(ArticleBase.metadata.drop_all)
        await connection.run_sync(ArticleBase.metadata.create_all)
    await CREATE.one(articles, title="A red whale")
    assert (await found(articles, "blue"), await found(articles, "red")) == ([], ["A red whale"])


async def test_no_model_and_no_row_has_the_words(articles: Database) -> None:
    assert [*Article.__mapper__.columns.keys()] == ["id", "title", "text", "secret", "version"]
    with statements_seen(about="search") as seen:
        async with articles.transaction() as session:
            session.add(Article(title="one"))
            await session.flush()
            assert (await session.scalars(select(Article))).one().title == "one"
    assert seen == []


FOUND = {
    "words in any order": ("fox quick", True),
    "one that is missing": ("quick cat", False),
    "another case": ("QUICK Fox", True),
    "an accent": ("café", True),
    "an accent in another case": ("CAFÉ", True),
    "another script": ("лиса", True),
    "a phrase": ('"quick brown fox"', True),
    "a phrase in another order": ('"brown quick"', False),
    "a word that must not be there": ("quick -fox", False),
    "a word that is not there": ("quick -cat", True),
    "a phrase that must not be there": ('quick -"brown fox"', False),
    "a phrase that is not there": ('quick -"fox brown"', True),
    "one of two": ("cat or fox", True),
    "neither of two": ("cat or dog", False),
    "an alternative that is excluded": ("quick -fox or cat", False),
    "an alternative after one that is excluded": ("quick -fox or café", True),
    "signs beside words": ("(quick) & fox! * ?", True),
    "a part of a word": ("qui", False),
    "an open quote": ('"quick brown', True),
    "a hyphen": ("well-known", True),
}


async def test_words_mean_what_people_expect(articles: Database) -> None:
    await CREATE.one(articles, title="The quick brown fox", text="Лиса, well-known in the café")
    for what, (words, is_found) in FOUND.items():
        assert await found(articles, words) == (["The quick brown fox"] if is_found else []), what


HOSTILE = (
    *(
        '"',
        '""',
        '"""',
        "'",
        "' OR 1=1 --",
        "*",
        ":*",
        "fox:*",
        "&|!",
        "!fox",
        "<->",
        "fox <-> brown",
        "NEAR(",
        "(",
        ")",
    ),
    *("NEAR(fox brown, 5)", "fox AND", "AND", "OR", "or", "or or", "NOT", "fox NOT", "title:fox", "-title:fox", "^fox"),
    *(
        "{title}:fox",
        "fox + brown",
        "-",
        "--",
        '-"',
        '-"" -',
        " ",
        "\t\n",
        "\\",
        "\\'",
        "%",
        "_",
        ";",
        "$1",
        "?",
        ":words",
    ),
    *(
        "\ud7ff",
        "\U0001f98a",
        "e\u0301",
        "\u202e",
        "x" * 5000,
        "fox " * 2000,
        "fox or " * 2000,
        "-fox " * 2000,
        '"' * 999,
    ),
)


async def test_no_text_is_syntax(articles: Database) -> None:
    await CREATE.one(articles, title="The quick brown fox", text="title near and or not")
    for words in HOSTILE:
        assert len(await SEARCH.all(articles, words=words)) in {0, 1}, words


async def test_any_text_can_be_searched_for(articles: Database) -> None:
    await CREATE.one(articles, title="The quick brown fox")
    chosen = random.Random(7)  # noqa: S311 - the same texts each time
    alphabet = [*"\"'-()*:&|!<>^{}+,.;\\%_$?~@# \t\n", "or", "OR", "AND", "NOT", "NEAR", "fox", "título", "лиса", "狐"]
    for _ in range(500):
        words = "".join(chosen.choices(alphabet, k=chosen.randrange(1, 25)))
        assert len(await SEARCH.all(articles, words=words)) in {0, 1}, words


async def test_text_without_a_word_finds_nothing(articles: Database) -> None:
    await CREATE.one(articles, title="!?")
    for words in ("!", "?!", '""', "-", "()"):
        assert await found(articles, words) == []


async def test_pages_with_a_search_are_the_table_filtered(articles: Database) -> None:
    rows = [
        {"title": f"{chr(97 + n * 7 % 26)} {'even' if n % 2 == 0 else 'odd'}", "secret": f"{n % 3}"} for n in range(26)
    ]
    await insert_many(articles, Article, rows)
    for sort in ("id", "-title"):
        walked: list[str] = []
        params = ArticleListParams(search="even", secret="1", sort=sort, limit=2)
        while True:
            page = await LIST.page(articles, params)
            walked += [row.title for row in page.items]
            if page.next_cursor is None:
                break
            params = params.model_copy(update={"cursor": page.next_cursor})
        expected = [row["title"] for row in rows if "even" in row["title"] and row["secret"] == "1"]
        assert walked == (expected if sort == "id" else sorted(expected, reverse=True))
        assert await LIST.total(articles, params) == len(expected)


@pytest.fixture
async def client(make_settings: MakeSettings, articles: Database) -> AsyncIterator[Any]:
    """Return a client of an application that lists articles."""
    await insert_many(articles, Article, [{"title": title} for title in ("fox one", "fox two", "fox three", "cat")])
    async with running(application(make_settings(), router)) as service:
        yield service.client


async def test_client_searches_a_list(client: Any) -> None:
    first = await client.get("/articles", params={"search": "fox -two", "limit": 1, "total": "true"})
    assert (first.json(), first.headers["X-Total-Count"]) == (["fox one"], "2")
    assert (await client.get(first.links["next"]["url"])).json() == ["fox three"]
    assert (await client.get("/articles", params={"search": "!"})).json() == []
    for refused in ("", "a\0b", "x" * 201):
        assert_problem(await client.get("/articles", params={"search": refused}), 422, kind="validation")
    assert (await client.get("/articles?search=%ff%fe")).json() == []


async def test_description_says_what_can_be_searched_for(client: Any) -> None:
    parameters = (await client.get("/openapi.json")).json()["paths"]["/articles"]["get"]["parameters"]
    (search,) = (each for each in parameters if each["name"] == "search")
    assert "-without" in search["description"]
    (text,) = (each for each in search["schema"]["anyOf"] if each["type"] == "string")
    assert (text["minLength"], text["maxLength"]) == (1, 200)


def letters(*parts: Any) -> Table:
    return Table("letter", MetaData(), *(parts or (Column("id", Integer, primary_key=True), Column("title", Text))))


def test_what_has_no_words_is_refused() -> None:
    for columns, message in {
        ("id",): "id of letter is no column of text",
        ("no",): "no of letter",
        (): "No columns",
    }.items():
        with pytest.raises(TypeError, match=message):
            add_search(letters(), *columns)
    with pytest.raises(TypeError, match="unknown of article is no column of text"):
        searchable("unknown")(Article)

    class Draft(ArticleBase):
        __tablename__ = "draft"
        id: Mapped[PrimaryKey]

    with pytest.raises(TypeError, match="Draft is not searched"):
        matches(Draft, bindparam("words"))
    Draft.metadata.remove(Draft.__table__)  # type: ignore[arg-type]  # a table
