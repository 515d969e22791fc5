"""What every application has, and what one may be built with: middleware, and another database."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.kit.database.dependencies import CurrentDatabase, ReadSession, WriteSession, current_database
from app.kit.database.failures import SecondConnectionWarning
from app.kit.database.sessions import Database, open_database, open_databases
from app.kit.http.problems import problem
from app.kit.idempotency.routes import IdempotentDatabase, IdempotentSession
from app.kit.routing import Router
from app.kit.settings import KitSettings
from kit_tests.support.application import Running, all_connections_taken, application, exchange, running
from kit_tests.support.conflicts import cause_conflict
from kit_tests.support.items import Item, insert_item, names
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.problems import assert_problem
from kit_tests.support.server import TestServer
from kit_tests.support.settings import values_for
from kit_tests.support.suite import MakeSettings
from kit_tests.support.websockets import converse


async def test_no_response_is_taken_for_another_type(client: httpx2.AsyncClient) -> None:
    for path in ("/items", "/items/1", "/nowhere", "/docs", "/metrics"):
        assert (await client.get(path)).headers["X-Content-Type-Options"] == "nosniff"


async def test_garbage_collection_skips_what_start_up_made(app: FastAPI) -> None:
    async with running(app):
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("fail", [False, True])
async def test_resources_are_closed_before_the_database(make_settings: MakeSettings, fail: bool) -> None:
    before = open_databases()
    open_at: list[tuple[str, int]] = []

    @asynccontextmanager
    async def resources(_settings: KitSettings) -> AsyncIterator[dict[str, str]]:
        open_at.append(("opening", len(open_databases()) - len(before)))
        try:
            yield {}
        finally:
            open_at.append(("closing", len(open_databases()) - len(before)))

    with pytest.raises(RuntimeError, match="a bug") if fail else nullcontext():
        async with running(application(make_settings(), resources=resources)):
            if fail:
                raise RuntimeError("a bug")
    assert open_at == [("opening", 1), ("closing", 1)]
    assert open_databases() == before


# --- Middleware ---


class Visits:
    """An ASGI middleware that uses the database of the request: it stores who comes, and refuses some."""

    def __init__(self, app: ASGIApp, *, hold: bool = False) -> None:
        self._app = app
        self._hold = hold

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/probe"):
            await self._app(scope, receive, send)
            return
        if scope["path"] == "/probe/refused":
            await problem(401, "Who are you?")(scope, receive, send)
            return
        if scope["path"] == "/probe/raised":
            raise HTTPException(403, "Not you.")
        database: Database = scope["state"]["database"]
        async with database.transaction() as session:
            session.add(Item(name=f"visit of {scope['path']}"))
            if self._hold:
                await session.flush()
                await self._app(scope, receive, send)
        if not self._hold:
            await self._app(scope, receive, send)


probes = APIRouter()


@probes.get("/probe")
async def probe(session: ReadSession) -> int:
    return len((await session.scalars(select(Item.id))).all())


async def test_middleware_may_use_the_database(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        app = application(make_settings(log_level="INFO"), probes, middleware=[Middleware(Visits)])
        async with running(app) as service:
            response = await service.client.get("/probe")
            assert (response.status_code, response.json()) == (200, 1)
            assert_problem(await service.client.get("/probe/refused", headers={"X-Request-ID": "find-me"}), 401)
            assert_problem(await service.client.get("/probe/raised"), 403)
    lines = [line for line in log_lines(output) if line.get("request_id") == "find-me"]
    assert [(line["event"], line["status"]) for line in lines] == [("request", 401)]


async def test_middleware_that_gets_no_connection_is_a_503(make_settings: MakeSettings) -> None:
    app = application(
        make_settings(database_pool_timeout=0.05, cors_origins="*"), probes, middleware=[Middleware(Visits)]
    )
    async with running(app) as service, all_connections_taken(service.database):
        response = await service.client.get("/probe", headers={"Origin": "https://app.example.com"})
        assert_problem(response, 503, kind="pool-exhausted")
        assert response.headers["Retry-After"] == "1"
        assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_middleware_holds_the_one_connection_of_its_request(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        app = application(make_settings(), probes, middleware=[Middleware(Visits, hold=True)])
        async with running(app) as service:
            assert_problem(await service.client.get("/probe"), 500)
            assert await names(service.database) == set()
    (line,) = [line for line in log_lines(output) if line["event"] == "request_failed"]
    assert SecondConnectionWarning.__name__ in line["exception"]
    assert "kit_tests.test_application:" in line["exception"]


async def test_commit_of_a_middleware_does_not_prevent_a_retry(make_settings: MakeSettings) -> None:
    router = Router(prefix="/probe")
    attempts = 0

    @router.post("/retried")
    async def retried(database: CurrentDatabase) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await cause_conflict(database)
        return attempts

    async with running(application(make_settings(), router, middleware=[Middleware(Visits)])) as service:
        assert (await service.client.post("/probe/retried")).json() == 2
        assert "visit of /probe/retried" in await names(service.database)


class Trace:
    """An ASGI middleware that notes in the state that a request passed it."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.get("state", {}).setdefault("passed", []).append(self._name)
        await self._app(scope, receive, send)


async def test_first_middleware_is_the_outermost(make_settings: MakeSettings) -> None:
    names = ("first", "second", "third")
    app = application(make_settings(), middleware=[Middleware(Trace, name=name) for name in names])

    @app.get("/probe")
    async def probe(request: Request) -> list[str]:
        passed: list[str] = request.state.passed
        return passed

    async with running(app) as service:
        assert (await service.client.get("/probe")).json() == list(names)


class Gate:
    """An ASGI middleware that asks the database, or a service that refuses, before it lets anything pass."""

    def __init__(self, app: ASGIApp, *, refuses: bool = False) -> None:
        self._app = app
        self._refuses = refuses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._refuses:
            raise RuntimeError("The gate is shut.")
        if scope["type"] == "http":
            database: Database = scope["state"]["database"]
            await database.execute(select(1))
        await self._app(scope, receive, send)


OPERATIONS = ("/health/live", "/metrics")


async def test_operations_do_not_depend_on_a_middleware(make_settings: MakeSettings) -> None:
    settings = make_settings(cors_origins="*", trusted_hosts="test")
    app = application(settings, middleware=[Middleware(Visits), Middleware(Gate, refuses=True)])
    async with running(app) as service:
        for path in (*OPERATIONS, "/health/ready"):
            response = await service.client.get(path, headers={"Origin": "https://app.example.com"})
            assert response.status_code == 200, path
            assert response.headers["X-Request-ID"]
            assert response.headers["Access-Control-Allow-Origin"] == "*"
        for path in ("/items", "/nowhere", "/health", "/health/live/more", "/openapi.json", "/docs"):
            assert_problem(await service.client.get(path), 500)


async def test_operations_outlive_the_database_of_a_middleware(server: TestServer) -> None:
    settings = KitSettings(_env_file=None, **values_for(server.missing_url()))
    async with running(application(settings, middleware=[Middleware(Gate)])) as service:
        for path in OPERATIONS:
            assert (await service.client.get(path)).status_code == 200, path
        assert_problem(await service.client.get("/health/ready"), 503, kind="not-ready")
        assert_problem(await service.client.get("/items"), 503, kind="database-unavailable")


async def test_websockets_pass_every_middleware(make_settings: MakeSettings) -> None:
    app = application(make_settings(), middleware=[Middleware(Gate, refuses=True)])
    async with running(app) as service:
        start, _ = await converse(service.asgi, "/health/live")
        assert start["status"] == 500


async def test_service_behind_a_path_has_the_same_operations(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        settings = make_settings(trusted_hosts="api.example.com", log_level="INFO")
        app = application(settings, middleware=[Middleware(Gate, refuses=True)])
        async with running(app) as service:

            async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
                await service.asgi({**scope, "root_path": "/api", "path": f"/api{scope['path']}"}, receive, send)

            for path in ("/health/live", "/health/ready", "/metrics"):
                start, *_ = await exchange(mounted, "GET", path, headers=[(b"host", b"10.0.0.1")])
                assert start["status"] == 200, path
    assert log_lines(output) == []


# --- Another database ---

everything = Router(prefix="/named")


@everything.get("/database")
async def by_database(database: CurrentDatabase) -> list[str]:
    return sorted(await names(database))


@everything.get("/read-session")
async def by_read_session(session: ReadSession) -> list[str]:
    return sorted(await session.scalars(select(Item.name)))


@everything.get("/write-session")
async def by_write_session(session: WriteSession) -> list[str]:
    return sorted(await session.scalars(select(Item.name)))


@everything.post("/idempotent-database")
async def by_idempotent_database(database: IdempotentDatabase) -> list[str]:
    return sorted(name for (name,) in await database.execute(select(Item.name)))


@everything.post("/idempotent-session")
async def by_idempotent_session(session: IdempotentSession) -> list[str]:
    return sorted(await session.scalars(select(Item.name)))


@pytest.fixture
async def overridden(make_settings: MakeSettings, server: TestServer) -> AsyncIterator[Running]:
    """Return an application without a database of its own, in which another one takes its place."""
    app = application(KitSettings(_env_file=None, **values_for(server.missing_url())), everything)
    async with open_database(make_settings()) as other, running(app) as service:
        await insert_item(other, "in the other")
        app.dependency_overrides[current_database] = lambda: other
        yield service


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/named/database", {}),
        ("GET", "/named/read-session", {}),
        ("GET", "/named/write-session", {}),
        ("POST", "/named/idempotent-database", {}),
        ("POST", "/named/idempotent-database", {"Idempotency-Key": "a"}),
        ("POST", "/named/idempotent-session", {}),
        ("POST", "/named/idempotent-session", {"Idempotency-Key": "a"}),
    ],
)
async def test_override_replaces_the_database(
    overridden: Running, method: str, path: str, headers: dict[str, str]
) -> None:
    response = await overridden.client.request(method, path, headers=headers)
    assert (response.status_code, response.json()) == (200, ["in the other"])


async def test_override_replaces_the_database_of_readiness(overridden: Running) -> None:
    assert (await overridden.client.get("/health/ready")).status_code == 200
    overridden.app.dependency_overrides.clear()
    assert (await overridden.client.get("/health/ready")).status_code == 503
