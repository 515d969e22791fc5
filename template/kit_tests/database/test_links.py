"""Links of many with many: exactly what was set is there, whoever else sets it at the same time."""

import asyncio

import pytest
from sqlalchemy import ForeignKey, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database.errors import classify
from app.kit.database.failures import Failure, NotFoundError
from app.kit.database.links import Links
from app.kit.database.models import PrimaryKey
from app.kit.database.sessions import Database
from kit_tests.support.items import Item, ItemBase, insert_item
from kit_tests.support.statements import statements_seen


class Label(ItemBase):
    """What items are found by."""

    __tablename__ = "label"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(unique=True)


class ItemLabel(ItemBase):
    """That an item has a label."""

    __tablename__ = "item_label"

    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey("label.id"), primary_key=True)


LABELS = Links(ItemLabel.item_id, ItemLabel.label_id)


@pytest.fixture
async def item(database: Database) -> int:
    """Return the id of an item, with labels 1 to 20 to link it with."""
    await insert_item(database, "linked")
    async with database.transaction() as session:
        session.add_all([Label(id=number, name=f"label {number}") for number in range(1, 21)])
        return (await session.scalars(select(Item.id))).one()


async def linked(database: Database) -> list[int]:
    async with database.read() as session:
        return list(await session.scalars(select(ItemLabel.label_id).order_by(ItemLabel.label_id)))


async def test_links_become_exactly_what_is_set(database: Database, item: int) -> None:
    assert await LABELS.set(database, item, [3, 1, 3]) == ({1, 3}, set())
    assert await LABELS.set(database, item, {3, 4}) == ({4}, {1})
    assert await linked(database) == [3, 4]
    assert await LABELS.set(database, item, [4, 3]) == (set(), set())
    assert await LABELS.set(database, item, []) == (set(), {3, 4})
    assert await linked(database) == []


async def test_links_of_a_row_take_three_statements(database: Database, item: int) -> None:
    await LABELS.set(database, item, [1, 2])
    with statements_seen(about="item") as seen:
        await LABELS.set(database, item, range(2, 21))
    assert [statement.split()[0] for statement in seen] == ["SELECT", "DELETE", "INSERT"]


async def test_links_belong_to_the_transaction_of_the_session(database: Database) -> None:
    with pytest.raises(RuntimeError, match="undone"):
        async with database.transaction() as session:
            session.add_all([item := Item(name="new"), Label(id=7, name="seven")])
            await session.flush()
            assert await LABELS.set(session, item.id, [7]) == ({7}, set())
            raise RuntimeError("undone")
    assert await linked(database) == []


async def test_unknown_keys_are_refused_as_others_are(database: Database, item: int) -> None:
    with pytest.raises(NotFoundError, match=r"There is no item 404\."):
        await LABELS.set(database, 404, [1])
    await LABELS.set(database, item, [1])
    with pytest.raises(IntegrityError) as raised:
        await LABELS.set(database, item, [2, 404])
    assert classify(raised.value) is Failure.FOREIGN_KEY
    assert await linked(database) == [1]


async def test_links_set_by_several_are_those_of_one_of_them(database: Database, item: int) -> None:
    sets = [[*range(start, start + 5)] for start in range(1, 16)]
    await asyncio.gather(*(LABELS.set(database, item, [*reversed(each)]) for each in sets))
    assert await linked(database) in sets


async def test_model_with_more_than_links_is_refused() -> None:
    with pytest.raises(TypeError, match="not the two keys of which Item consists"):
        Links(Item.id, Item.name)


async def test_deleted_link_is_added_again(database: Database, item: int) -> None:
    await LABELS.set(database, item, [1, 2])
    async with database.transaction() as session:
        await session.execute(delete(ItemLabel).where(ItemLabel.label_id == 1))
        assert await LABELS.set(session, item, [1, 2]) == ({1}, set())
