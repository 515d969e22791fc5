"""Heroes, one at a time: made, read, changed, deleted."""

from datetime import datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.heroes.models import Hero
from tests.kit.application import Running
from tests.kit.problems import assert_problem
from tests.kit.statements import statements_seen
from tests.kit.tasks import tasks_seen

VISIBLE = {"id", "name", "age", "team_id", "version", "created_at", "updated_at"}
TOMMY = "Tommy Sharp"
HERO = {"name": "Deadpond", "secret_name": "Dive Wilson"}


async def make_team(client: httpx2.AsyncClient) -> int:
    answer = await client.post("/teams", json={"name": "Preventers", "headquarters": "Sharp Tower"})
    team_id: int = answer.json()["id"]
    return team_id


async def make_hero(client: httpx2.AsyncClient, **fields: Any) -> str:
    """Make a hero and return its path."""
    answer = await client.post("/heroes", json=HERO | fields)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


async def test_created_hero_is_answered_with_its_place_and_its_tag(client: httpx2.AsyncClient) -> None:
    team_id = await make_team(client)
    answer = await client.post(
        "/heroes", json={"name": "Deadpond", "secret_name": "Dive Wilson", "age": 48, "team_id": team_id}
    )
    hero = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/heroes/{hero['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert set(hero) == VISIBLE
    assert (hero["name"], hero["age"], hero["team_id"], hero["version"]) == ("Deadpond", 48, team_id, 1)
    assert datetime.fromisoformat(hero["created_at"]).tzinfo is not None

    again = await client.get(answer.headers["Location"])
    assert (again.status_code, again.json(), again.headers["ETag"]) == (200, hero, '"1"')


async def test_repeated_request_makes_one_hero_and_is_answered_as_before(client: httpx2.AsyncClient) -> None:
    hero = {"name": "Deadpond", "secret_name": "Dive Wilson"}
    first, again = [await client.post("/heroes", json=hero, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert (again.status_code, again.content) == (201, first.content)
    for header in ("Location", "ETag", "Content-Type"):
        assert again.headers[header] == first.headers[header]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await client.get("/heroes")).json()["items"] == [first.json()]

    other = await client.post("/heroes", json=hero | {"age": 48}, headers={"Idempotency-Key": "a"})
    assert_problem(other, 422, kind="idempotency-key-reused")


async def test_hero_needs_neither_an_age_nor_a_team(client: httpx2.AsyncClient) -> None:
    hero = (await client.get(await make_hero(client))).json()
    assert (hero["age"], hero["team_id"]) == (None, None)


async def test_hero_of_an_unknown_team_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/heroes", json={"name": "Deadpond", "secret_name": "Dive Wilson", "team_id": 404})
    assert_problem(answer, 409, kind="foreign-key-violation")
    hero = await make_hero(client)
    assert_problem(await client.patch(hero, json={"team_id": 404}), 409, kind="foreign-key-violation")
    assert (await client.get(hero)).json()["team_id"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": None},
        {"name": "a\0b"},
        {"secret_name": ""},
        {"secret_name": None},
        {"age": -1},
        {"age": 10_001},
        {"age": "old"},
        {"age": "34"},
        {"age": True},
        {"team_id": 0},
        {"team_id": "1"},
        {"team_id": True},
        {"team_id": 2**63},
        {"rank": 1},
        {"id": 1},
        {"version": 7},
    ],
    ids=repr,
)
async def test_fields_that_no_hero_can_have_are_refused(client: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
    complete = {"name": "Deadpond", "secret_name": "Dive Wilson"}
    assert_problem(await client.post("/heroes", json=complete | fields), 422, kind="validation")
    hero = await make_hero(client)
    assert_problem(await client.patch(hero, json=fields), 422, kind="validation")
    assert (await client.get(hero)).json()["version"] == 1


async def test_secret_name_appears_nowhere(client: httpx2.AsyncClient) -> None:
    team_id = await make_team(client)
    hero = await make_hero(client, secret_name=TOMMY, team_id=team_id)
    answers = [
        await client.post("/heroes", json={"name": "Rusty-Man", "secret_name": TOMMY}),
        await client.post("/heroes", json={"name": "Rusty-Man", "secret_name": TOMMY, "team_id": 404}),
        await client.post("/heroes", json={"name": "", "secret_name": TOMMY}),
        await client.post("/heroes/bulk", json=[{"name": "Rusty-Man", "secret_name": TOMMY}]),
        await client.get(hero),
        await client.get("/heroes"),
        await client.get("/heroes/export"),
        await client.get(f"/teams/{team_id}"),
        await client.get(f"{hero}/events"),
        await client.patch(hero, json={"secret_name": f"{TOMMY} jr."}),
        await client.delete(hero),
    ]
    for answer in answers:
        assert TOMMY not in answer.text
        assert "secret_name" not in answer.text


async def test_unknown_hero_is_not_found(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.get("/heroes/404"), 404)
    assert_problem(await client.patch("/heroes/404", json={"age": 1}), 404)
    assert_problem(await client.delete("/heroes/404"), 404)
    assert_problem(await client.get("/heroes/404/events"), 404)


@pytest.mark.parametrize("hero_id", ["0", "-1", str(2**63), "one"])
async def test_id_that_no_hero_can_have_is_refused(client: httpx2.AsyncClient, hero_id: str) -> None:
    path = f"/heroes/{hero_id}"
    assert_problem(await client.get(path), 422)
    assert_problem(await client.patch(path, json={"age": 1}), 422)
    assert_problem(await client.delete(path), 422)
    assert_problem(await client.get(f"{path}/events"), 422)


async def test_patch_changes_only_what_is_sent(client: httpx2.AsyncClient) -> None:
    team_id = await make_team(client)
    path = await make_hero(client, age=48, team_id=team_id)
    before = (await client.get(path)).json()

    answer = await client.patch(path, json={"name": "Wade"})
    after = answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    earlier, later = (datetime.fromisoformat(hero.pop("updated_at")) for hero in (before, after))
    assert earlier <= later
    assert after == before | {"name": "Wade", "version": 2}

    again = await client.get(path)
    assert (again.json() | {"updated_at": 0}, again.headers["ETag"]) == (after | {"updated_at": 0}, '"2"')


async def test_patch_can_take_a_value_away(client: httpx2.AsyncClient) -> None:
    path = await make_hero(client, age=48, team_id=await make_team(client))
    hero = (await client.patch(path, json={"age": None, "team_id": None})).json()
    assert (hero["age"], hero["team_id"], hero["name"]) == (None, None, "Deadpond")


async def test_secret_name_can_be_changed(client: httpx2.AsyncClient, shared_service: Running) -> None:
    path = await make_hero(client)
    assert (await client.patch(path, json={"secret_name": "Wade Wilson"})).headers["ETag"] == '"2"'
    async with shared_service.database.read() as session:
        assert await session.scalar(select(Hero.secret_name)) == "Wade Wilson"


async def test_patch_without_a_change_changes_nothing(client: httpx2.AsyncClient) -> None:
    path = await make_hero(client, age=48)
    before = (await client.get(path)).json()
    for nothing in ({}, {"age": 48}):
        answer = await client.patch(path, json=nothing)
        assert (answer.status_code, answer.json(), answer.headers["ETag"]) == (200, before, '"1"')


async def test_change_is_refused_when_the_hero_is_no_longer_what_the_client_saw(client: httpx2.AsyncClient) -> None:
    path = await make_hero(client)
    seen = {"If-Match": (await client.get(path)).headers["ETag"]}

    assert (await client.patch(path, json={"age": 1}, headers=seen)).status_code == 200
    assert_problem(await client.patch(path, json={"age": 2}, headers=seen), 412)
    assert_problem(await client.delete(path, headers=seen), 412)
    hero = (await client.get(path)).json()
    assert (hero["age"], hero["version"]) == (1, 2)

    assert (await client.delete(path, headers={"If-Match": '"2"'})).status_code == 204


async def test_deleted_hero_is_gone_for_clients_and_keeps_its_row(
    client: httpx2.AsyncClient, shared_service: Running
) -> None:
    path = await make_hero(client)
    answer = await client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers

    assert_problem(await client.get(path), 404)
    assert_problem(await client.patch(path, json={"age": 1}), 404)
    assert_problem(await client.delete(path), 404)
    assert (await client.get("/heroes")).json()["items"] == []
    assert (await client.get("/heroes/export")).text == ""

    async with shared_service.database.read() as session:
        row = (await session.scalars(select(Hero))).one()
    assert row.deleted_at is not None
    assert (row.name, row.version) == ("Deadpond", 2)


async def test_other_methods_are_refused(client: httpx2.AsyncClient) -> None:
    path = await make_hero(client)
    for method in ("HEAD", "POST", "PUT"):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/problem+json")
        assert "GET" in answer.headers["Allow"]


# The cost is how many statements, and how many tasks besides the request's own.
@pytest.mark.parametrize(
    ("method", "path", "body", "cost"),
    [
        ("GET", "/heroes/1", None, (1, 0)),
        ("GET", "/heroes", None, (1, 0)),
        ("GET", "/heroes/export", None, (1, 2)),
        ("GET", "/heroes/1/events", None, (1, 0)),
        ("GET", "/teams/1", None, (2, 1)),
        ("POST", "/heroes/bulk", [HERO] * 100, (1, 1)),
        # With the event that is recorded after the answer.
        ("POST", "/heroes", HERO, (2, 0)),
        ("PATCH", "/heroes/1", {"age": 48}, (3, 0)),
        ("DELETE", "/heroes/1", None, (3, 0)),
    ],
)
async def test_request_takes_as_many_statements_and_tasks_as_it_must(
    service: Running, method: str, path: str, body: Any, cost: tuple[int, int]
) -> None:
    await make_hero(service.client, team_id=await make_team(service.client))
    with statements_seen(about=" ") as seen, tasks_seen() as started:
        answer = await service.client.request(method, path, json=body)
    assert answer.is_success
    asked = [statement for statement in seen if "set_config" not in statement and not statement.startswith("BEGIN")]
    assert (len(asked), len(started)) == cost, [*asked, *started]
