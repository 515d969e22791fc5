"""Teams: made, and read with their heroes."""

import asyncio
from typing import Any

import httpx2
import pytest

from tests.kit.application import Running
from tests.kit.problems import assert_problem
from tests.kit.statements import statements_seen

TEAM = {"name": "Preventers", "headquarters": "Sharp Tower"}


async def test_created_team_is_answered_with_its_place(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/teams", json=TEAM)
    team = answer.json()
    assert (answer.status_code, team) == (201, TEAM | {"id": team["id"]})
    assert answer.headers["Location"] == f"/teams/{team['id']}"

    again = await client.get(answer.headers["Location"])
    assert (again.status_code, again.json()) == (200, team | {"heroes": []})


async def test_name_is_given_only_once(service: Running) -> None:
    answers = await asyncio.gather(*(service.client.post("/teams", json=TEAM) for _ in range(4)))
    created, *refused = sorted(answers, key=lambda answer: answer.status_code)
    assert created.status_code == 201
    for answer in refused:
        assert_problem(answer, 409, kind="unique-violation")
        assert "Preventers" not in answer.text


async def test_repeated_request_is_answered_as_before_and_not_with_a_conflict(client: httpx2.AsyncClient) -> None:
    first, again = [await client.post("/teams", json=TEAM, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Location"] == first.headers["Location"]


@pytest.mark.parametrize(
    "fields",
    [{"name": ""}, {"name": "x" * 201}, {"name": "a\0b"}, {"headquarters": ""}, {"headquarters": None}, {"motto": "?"}],
    ids=repr,
)
async def test_fields_that_no_team_can_have_are_refused(client: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
    assert_problem(await client.post("/teams", json=TEAM | fields), 422, kind="validation")


async def test_unknown_team_is_not_found(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.get("/teams/404"), 404)
    for team_id in ("0", "-1", str(2**63), "one"):
        assert_problem(await client.get(f"/teams/{team_id}"), 422)


async def test_team_and_all_its_heroes_take_two_statements(client: httpx2.AsyncClient) -> None:
    path = (await client.post("/teams", json=TEAM)).headers["Location"]
    heroes = [
        {"name": f"hero {n}", "secret_name": "unknown", "team_id": int(path.rpartition("/")[2])} for n in range(1200)
    ]
    await client.post("/heroes/bulk", json=heroes)

    with statements_seen(about="FROM") as statements:
        team = (await client.get(path)).json()

    assert [hero["name"] for hero in team["heroes"]] == [hero["name"] for hero in heroes]
    assert len(statements) <= 2


async def test_team_shows_its_heroes_as_they_are_shown_alone_and_none_who_left(client: httpx2.AsyncClient) -> None:
    path = (await client.post("/teams", json=TEAM)).headers["Location"]
    hero = {"secret_name": "unknown", "team_id": int(path.rpartition("/")[2])}
    stays, deleted, moved = [
        (await client.post("/heroes", json=hero | {"name": name})).headers["Location"] for name in ("a", "b", "c")
    ]
    await client.delete(deleted)
    await client.patch(moved, json={"team_id": None})

    team = (await client.get(path)).json()
    assert team["heroes"] == [(await client.get(stays)).json()]
