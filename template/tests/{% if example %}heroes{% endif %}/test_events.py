"""What is recorded about heroes in the background."""

from datetime import datetime

import httpx2
from sqlalchemy import func, select
from starlette.types import Message

from app.heroes.models import HeroEvent
from tests.kit.application import Running, exchange

HERO = {"name": "Deadpond", "secret_name": "Dive Wilson"}


async def kinds(client: httpx2.AsyncClient, hero: str) -> list[str]:
    answer = await client.get(f"{hero}/events")
    assert answer.status_code == 200
    return [event["kind"] for event in answer.json()]


async def test_everything_that_happens_to_a_hero_is_recorded(client: httpx2.AsyncClient) -> None:
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]
    (event,) = (await client.get(f"{hero}/events")).json()
    assert set(event) == {"kind", "recorded_at"}
    assert datetime.fromisoformat(event["recorded_at"]).tzinfo is not None

    await client.patch(hero, json={"age": 48})
    await client.delete(hero)
    assert await kinds(client, hero) == ["created", "updated", "deleted"]


async def test_refused_change_is_not_recorded(client: httpx2.AsyncClient) -> None:
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]
    assert (await client.patch(hero, json={"team_id": 404})).status_code == 409
    assert (await client.delete(hero, headers={"If-Match": '"7"'})).status_code == 412
    assert (await client.post("/heroes", json=HERO | {"team_id": 404})).status_code == 409
    assert await kinds(client, hero) == ["created"]


async def test_change_that_changes_nothing_is_not_recorded(client: httpx2.AsyncClient) -> None:
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]
    for nothing in ({}, {"name": HERO["name"]}):
        assert (await client.patch(hero, json=nothing)).status_code == 200
    assert await kinds(client, hero) == ["created"]


async def test_repeated_request_is_not_recorded_again(client: httpx2.AsyncClient) -> None:
    answers = [await client.post("/heroes", json=HERO, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]
    assert await kinds(client, answers[0].headers["Location"]) == ["created"]


async def test_event_is_recorded_after_the_answer_in_a_transaction_of_its_own(service: Running) -> None:
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
