"""Lists of heroes, page by page."""

from typing import Any

import httpx2
import pytest

from kit_tests.support.problems import assert_problem


async def create_heroes(client: httpx2.AsyncClient, *names: str, team_id: int | None = None) -> None:
    heroes = [{"name": name, "secret_name": "unknown", "team_id": team_id} for name in names]
    assert (await client.post("/heroes/bulk", json=heroes)).status_code == 201


async def page(client: httpx2.AsyncClient, **params: Any) -> tuple[list[str], str | None]:
    """Return a page's names, and the cursor of the next page."""
    response = await client.get("/heroes", params=params)
    assert response.status_code == 200, response.text
    body = response.json()
    assert set(body) == {"items", "next_cursor"}
    return [hero["name"] for hero in body["items"]], body["next_cursor"]


async def test_list_without_heroes_is_an_empty_page(client: httpx2.AsyncClient) -> None:
    assert await page(client) == ([], None)


async def test_list_shows_heroes_as_the_single_endpoint_does(client: httpx2.AsyncClient) -> None:
    await create_heroes(client, "Deadpond")
    (hero,) = (await client.get("/heroes")).json()["items"]
    assert hero == (await client.get(f"/heroes/{hero['id']}")).json()


async def test_page_has_50_heroes_by_default_and_100_at_most(client: httpx2.AsyncClient) -> None:
    await create_heroes(client, *(f"hero {n}" for n in range(101)))
    assert len((await page(client))[0]) == 50
    assert len((await page(client, limit=100))[0]) == 100
    assert len((await page(client, limit=1))[0]) == 1


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1e9", "1_0", "many", ""])
async def test_limit_out_of_bounds_is_refused(client: httpx2.AsyncClient, limit: str) -> None:
    assert_problem(await client.get("/heroes", params={"limit": limit}), 422, kind="validation")


async def test_last_page_has_no_cursor(client: httpx2.AsyncClient) -> None:
    await create_heroes(client, "a", "b", "c", "d")
    names, cursor = await page(client, limit=2)
    assert (names, cursor is None) == (["a", "b"], False)
    assert await page(client, limit=2, cursor=cursor) == (["c", "d"], None)


async def test_pages_are_stable_while_heroes_come_and_go(client: httpx2.AsyncClient) -> None:
    await create_heroes(client, *"abcdefgh")
    first = (await client.get("/heroes", params={"limit": 3})).json()

    await client.delete(f"/heroes/{first['items'][0]['id']}")
    await client.delete(f"/heroes/{first['items'][2]['id']}")
    await create_heroes(client, "i")
    second, cursor = await page(client, limit=3, cursor=first["next_cursor"])
    await create_heroes(client, "j")
    third, end = await page(client, limit=9, cursor=cursor)

    assert [hero["name"] for hero in first["items"]] + second + third == [*"abcdefghij"]
    assert end is None


async def test_list_of_one_team(client: httpx2.AsyncClient) -> None:
    team_id = (await client.post("/teams", json={"name": "X", "headquarters": "Y"})).json()["id"]
    await create_heroes(client, "loner")
    await create_heroes(client, "first", "second", "third", team_id=team_id)
    await create_heroes(client, "other loner")

    names, cursor = await page(client, team_id=team_id, limit=2)
    assert names == ["first", "second"]
    assert await page(client, team_id=team_id, limit=2, cursor=cursor) == (["third"], None)
    assert await page(client, team_id=team_id + 1) == ([], None)
    assert await page(client, has_team=False) == (["loner", "other loner"], None)
    assert await page(client, has_team=True) == (["first", "second", "third"], None)


@pytest.mark.parametrize("team_id", ["0", "-1", str(2**63), "1_0", "one", ""])
async def test_invalid_team_id_is_refused(client: httpx2.AsyncClient, team_id: str) -> None:
    assert_problem(await client.get("/heroes", params={"team_id": team_id}), 422, kind="validation")


async def test_list_is_sorted_as_asked(client: httpx2.AsyncClient) -> None:
    await create_heroes(client, *"abcde")
    names, cursor = await page(client, sort="-id", limit=3)
    assert names == ["e", "d", "c"]
    assert await page(client, sort="-id", limit=3, cursor=cursor) == (["b", "a"], None)
    assert_problem(await client.get("/heroes", params={"sort": "id", "cursor": cursor}), 422)


@pytest.mark.parametrize("asked", ["sort=name", "sort=", "name=Deadpond", "total=many"])
async def test_what_the_list_does_not_know_is_refused(client: httpx2.AsyncClient, asked: str) -> None:
    assert_problem(await client.get(f"/heroes?{asked}"), 422, kind="validation")


async def test_links_lead_to_the_other_pages(client: httpx2.AsyncClient) -> None:
    await create_heroes(client, *"abcde")
    assert "Link" not in (await client.get("/heroes")).headers
    first = await client.get("/heroes?limit=2&sort=-id")
    second = await client.get(first.links["next"]["url"])
    assert [hero["name"] for hero in second.json()["items"]] == ["c", "b"]
    assert second.links.keys() == {"next", "prev", "first"}
    for relation in ("prev", "first"):
        assert (await client.get(second.links[relation]["url"])).json() == first.json()


async def test_total_is_counted_when_asked_for(client: httpx2.AsyncClient) -> None:
    team_id = (await client.post("/teams", json={"name": "X", "headquarters": "Y"})).json()["id"]
    await create_heroes(client, "loner")
    await create_heroes(client, "first", "second", team_id=team_id)
    assert "X-Total-Count" not in (await client.get("/heroes")).headers
    for asked, total in {"limit=1": "3", f"team_id={team_id}": "2"}.items():
        assert (await client.get(f"/heroes?{asked}&total=true")).headers["X-Total-Count"] == total


@pytest.mark.parametrize(
    "cursor", ["", "forged", "WyJpZCIsMF0", "WyJpZCIsIngiXQ", "WyJpZCIsOTk5OTk5OTk5OTk5OTk5OTk5OTld", "x" * 2001]
)
async def test_forged_cursor_is_refused(client: httpx2.AsyncClient, cursor: str) -> None:
    assert_problem(await client.get("/heroes", params={"cursor": cursor}), 422)
