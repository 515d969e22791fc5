"""Health: what an orchestrator may rely on to restart the service, or to send it requests."""

import time

import httpx2
import pytest
from sqlalchemy import text

from app.kit.database import schema
from kit_tests.support.application import Running, all_connections_taken, application, running
from kit_tests.support.problems import assert_problem
from kit_tests.support.server import TestServer
from kit_tests.support.settings import settings_for


async def test_service_is_ready_when_its_database_is_migrated(client: httpx2.AsyncClient) -> None:
    response = await client.get("/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def test_service_without_a_database_is_alive_and_not_ready(server: TestServer) -> None:
    async with running(application(settings_for(server.url("no/such/database")))) as service:
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


async def test_exhausted_pool_is_not_ready_within_two_seconds(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert schema.TIMEOUT_SECONDS <= 2
    monkeypatch.setattr(schema, "TIMEOUT_SECONDS", 0.05)
    app = application(settings_for(shared_database_url))
    async with running(app) as service, all_connections_taken(service.database):
        started = time.perf_counter()
        body = assert_problem(await service.client.get("/health/ready"), 503, kind="not-ready")
        assert time.perf_counter() - started < 10
    assert "did not answer within 0.05 s" in body["detail"]
