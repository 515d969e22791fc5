"""Teams: create, and read with their first heroes."""

import asyncio
from typing import Any

import httpx2
import pytest

from kit_tests.support.application import Running
from kit_tests.support.problems import assert_problem
from kit_tests.support.statements import statements_seen

TEAM = {"name": "Preventers", "headquarters": "Sharp Tower"}


async def test_created_team_is_returned_with_its_location(client: httpx2.AsyncClient) -> None:
    response = await client.post("/teams", json=TEAM)
    team = response.json()
    assert (response.status_code, team) == (201, TEAM | {"id": team["id"]})
    assert response.headers["Location"] == f"/teams/{team['id']}"

    again = await client.get(response.headers["Location"])
    assert (again.status_code, again.json()) == (200, team | {"heroes": [], "next_cursor": None})


async def test_location_of_a_team_has_the_prefix_of_a_proxy(service: Running) -> None:
    # As with `uvicorn --root-path /api`.
    transport = httpx2.ASGITransport(service.asgi, root_path="/api")
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        created = await client.post("/api/teams", json=TEAM)
        assert created.headers["Location"] == f"/api/teams/{created.json()['id']}"
        assert (await client.get(created.headers["Location"])).is_success


async def test_name_is_unique(service: Running) -> None:
    responses = await asyncio.gather(*(service.client.post("/teams", json=TEAM) for _ in range(4)))
    created, *refused = sorted(responses, key=lambda response: response.status_code)
    assert created.status_code == 201
    for response in refused:
        assert_problem(response, 409, kind="unique-violation")
        assert "Preventers" not in response.text


async def test_repeated_request_replays_the_response(client: httpx2.AsyncClient) -> None:
    first, again = [await client.post("/teams", json=TEAM, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Location"] == first.headers["Location"]


@pytest.mark.parametrize(
    "fields",
    [{"name": ""}, {"name": "x" * 201}, {"name": "a\0b"}, {"headquarters": ""}, {"headquarters": None}, {"motto": "?"}],
    ids=repr,
)
async def test_invalid_fields_are_refused(client: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
    assert_problem(await client.post("/teams", json=TEAM | fields), 422, kind="validation")


async def test_unknown_team_is_not_found(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.get("/teams/404"), 404)
    for team_id in ("0", "-1", str(2**63), "one", "1_0", "+1", "01", "1.0", "%201"):
        assert_problem(await client.get(f"/teams/{team_id}"), 422)


async def test_team_shows_its_first_100_heroes(client: httpx2.AsyncClient) -> None:
    path = (await client.post("/teams", json=TEAM)).headers["Location"]
    team_id = int(path.rpartition("/")[2])
    heroes = [{"name": f"hero {n}", "secret_name": "unknown", "team_id": team_id} for n in range(130)]
    await client.post("/heroes/bulk", json=heroes)

    with statements_seen(about="FROM") as statements:
        team = (await client.get(path)).json()
    assert [hero["name"] for hero in team["heroes"]] == [hero["name"] for hero in heroes[:100]]
    assert len(statements) == 2

    rest = await client.get("/heroes", params={"team_id": team_id, "cursor": team["next_cursor"]})
    assert [hero["name"] for hero in rest.json()["items"]] == [hero["name"] for hero in heroes[100:]]


async def test_team_shows_only_its_current_heroes(client: httpx2.AsyncClient) -> None:
    path = (await client.post("/teams", json=TEAM)).headers["Location"]
    hero = {"secret_name": "unknown", "team_id": int(path.rpartition("/")[2])}
    stays, deleted, moved = [
        (await client.post("/heroes", json=hero | {"name": name})).headers["Location"] for name in ("a", "b", "c")
    ]
    await client.delete(deleted)
    await client.patch(moved, json={"team_id": None})

    team = (await client.get(path)).json()
    assert team["heroes"] == [(await client.get(stays)).json()]
