"""Health: what an orchestrator may rely on to restart the service, or to send it requests."""

import asyncio
import time
from contextlib import AsyncExitStack

import httpx2
import pytest
from sqlalchemy import text

from app.kit.database import schema
from app.kit.database.schema import head_revisions
from app.kit.http import components
from kit_tests.support.application import Running, application, running
from kit_tests.support.items import VERSIONS, insert_item
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.problems import assert_problem
from kit_tests.support.server import TestServer
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import MakeSettings


async def test_service_is_ready_when_its_database_is_migrated(client: httpx2.AsyncClient) -> None:
    response = await client.get("/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_service_without_a_database_is_alive_and_not_ready(server: TestServer) -> None:
    async with running(application(settings_for(server.missing_url()))) as service:
        response = await service.client.get("/health/live")
        assert (response.status_code, response.json()) == (200, {"status": "alive"})

        response = await service.client.get("/health/ready")
        assert_problem(response, 503, kind="not-ready")
        assert response.headers["Retry-After"]
        assert "no/such" not in response.text
        assert "select" not in response.text.lower()


async def test_service_is_not_ready_before_the_migrations_have_run(server: TestServer) -> None:
    async with server.database() as name:
        app = application(settings_for(server.url(name)), revisions=lambda: frozenset({"0815"}))
        async with running(app) as service:
            body = assert_problem(await service.client.get("/health/ready"), 503, kind="not-ready")
    assert "at revision none and the service needs 0815" in body["detail"]


async def test_newer_revision_of_the_database_is_not_ready(service: Running) -> None:
    async with service.database.transaction() as session:
        await session.execute(text("DELETE FROM alembic_version"))
        await session.execute(text("INSERT INTO alembic_version VALUES ('4711')"))
    body = assert_problem(await service.client.get("/health/ready"), 503, kind="not-ready")
    assert "at revision 4711" in body["detail"]


async def test_change_of_readiness_or_its_reason_is_logged_once(make_settings: MakeSettings) -> None:
    at_head = head_revisions(VERSIONS)
    needed = [frozenset({"0815"})] * 3 + [frozenset({"0816"})] * 2 + [at_head] * 3 + [frozenset({"4711"})] * 2
    with captured_output() as output:
        app = application(make_settings(log_level="INFO"), revisions=iter(needed).__next__)
        async with running(app) as service:
            for revisions in needed:
                response = await service.client.get("/health/ready")
                assert response.status_code == (200 if revisions == at_head else 503)
    lines = log_lines(output)
    assert [(line["event"], line["level"]) for line in lines] == [
        ("not_ready", "warning"),
        ("not_ready", "warning"),
        ("ready_again", "info"),
        ("not_ready", "warning"),
    ]
    assert "the service needs 0815" in lines[0]["reason"]
    assert "the service needs 0816" in lines[1]["reason"]
    assert "the service needs 4711" in lines[3]["reason"]


async def test_probes_of_a_ready_service_are_not_logged(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        async with running(application(make_settings(log_level="INFO"))) as service:
            await service.client.get("/health/ready")
    assert log_lines(output) == []


async def test_service_with_a_full_pool_is_ready_at_once(shared_database_url: str) -> None:
    app = application(settings_for(shared_database_url, database_pool_timeout=60))
    async with running(app) as service, AsyncExitStack() as taken:
        for _ in range(service.database.pool_status().size):
            await (await taken.enter_async_context(service.database.read())).connection()
        waiting = asyncio.create_task(insert_item(service.database, "waits"))
        started = time.perf_counter()
        probes = [service.client.get("/health/ready") for _ in range(5)]
        assert [each.status_code for each in await asyncio.gather(*probes)] == [200] * 5
        assert time.perf_counter() - started < 10
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})


async def test_success_counts_for_a_second(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "KEPT_SECONDS", 60)
    assert (await service.client.get("/health/ready")).status_code == 200
    async with service.database.transaction() as session:
        await session.execute(text("DELETE FROM alembic_version"))
    assert (await service.client.get("/health/ready")).status_code == 200
    monkeypatch.setattr(components, "KEPT_SECONDS", 0)
    assert (await service.client.get("/health/ready")).status_code == 503


async def test_database_that_is_too_slow_is_not_ready(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert schema.TIMEOUT_SECONDS <= 2
    monkeypatch.setattr(schema, "TIMEOUT_SECONDS", 0)
    async with running(application(settings_for(shared_database_url))) as service:
        body = assert_problem(await service.client.get("/health/ready"), 503, kind="not-ready")
    assert "did not answer within 0 s" in body["detail"]
