"""What lives as long as the service: opened before the first request, closed after the last."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request

from app.kit.database.sessions import Database, open_database, open_databases
from app.kit.settings import KitSettings
from kit_tests.support.application import Running, application, running
from kit_tests.support.items import insert_alone, names
from kit_tests.support.metrics import samples
from kit_tests.support.plugin import Stage
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import Suite

Resources = Callable[[KitSettings], AbstractAsyncContextManager[Mapping[str, Any]]]


def recording(events: list[str], *, fail: bool = False) -> Resources:
    """Return resources that note when they are opened and closed."""

    @asynccontextmanager
    async def opened(name: str) -> AsyncIterator[str]:
        events.append(f"open {name}")
        try:
            yield name
        finally:
            events.append(f"close {name}")

    @asynccontextmanager
    async def resources(settings: KitSettings) -> AsyncIterator[Mapping[str, Any]]:
        async with opened("first") as first, opened("second") as second:
            if fail:
                raise ConnectionRefusedError(f"{settings.log_level} is all that is known")
            yield {"first": first, "second": second}

    return resources


async def test_resources_live_as_long_as_the_service(shared_database_url: str) -> None:
    events: list[str] = []
    app = application(settings_for(shared_database_url), resources=recording(events))

    @app.get("/probe")
    async def probe(request: Request) -> str:
        assert request.state.settings.log_level == "WARNING"
        return f"{request.state.first} and {request.state.second}"

    assert events == []
    async with running(app) as service:
        assert events == ["open first", "open second"]
        assert (await service.client.get("/probe")).json() == "first and second"
    assert events[2:] == ["close second", "close first"]


async def test_resource_that_fails_ends_the_start(shared_database_url: str) -> None:
    events: list[str] = []
    before = open_databases()
    app = application(settings_for(shared_database_url), resources=recording(events, fail=True))
    with pytest.raises(ConnectionRefusedError, match="WARNING is all that is known"):
        async with running(app):
            pass
    assert events == ["open first", "open second", "close second", "close first"]
    assert open_databases() == before


async def current_archive(request: Request) -> Database:
    database: Database = request.state.archive
    return database


with_archive = APIRouter()


@with_archive.post("/archived")
async def store(request: Request) -> None:
    await insert_alone(await current_archive(request), "in the archive")


@with_archive.get("/archived")
async def list_archived(request: Request) -> list[str]:
    return sorted(await names(await current_archive(request)))


@pytest.fixture(scope="session")
async def suite(suite: Suite, stage: Stage) -> Suite:
    """Return a suite whose application opens a second database, of which all tests roll back what they do."""
    settings = settings_for(await stage.url(suite))

    @asynccontextmanager
    async def archive(_settings: KitSettings) -> AsyncIterator[dict[str, Database]]:
        async with open_database(settings) as opened:
            yield {"archive": opened}

    def create_app(settings: KitSettings) -> FastAPI:
        return application(settings, with_archive, resources=archive)

    return replace(suite, create_app=create_app)


@pytest.mark.parametrize("_time", [1, 2])
async def test_client_rolls_back_a_second_database_too(client: httpx2.AsyncClient, _time: int) -> None:
    # Unless it did, the names would be taken the second time.
    assert (await client.post("/archived")).status_code == 200
    assert (await client.get("/archived")).json() == ["in the archive"]


async def test_pool_of_a_second_database_is_in_the_metrics(service: Running) -> None:
    values = await samples(service.client)
    for labels in (frozenset[tuple[str, str]](), frozenset({("database", "archive")})):
        assert values["database_pool_size", labels] > 0
