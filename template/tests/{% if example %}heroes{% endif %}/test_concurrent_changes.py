"""Changes of one hero at the same time: each is either made on what is current, or refused."""

import asyncio

from tests.kit.application import Running
from tests.kit.problems import assert_problem

HERO = {"name": "Deadpond", "secret_name": "Dive Wilson", "age": 0}


async def test_every_change_that_is_answered_with_success_is_made(service: Running) -> None:
    client = service.client
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]

    answers = await asyncio.gather(*(client.patch(hero, json={"age": age}) for age in range(1, 11)))

    made = [answer for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer not in made:
            assert_problem(answer, 409, kind="stale-version")
    # No two were made on the same version.
    assert sorted(answer.json()["version"] for answer in made) == list(range(2, 2 + len(made)))
    final = (await client.get(hero)).json()
    assert final["version"] == 1 + len(made)
    assert final in [answer.json() for answer in made]


async def test_counting_up_with_tags_loses_no_step(service: Running) -> None:
    client = service.client
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]

    async def count_up() -> None:
        while True:
            seen = await client.get(hero)
            change = {"age": seen.json()["age"] + 1}
            answer = await client.patch(hero, json=change, headers={"If-Match": seen.headers["ETag"]})
            if answer.status_code == 200:
                return
            assert answer.status_code in {409, 412}

    await asyncio.gather(*(count_up() for _ in range(5)))
    assert (await client.get(hero)).json()["age"] == 5


async def test_only_one_of_many_deletions_is_made(service: Running) -> None:
    client = service.client
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]
    answers = await asyncio.gather(*(client.delete(hero) for _ in range(5)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 404, 409}
