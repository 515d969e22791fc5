"""Health: what an orchestrator may rely on to restart the service, or to send it requests."""

import time

import httpx2
import pytest
from sqlalchemy import text

from app.database import readiness
from tests.conftest import settings_for
from tests.kit.application import Running, all_connections_taken, application, running
from tests.kit.problems import assert_problem
from tests.kit.server import TestServer


async def test_service_is_ready_when_its_database_is_migrated(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_service_without_a_database_is_alive_and_not_ready(server: TestServer) -> None:
    async with running(application(settings_for(server.url("no/such/database")))) as service:
        answer = await service.client.get("/health/live")
        assert (answer.status_code, answer.json()) == (200, {"status": "alive"})

        answer = await service.client.get("/health/ready")
        assert_problem(answer, 503, kind="not-ready")
        assert answer.headers["Retry-After"]
        assert "no/such" not in answer.text
        assert "select" not in answer.text.lower()


async def test_service_is_not_ready_before_the_migrations_have_run(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "head_revisions", lambda: frozenset({"0815"}))
    async with server.database() as name, running(application(settings_for(server.url(name)))) as service:
        body = assert_problem(await service.client.get("/health/ready"), 503, kind="not-ready")
    assert "at revision none and the service needs 0815" in body["detail"]


async def test_service_is_not_ready_when_a_newer_version_has_migrated_the_database(service: Running) -> None:
    async with service.database.transaction() as session:
        await session.execute(text("DELETE FROM alembic_version"))
        await session.execute(text("INSERT INTO alembic_version VALUES ('4711')"))
    body = assert_problem(await service.client.get("/health/ready"), 503, kind="not-ready")
    assert "at revision 4711" in body["detail"]


async def test_service_that_gets_no_connection_is_not_ready_within_two_seconds(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert readiness.TIMEOUT_SECONDS <= 2
    monkeypatch.setattr(readiness, "TIMEOUT_SECONDS", 0.05)
    app = application(settings_for(shared_database_url))
    async with running(app) as service, all_connections_taken(service.database):
        started = time.perf_counter()
        body = assert_problem(await service.client.get("/health/ready"), 503, kind="not-ready")
        assert time.perf_counter() - started < 10
    assert "did not answer within 0.05 s" in body["detail"]
