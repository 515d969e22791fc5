"""Many heroes at once."""

from typing import Any

import httpx2
import pytest

from kit_tests.support.problems import assert_problem
from kit_tests.support.statements import statements_seen

HERO = {"name": "Deadpond", "secret_name": "Dive Wilson"}


async def stored(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    heroes: list[dict[str, Any]] = (await client.get("/heroes", params={"limit": 100})).json()["items"]
    return heroes


async def test_many_heroes_are_inserted_in_one_batch(client: httpx2.AsyncClient) -> None:
    team_id = (await client.post("/teams", json={"name": "X", "headquarters": "Y"})).json()["id"]
    heroes = [
        HERO,
        HERO | {"name": "Rusty-Man", "age": 48},
        HERO | {"name": "Spider-Boy", "team_id": team_id},
        HERO | {"name": "Tarantula", "age": 32, "team_id": team_id},
    ]
    with statements_seen(about="INSERT") as inserts:
        response = await client.post("/heroes/bulk", json=heroes)
    assert (response.status_code, response.json()) == (201, {"inserted": 4})
    assert len(inserts) == 1
    assert [(hero["name"], hero["age"], hero["team_id"], hero["version"]) for hero in await stored(client)] == [
        ("Deadpond", None, None, 1),
        ("Rusty-Man", 48, None, 1),
        ("Spider-Boy", None, team_id, 1),
        ("Tarantula", 32, team_id, 1),
    ]


async def test_repeated_bulk_request_inserts_once(client: httpx2.AsyncClient) -> None:
    for _ in range(2):
        response = await client.post("/heroes/bulk", json=[HERO] * 3, headers={"Idempotency-Key": "a"})
        assert (response.status_code, response.json()) == (201, {"inserted": 3})
    assert len(await stored(client)) == 3


async def test_heroes_inserted_in_bulk_are_like_any_other(client: httpx2.AsyncClient) -> None:
    await client.post("/heroes/bulk", json=[HERO])
    (hero,) = await stored(client)
    path = f"/heroes/{hero['id']}"
    assert (await client.get(f"{path}/events")).json()["items"] == []
    assert (await client.patch(path, json={"age": 1}, headers={"If-Match": '"1"'})).status_code == 200
    assert (await client.delete(path)).status_code == 204


async def test_constraint_violation_inserts_none(client: httpx2.AsyncClient) -> None:
    response = await client.post("/heroes/bulk", json=[HERO] * 50 + [HERO | {"team_id": 404}] + [HERO] * 50)
    assert_problem(response, 409, kind="foreign-key-violation")
    assert await stored(client) == []


@pytest.mark.parametrize(
    "heroes",
    [[], HERO, [HERO, {}], [HERO, None], [HERO | {"age": -1}], [HERO] * 10_001],
    ids=lambda heroes: str(heroes)[:40],
)
async def test_invalid_hero_inserts_none(client: httpx2.AsyncClient, heroes: Any) -> None:
    assert_problem(await client.post("/heroes/bulk", json=heroes), 422, kind="validation")
    assert await stored(client) == []
