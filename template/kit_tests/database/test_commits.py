"""What a request has committed, and may therefore not be repeated."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Executable, SelectBase, delete, func, insert, literal, select, text, update

from app.kit.database.commits import Commits, current_commits
from app.kit.database.sessions import Database
from kit_tests.support.items import Item, insert_item

NAMES = select(Item.name)

WRITTEN = insert(Item).values(name="written").returning(Item.id).cte()


@pytest.fixture
def commits() -> Iterator[Commits]:
    """Let the test be a request, and return the record of what it has committed."""
    token = current_commits.set(commits := Commits())
    yield commits
    current_commits.reset(token)


@pytest.mark.parametrize(
    "statement",
    [
        NAMES,
        select(func.count()).select_from(Item),
        select(NAMES.subquery()),
        select(NAMES.cte()),
        NAMES.union(select(literal("one more"))),
        NAMES.with_for_update(),
    ],
    ids=["columns", "count", "subquery", "CTE", "union", "lock"],
)
async def test_statement_that_only_reads_commits_nothing(
    database: Database, commits: Commits, statement: Executable
) -> None:
    await database.execute(statement)
    assert not commits.any()


@pytest.mark.parametrize(
    "statement",
    [
        insert(Item).values(name="written"),
        update(Item).values(count=1),
        delete(Item),
        delete(Item).returning(Item.id),
        text("UPDATE item SET count = 1"),
    ],
    ids=["insert", "update", "delete", "returning", "text"],
)
async def test_statement_that_writes_is_committed(database: Database, commits: Commits, statement: Executable) -> None:
    await database.execute(statement)
    assert commits.any()
    await database.execute(NAMES)
    assert commits.any()


@pytest.mark.parametrize(
    "statement",
    [
        select(WRITTEN.c.id),
        select(func.count()).select_from(WRITTEN),
        select(literal(1)).add_cte(WRITTEN),
        select(literal(1)).where(select(WRITTEN.c.id).exists()),
        select(select(WRITTEN.c.id).subquery()),
    ],
    ids=["selected", "counted", "beside", "in a condition", "in a subquery"],
)
def test_select_with_a_writing_statement_in_it_commits(statement: SelectBase) -> None:
    commits = Commits()
    commits.begin(statement)
    assert commits.any()


async def test_transaction_commits_and_reading_sessions_do_not(database: Database, commits: Commits) -> None:
    for unit_of_work in (database.read, database.snapshot):
        async with unit_of_work() as session:
            await session.execute(NAMES)
    assert not commits.any()
    async with database.transaction() as writing:
        await writing.execute(NAMES)
    assert commits.any()


async def test_failed_transaction_commits_nothing(database: Database, commits: Commits) -> None:
    with pytest.raises(RuntimeError, match="half-way"):
        async with database.transaction() as session:
            session.add(Item(name="lost"))
            await session.flush()
            raise RuntimeError("half-way")
    assert not commits.any()


async def test_task_of_a_request_commits_for_it(database: Database, commits: Commits) -> None:
    await asyncio.create_task(insert_item(database, "in a task"))
    assert commits.any()
