"""Changes of one hero at the same time: each is either made on what is current, or refused."""

import asyncio

from kit_tests.support.application import Running
from kit_tests.support.problems import assert_problem

HERO = {"name": "Deadpond", "secret_name": "Dive Wilson", "age": 0}


async def test_concurrent_changes_lose_no_update(service: Running) -> None:
    client = service.client
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]

    responses = await asyncio.gather(*(client.patch(hero, json={"age": age}) for age in range(1, 11)))

    made = [response for response in responses if response.status_code == 200]
    for response in responses:
        if response not in made:
            assert_problem(response, 409, kind="stale-version")
    # No two were made on the same version.
    assert sorted(response.json()["version"] for response in made) == list(range(2, 2 + len(made)))
    final = (await client.get(hero)).json()
    assert final["version"] == 1 + len(made)
    assert final in [response.json() for response in made]


async def test_read_modify_write_with_etags_loses_no_step(service: Running) -> None:
    client = service.client
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]

    async def count_up() -> None:
        while True:
            seen = await client.get(hero)
            change = {"age": seen.json()["age"] + 1}
            response = await client.patch(hero, json=change, headers={"If-Match": seen.headers["ETag"]})
            if response.status_code == 200:
                return
            assert response.status_code in {409, 412}

    await asyncio.gather(*(count_up() for _ in range(5)))
    assert (await client.get(hero)).json()["age"] == 5


async def test_only_one_of_many_deletions_succeeds(service: Running) -> None:
    client = service.client
    hero = (await client.post("/heroes", json=HERO)).headers["Location"]
    responses = await asyncio.gather(*(client.delete(hero) for _ in range(5)))
    statuses = [response.status_code for response in responses]
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 404, 409}
