"""Values of every type, in statements that are run again by what SQLAlchemy has said of them."""

import pytest
from sqlalchemy import bindparam, insert, select, update

from app.kit.database.sessions import Database
from kit_tests.support.all_types import TYPED, VALUES, WITHOUT_COMPARISON
from kit_tests.support.column_types import Colour
from kit_tests.support.prepared import create, thrice

ROW = {name: value for name, (_, value) in VALUES.items()} | {"renamed": "r"}


@pytest.fixture
async def typed(database: Database) -> Database:
    """Return a database with a table of all types."""
    await create(database, TYPED)
    return database


async def test_rows_of_every_type_are_the_same(typed: Database, prepared: list[str]) -> None:
    written = [(await typed.execute(insert(TYPED).returning(TYPED.c.id), ROW))[0].id]
    find = select(TYPED).where(TYPED.c.id == bindparam("id"))
    first, *others = await thrice(typed, find, {"id": written[0]})
    assert len(prepared) == 2
    assert others == [first, first]


async def test_written_values_of_every_type_are_the_same(typed: Database, prepared: list[str]) -> None:
    statement = insert(TYPED).returning(*TYPED.c[1:])
    first, *others = await thrice(typed, statement, ROW)
    assert len(prepared) == 2
    assert others == [first, first]
    change = update(TYPED).returning(*TYPED.c)
    first, *others = await thrice(typed, change, ROW | {"text": "t", "renamed": "s", "enum": Colour.BLUE})
    assert len(prepared) == 4
    assert others == [first, first]


async def test_conditions_of_every_type_are_the_same(typed: Database, prepared: list[str]) -> None:
    await typed.execute(insert(TYPED), ROW)
    for name in sorted(VALUES.keys() - WITHOUT_COMPARISON):
        prepared.clear()
        found = select(TYPED.c.id).where(TYPED.c[name] == bindparam("value"))
        first, *others = await thrice(typed, found, {"value": ROW[name]})
        assert others == [first, first], name
        assert len(prepared) == 2, name
