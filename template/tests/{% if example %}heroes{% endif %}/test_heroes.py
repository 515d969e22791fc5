"""Heroes, one at a time: create, read, change, delete."""

from datetime import datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.heroes.models import Hero
from kit_tests.support.application import Running
from kit_tests.support.problems import assert_problem

VISIBLE = {"id", "name", "age", "team_id", "version", "created_at", "updated_at"}
TOMMY = "Tommy Sharp"
HERO = {"name": "Deadpond", "secret_name": "Dive Wilson"}


async def create_team(client: httpx2.AsyncClient) -> int:
    response = await client.post("/teams", json={"name": "Preventers", "headquarters": "Sharp Tower"})
    team_id: int = response.json()["id"]
    return team_id


async def create_hero(client: httpx2.AsyncClient, **fields: Any) -> str:
    """Create a hero and return its path."""
    response = await client.post("/heroes", json=HERO | fields)
    assert response.status_code == 201, response.text
    return response.headers["Location"]


async def test_created_hero_is_returned_with_location_and_etag(client: httpx2.AsyncClient) -> None:
    team_id = await create_team(client)
    response = await client.post(
        "/heroes", json={"name": "Deadpond", "secret_name": "Dive Wilson", "age": 48, "team_id": team_id}
    )
    hero = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/heroes/{hero['id']}"
    assert response.headers["ETag"] == '"1"'
    assert set(hero) == VISIBLE
    assert (hero["name"], hero["age"], hero["team_id"], hero["version"]) == ("Deadpond", 48, team_id, 1)
    assert datetime.fromisoformat(hero["created_at"]).tzinfo is not None

    again = await client.get(response.headers["Location"])
    assert (again.status_code, again.json(), again.headers["ETag"]) == (200, hero, '"1"')


async def test_location_of_a_hero_has_the_prefix_of_a_proxy(service: Running) -> None:
    # As with `uvicorn --root-path /api`.
    transport = httpx2.ASGITransport(service.asgi, root_path="/api")
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        created = await client.post("/api/heroes", json=HERO)
        assert created.headers["Location"] == f"/api/heroes/{created.json()['id']}"
        assert (await client.get(created.headers["Location"])).json() == created.json()


async def test_repeated_request_creates_one_hero(client: httpx2.AsyncClient) -> None:
    hero = {"name": "Deadpond", "secret_name": "Dive Wilson"}
    first, again = [await client.post("/heroes", json=hero, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert (again.status_code, again.content) == (201, first.content)
    for header in ("Location", "ETag", "Content-Type"):
        assert again.headers[header] == first.headers[header]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await client.get("/heroes")).json()["items"] == [first.json()]

    other = await client.post("/heroes", json=hero | {"age": 48}, headers={"Idempotency-Key": "a"})
    assert_problem(other, 422, kind="idempotency-key-reused")


async def test_age_and_team_are_optional(client: httpx2.AsyncClient) -> None:
    hero = (await client.get(await create_hero(client))).json()
    assert (hero["age"], hero["team_id"]) == (None, None)


async def test_unknown_team_is_refused(client: httpx2.AsyncClient) -> None:
    response = await client.post("/heroes", json={"name": "Deadpond", "secret_name": "Dive Wilson", "team_id": 404})
    assert_problem(response, 409, kind="foreign-key-violation")
    hero = await create_hero(client)
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
async def test_invalid_fields_are_refused(client: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
    complete = {"name": "Deadpond", "secret_name": "Dive Wilson"}
    assert_problem(await client.post("/heroes", json=complete | fields), 422, kind="validation")
    hero = await create_hero(client)
    assert_problem(await client.patch(hero, json=fields), 422, kind="validation")
    assert (await client.get(hero)).json()["version"] == 1


async def test_secret_name_is_in_no_response(client: httpx2.AsyncClient) -> None:
    team_id = await create_team(client)
    hero = await create_hero(client, secret_name=TOMMY, team_id=team_id)
    responses = [
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
    for response in responses:
        assert TOMMY not in response.text
        assert "secret_name" not in response.text


async def test_unknown_hero_is_not_found(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.get("/heroes/404"), 404)
    assert_problem(await client.patch("/heroes/404", json={"age": 1}), 404)
    assert_problem(await client.delete("/heroes/404"), 404)
    assert_problem(await client.get("/heroes/404/events"), 404)


@pytest.mark.parametrize("hero_id", ["0", "-1", str(2**63), "one", "1_0", "+1", "01", "1.0", "%201"])
async def test_invalid_id_is_refused(client: httpx2.AsyncClient, hero_id: str) -> None:
    path = f"/heroes/{hero_id}"
    assert_problem(await client.get(path), 422)
    assert_problem(await client.patch(path, json={"age": 1}), 422)
    assert_problem(await client.delete(path), 422)
    assert_problem(await client.get(f"{path}/events"), 422)


async def test_patch_changes_only_the_fields_sent(client: httpx2.AsyncClient) -> None:
    team_id = await create_team(client)
    path = await create_hero(client, age=48, team_id=team_id)
    before = (await client.get(path)).json()

    response = await client.patch(path, json={"name": "Wade"})
    after = response.json()
    assert (response.status_code, response.headers["ETag"]) == (200, '"2"')
    earlier, later = (datetime.fromisoformat(hero.pop("updated_at")) for hero in (before, after))
    assert earlier <= later
    assert after == before | {"name": "Wade", "version": 2}

    again = await client.get(path)
    assert (again.json() | {"updated_at": 0}, again.headers["ETag"]) == (after | {"updated_at": 0}, '"2"')


async def test_patch_can_set_a_field_to_null(client: httpx2.AsyncClient) -> None:
    path = await create_hero(client, age=48, team_id=await create_team(client))
    hero = (await client.patch(path, json={"age": None, "team_id": None})).json()
    assert (hero["age"], hero["team_id"], hero["name"]) == (None, None, "Deadpond")


async def test_secret_name_can_be_changed(client: httpx2.AsyncClient, shared_service: Running) -> None:
    path = await create_hero(client)
    assert (await client.patch(path, json={"secret_name": "Wade Wilson"})).headers["ETag"] == '"2"'
    async with shared_service.database.read() as session:
        assert await session.scalar(select(Hero.secret_name)) == "Wade Wilson"


async def test_patch_without_a_change_changes_nothing(client: httpx2.AsyncClient) -> None:
    path = await create_hero(client, age=48)
    before = (await client.get(path)).json()
    for nothing in ({}, {"age": 48}):
        response = await client.patch(path, json=nothing)
        assert (response.status_code, response.json(), response.headers["ETag"]) == (200, before, '"1"')


async def test_if_match_refuses_a_change_of_a_newer_version(client: httpx2.AsyncClient) -> None:
    path = await create_hero(client)
    seen = {"If-Match": (await client.get(path)).headers["ETag"]}

    assert (await client.patch(path, json={"age": 1}, headers=seen)).status_code == 200
    assert_problem(await client.patch(path, json={"age": 2}, headers=seen), 412)
    assert_problem(await client.delete(path, headers=seen), 412)
    hero = (await client.get(path)).json()
    assert (hero["age"], hero["version"]) == (1, 2)

    assert (await client.delete(path, headers={"If-Match": '"2"'})).status_code == 204


async def test_if_none_match_of_the_current_version_is_304(client: httpx2.AsyncClient) -> None:
    path = await create_hero(client)
    tag = (await client.get(path)).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"7", {tag}', "*"):
        response = await client.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", tag)

    await client.patch(path, json={"age": 1})
    response = await client.get(path, headers={"If-None-Match": tag})
    assert (response.status_code, response.headers["ETag"]) == (200, '"2"')


async def test_deleted_hero_is_gone_and_keeps_its_row(client: httpx2.AsyncClient, shared_service: Running) -> None:
    path = await create_hero(client)
    response = await client.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response.headers

    assert_problem(await client.get(path), 404)
    assert_problem(await client.patch(path, json={"age": 1}), 404)
    assert_problem(await client.delete(path), 404)
    assert (await client.get("/heroes")).json()["items"] == []
    assert (await client.get("/heroes/export")).text == ""

    async with shared_service.database.read() as session:
        row = (await session.scalars(select(Hero))).one()
    assert row.deleted_at is not None
    assert (row.name, row.version) == ("Deadpond", 2)


async def test_other_methods_are_refused_with_allow(client: httpx2.AsyncClient) -> None:
    path = await create_hero(client)
    for method in ("OPTIONS", "POST", "PUT"):
        response = await client.request(method, path)
        assert (response.status_code, response.headers["Content-Type"]) == (405, "application/problem+json")
        assert "GET" in response.headers["Allow"]
