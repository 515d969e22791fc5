"""What is recorded about heroes in the background."""

from datetime import datetime
from typing import Any

import httpx2
from sqlalchemy import func, select
from starlette.types import Message

from app.heroes.models import HeroEvent
from kit_tests.support.application import Running, exchange
from kit_tests.support.problems import assert_problem

HERO = {"name": "Deadpond", "secret_name": "Dive Wilson"}


async def kinds(client: httpx2.AsyncClient, hero: str) -> list[str]:
    response = await client.get(f"{hero}/events")
    assert response.status_code == 200
    return [event["kind"] for event in response.json()["items"]]


async def test_each_change_of_a_hero_is_recorded(client: httpx2.AsyncClient) -> None:
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]
    (event,) = (await client.get(f"{hero}/events")).json()["items"]
    assert set(event) == {"kind", "recorded_at"}
    assert datetime.fromisoformat(event["recorded_at"]).tzinfo is not None

    await client.patch(hero, json={"age": 48})
    await client.delete(hero)
    assert await kinds(client, hero) == ["created", "updated", "deleted"]


async def test_events_are_listed_in_pages(client: httpx2.AsyncClient) -> None:
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]
    for age in range(4):
        await client.patch(hero, json={"age": age})

    pages: list[list[str]] = []
    cursor: str | None = None
    while cursor or not pages:
        params: dict[str, Any] = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = (await client.get(f"{hero}/events", params=params)).json()
        pages.append([event["kind"] for event in page["items"]])
        cursor = page["next_cursor"]
    assert pages == [["created", "updated"], ["updated", "updated"], ["updated"]]

    for query in ("limit=0", "limit=101", "cursor=forged"):
        assert_problem(await client.get(f"{hero}/events?{query}"), 422)


async def test_refused_change_is_not_recorded(client: httpx2.AsyncClient) -> None:
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]
    assert (await client.patch(hero, json={"team_id": 404})).status_code == 409
    assert (await client.delete(hero, headers={"If-Match": '"7"'})).status_code == 412
    assert (await client.post("/heroes", json=HERO | {"team_id": 404})).status_code == 409
    assert await kinds(client, hero) == ["created"]


async def test_patch_without_a_change_is_not_recorded(client: httpx2.AsyncClient) -> None:
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]
    for nothing in ({}, {"name": HERO["name"]}):
        assert (await client.patch(hero, json=nothing)).status_code == 200
    assert await kinds(client, hero) == ["created"]


async def test_replayed_request_is_not_recorded_again(client: httpx2.AsyncClient) -> None:
    responses = [await client.post("/heroes", json=HERO, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert [response.headers.get("Idempotent-Replayed") for response in responses] == [None, "true"]
    assert await kinds(client, responses[0].headers["Location"]) == ["created"]


async def test_event_is_recorded_after_the_response(service: Running) -> None:
    async def events() -> int | None:
        async with service.database.read() as session:
            return await session.scalar(select(func.count(HeroEvent.id)))

    recorded = []

    async def look(_message: Message) -> None:
        recorded.append(await events())

    headers = [(b"content-type", b"application/json")]
    body = b'{"name": "Deadpond", "secret_name": "Dive Wilson"}'
    await exchange(service.asgi, "POST", "/heroes", headers=headers, body=body, on_message=look)

    assert recorded == [0, 0]
    assert await events() == 1
