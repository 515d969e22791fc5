"""The metrics: what a dashboard and an alert may rely on."""

import asyncio

import httpx2

from kit_tests.support.application import Running, all_connections_taken, application, eventually, exchange, running
from kit_tests.support.metrics import samples
from kit_tests.support.settings import settings_for


async def requests(client: httpx2.AsyncClient) -> dict[tuple[str, str, str], float]:
    """Return how many requests were served, by method, route and status."""
    return {
        (label["method"], label["route"], label["status"]): value
        for (name, labels), value in (await samples(client)).items()
        if name == "http_requests_total" and (label := dict(labels))
    }


async def test_requests_are_counted_by_route_and_not_by_path(service: Running) -> None:
    for path in ("/items/1", "/items/2", "/items/none", "/nowhere/1", "/nowhere/2"):
        await service.client.get(path)
    await service.client.delete("/items/1")
    await service.client.request("BREW", "/items/1")
    await service.client.request("STEEP", "/items/1")

    assert await requests(service.client) == {
        ("GET", "/items/{item_id}", "404"): 2,
        ("GET", "/items/{item_id}", "422"): 1,
        ("GET", "unmatched", "404"): 2,
        ("DELETE", "/items/{item_id}", "405"): 1,
        ("OTHER", "/items/{item_id}", "405"): 2,
    }


async def test_requests_are_timed(service: Running) -> None:
    @service.app.get("/probe")
    async def probe() -> None:
        await asyncio.sleep(0.02)

    await service.client.get("/probe")
    labels = frozenset({("method", "GET"), ("route", "/probe")})
    values = await samples(service.client)
    assert values["http_request_duration_seconds_count", labels] == 1
    assert 0.02 <= values["http_request_duration_seconds_sum", labels] < 10


async def test_request_aborted_before_its_response_counts_as_status_0(service: Running) -> None:
    started = asyncio.Event()

    @service.app.get("/probe")
    async def probe() -> None:
        started.set()
        await asyncio.Event().wait()

    request = asyncio.create_task(exchange(service.asgi, "GET", "/probe"))
    await started.wait()
    request.cancel()
    await asyncio.wait([request])
    assert await requests(service.client) == {("GET", "/probe", "0"): 1}


async def test_pool_metrics_show_size_use_and_waiting(shared_database_url: str) -> None:
    async with running(application(settings_for(shared_database_url))) as service:
        database = service.database

        async def pool() -> dict[str, float]:
            return {
                name.removeprefix("database_pool_"): value
                for (name, _), value in (await samples(service.client)).items()
                if name.startswith("database_pool_")
            }

        idle = await pool()
        assert idle.pop("size") == database.pool_status().size > 0
        assert set(idle) == {"checked_out", "overflow", "waiting", "wait_seconds_count", "wait_seconds_sum"}
        assert set(idle.values()) == {0}

        async with all_connections_taken(database):
            waiting = asyncio.create_task(service.client.get("/items"))
            await eventually(lambda: database.pool_status().waiting == 1)
            busy = await pool()
            assert busy["checked_out"] == busy["size"]
            assert busy["waiting"] == 1
        await waiting

        after = await pool()
        assert (after["checked_out"], after["waiting"], after["wait_seconds_count"]) == (0, 0, 1)
        assert after["wait_seconds_sum"] > 0


async def test_two_applications_in_one_process_count_for_themselves(shared_database_url: str) -> None:
    settings = settings_for(shared_database_url)
    async with running(application(settings)) as one, running(application(settings)) as other:
        await one.client.get("/nowhere")
        assert await requests(one.client) == {("GET", "unmatched", "404"): 1}
        assert ("GET", "unmatched", "404") not in await requests(other.client)


async def test_application_can_be_started_again(shared_database_url: str) -> None:
    app = application(settings_for(shared_database_url))
    for _ in range(2):
        async with running(app) as service:
            text = (await service.client.get("/metrics")).text
            assert text.count("# TYPE database_pool_size gauge") == 1
