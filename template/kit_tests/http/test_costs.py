"""What a request costs: how many statements, and how many tasks and threads besides its own."""

from typing import Any, NamedTuple

import pytest
from sqlalchemy import bindparam, insert, select

from app.kit.database.bulk import insert_many
from app.kit.database.dependencies import CurrentDatabase, ReadSession
from app.kit.database.pagination import Keyset, Page
from app.kit.database.query import Command, Query, change_row, get_entity
from app.kit.http.fields import Cursor, Identifier, Limit
from app.kit.idempotency.routes import IdempotentDatabase, IdempotentSession
from app.kit.routing import Router
from kit_tests.support.application import application, running
from kit_tests.support.items import Item, ItemCreate
from kit_tests.support.statements import statements_seen
from kit_tests.support.suite import MakeSettings
from kit_tests.support.tasks import tasks_seen


class ItemRow(NamedTuple):
    id: int
    name: str
    version: int


FIND = Query(ItemRow, select(Item.id, Item.name, Item.version).where(Item.id == bindparam("id")))
LIST = Query(ItemRow, select(Item.id, Item.name, Item.version))
CREATE = Command(ItemRow, insert(Item).returning(Item.id, Item.name, Item.version))
BY_ID = Keyset(Item.id, types=tuple[Identifier])

router = Router(prefix="/things")


@router.get("")
async def list_things(database: CurrentDatabase, cursor: Cursor = None, limit: Limit = 50) -> Page[ItemRow]:
    return await BY_ID.page(database, LIST, cursor=cursor, limit=limit)


@router.get("/{thing_id}")
async def read_thing(thing_id: Identifier, database: CurrentDatabase) -> ItemRow:
    return await FIND.get(database, id=thing_id)


@router.get("/{thing_id}/entity")
async def read_entity(thing_id: Identifier, session: ReadSession) -> str:
    return (await get_entity(session, Item, thing_id)).name


@router.post("")
async def create_thing(thing: ItemCreate, database: IdempotentDatabase) -> ItemRow:
    return await CREATE.one(database, **thing.model_dump(exclude={"weight"}))


@router.post("/bulk")
async def create_things(names: list[str], session: IdempotentSession) -> int:
    return await insert_many(session, Item, [{"name": name} for name in names])


@router.patch("/{thing_id}")
async def change_thing(thing_id: Identifier, count: int, database: CurrentDatabase) -> ItemRow:
    return await change_row(database, Item, await FIND.get(database, id=thing_id), {"count": count})


@pytest.mark.parametrize(
    ("method", "path", "body", "cost"),
    [
        ("GET", "/things", None, (1, 0)),
        ("GET", "/things/1", None, (1, 0)),
        ("GET", "/things/1/entity", None, (1, 1)),
        ("GET", "/items/export", None, (1, 2)),
        ("POST", "/things", {"name": "b"}, (1, 0)),
        ("POST", "/things/bulk", [f"item {n}" for n in range(100)], (1, 1)),
        ("PATCH", "/things/1?count=3", None, (2, 0)),
    ],
)
async def test_request_takes_no_more_statements_and_tasks(
    make_settings: MakeSettings, method: str, path: str, body: Any, cost: tuple[int, int]
) -> None:
    async with running(application(make_settings(), router)) as service:
        await service.client.post("/things", json={"name": "a"})
        with statements_seen(about=" ") as seen, tasks_seen() as started:
            response = await service.client.request(method, path, json=body)
    assert response.is_success, response.text
    asked = [statement for statement in seen if "set_config" not in statement and not statement.startswith("BEGIN")]
    assert (len(asked), len(started)) == cost, [*asked, *started]
