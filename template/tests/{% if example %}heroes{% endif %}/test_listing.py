"""Lists of heroes, page by page."""

from typing import Any

import httpx2
import pytest

from tests.kit.problems import assert_problem


async def make_heroes(client: httpx2.AsyncClient, *names: str, team_id: int | None = None) -> None:
    heroes = [{"name": name, "secret_name": "unknown", "team_id": team_id} for name in names]
    assert (await client.post("/heroes/bulk", json=heroes)).status_code == 201


async def page(client: httpx2.AsyncClient, **params: Any) -> tuple[list[str], str | None]:
    """Return a page's names, and the cursor of the next page."""
    answer = await client.get("/heroes", params=params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"items", "next_cursor"}
    return [hero["name"] for hero in body["items"]], body["next_cursor"]


async def test_list_without_heroes_is_an_empty_page(client: httpx2.AsyncClient) -> None:
    assert await page(client) == ([], None)


async def test_list_shows_heroes_as_they_are_shown_alone(client: httpx2.AsyncClient) -> None:
    await make_heroes(client, "Deadpond")
    (hero,) = (await client.get("/heroes")).json()["items"]
    assert hero == (await client.get(f"/heroes/{hero['id']}")).json()


async def test_page_has_50_heroes_and_up_to_100(client: httpx2.AsyncClient) -> None:
    await make_heroes(client, *(f"hero {n}" for n in range(101)))
    assert len((await page(client))[0]) == 50
    assert len((await page(client, limit=100))[0]) == 100
    assert len((await page(client, limit=1))[0]) == 1


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1e9", "many", ""])
async def test_limit_out_of_bounds_is_refused(client: httpx2.AsyncClient, limit: str) -> None:
    assert_problem(await client.get("/heroes", params={"limit": limit}), 422, kind="validation")


async def test_last_page_says_that_it_is_the_last(client: httpx2.AsyncClient) -> None:
    await make_heroes(client, "a", "b", "c", "d")
    names, cursor = await page(client, limit=2)
    assert (names, cursor is None) == (["a", "b"], False)
    assert await page(client, limit=2, cursor=cursor) == (["c", "d"], None)


async def test_pages_neither_repeat_nor_miss_a_hero_while_others_come_and_go(client: httpx2.AsyncClient) -> None:
    await make_heroes(client, *"abcdefgh")
    first = (await client.get("/heroes", params={"limit": 3})).json()

    await client.delete(f"/heroes/{first['items'][0]['id']}")
    await client.delete(f"/heroes/{first['items'][2]['id']}")
    await make_heroes(client, "i")
    second, cursor = await page(client, limit=3, cursor=first["next_cursor"])
    await make_heroes(client, "j")
    third, end = await page(client, limit=9, cursor=cursor)

    assert [hero["name"] for hero in first["items"]] + second + third == [*"abcdefghij"]
    assert end is None


async def test_list_can_be_of_one_team(client: httpx2.AsyncClient) -> None:
    team_id = (await client.post("/teams", json={"name": "X", "headquarters": "Y"})).json()["id"]
    await make_heroes(client, "loner")
    await make_heroes(client, "first", "second", "third", team_id=team_id)
    await make_heroes(client, "other loner")

    names, cursor = await page(client, team_id=team_id, limit=2)
    assert names == ["first", "second"]
    assert await page(client, team_id=team_id, limit=2, cursor=cursor) == (["third"], None)
    assert await page(client, team_id=team_id + 1) == ([], None)


@pytest.mark.parametrize("team_id", ["0", "-1", str(2**63), "one", ""])
async def test_team_that_cannot_be_is_refused(client: httpx2.AsyncClient, team_id: str) -> None:
    assert_problem(await client.get("/heroes", params={"team_id": team_id}), 422, kind="validation")


@pytest.mark.parametrize("cursor", ["", "forged", "WzBd", "WyJ4Il0", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5XQ", "x" * 201])
async def test_forged_cursor_is_refused(client: httpx2.AsyncClient, cursor: str) -> None:
    assert_problem(await client.get("/heroes", params={"cursor": cursor}), 422)
