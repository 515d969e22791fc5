"""Requests in conflict with others are repeated where the route allows it, and the client never notices."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import pytest
from anyio import from_thread
from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Request, Response
from sqlalchemy import event, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from starlette.types import Message, Receive, Scope, Send

from app.kit.database.commits import KEPT_SELECTS
from app.kit.database.dependencies import CurrentDatabase, ReadSession, WriteSession
from app.kit.database.sessions import Database, open_database
from app.kit.http.retries import RetryingRoute
from app.kit.http.streaming import JsonLinesResponse
from app.kit.routing import Router
from kit_tests.support.application import Running, application, exchange, running
from kit_tests.support.conflicts import REASON, cause_conflict, conflict_error, lost
from kit_tests.support.items import Item, insert_alone, insert_item, names
from kit_tests.support.metrics import samples
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings


@pytest.fixture
def router() -> APIRouter:
    """Return a router whose requests are repeated; what a test adds to it is served."""
    return APIRouter(route_class=RetryingRoute)


@pytest.fixture
async def service(make_settings: MakeSettings, router: APIRouter) -> AsyncIterator[Running]:
    app = application(make_settings(), router)
    async with running(app) as service:
        yield service


@dataclass(eq=False)
class Conflicts:
    """A dependency that ends the first attempts in a conflict, and counts all attempts."""

    number: int
    attempts: int = 0
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, database: CurrentDatabase) -> None:
        self.attempts += 1
        if self.attempts <= self.number:
            await cause_conflict(database)


def add_probe(router: APIRouter, *, conflicts: int) -> Conflicts:
    """Add `POST /probe`, the first attempts of which end in a conflict."""
    counted = Conflicts(conflicts)

    @router.post("/probe")
    async def probe(request: Request, database: CurrentDatabase) -> int:
        counted.bodies.append(await request.body())
        await counted(database)
        return counted.attempts

    return counted


async def retries(service: Running) -> dict[str, float]:
    """Return how many attempts at `POST /probe` ended in a conflict, by the outcome of the request."""
    labels = {"method": "POST", "route": "/probe", "reason": REASON}
    return {
        label["outcome"]: value
        for (name, sample), value in (await samples(service.client)).items()
        if name == "http_request_retries_total" and (label := dict(sample)).items() >= labels.items()
    }


async def test_request_in_conflict_is_repeated(service: Running, router: APIRouter) -> None:
    add_probe(router, conflicts=2)
    response = await service.client.post("/probe")
    assert (response.status_code, response.json()) == (200, 3)
    assert await retries(service) == {"repeated": 2}


async def test_request_in_lasting_conflict_is_a_503_with_retry_after(service: Running, router: APIRouter) -> None:
    counted = add_probe(router, conflicts=100)
    response = await service.client.post("/probe")
    assert_problem(response, 503, kind="concurrent-change")
    assert response.headers["Retry-After"] == "1"
    assert counted.attempts == 3
    assert await retries(service) == {"repeated": 2, "exhausted": 1}


@pytest.mark.parametrize(("of_router", "of_settings", "attempts"), [(1, 5, 1), (2, 1, 2), (None, 1, 1), (None, 5, 5)])
async def test_router_or_else_the_settings_say_how_often(
    make_settings: MakeSettings, of_router: int | None, of_settings: int, attempts: int
) -> None:
    counted = Conflicts(100)
    router = Router(prefix="/probe", attempts=of_router)

    @router.post("", dependencies=[Depends(counted)])
    async def probe() -> None:
        pass

    async with running(application(make_settings(request_attempts=of_settings), router)) as service:
        assert_problem(await service.client.post("/probe"), 503, kind="concurrent-change")
        assert (await retries(service)).get("repeated", 0) == attempts - 1
    assert counted.attempts == attempts


async def test_route_that_does_not_allow_it_is_not_repeated(service: Running) -> None:
    counted = Conflicts(1)

    @service.app.post("/probe", dependencies=[Depends(counted)])
    async def probe() -> None:
        pass

    response = await service.client.post("/probe")
    assert_problem(response, 503, kind="concurrent-change")
    assert response.headers["Retry-After"] == "1"
    assert counted.attempts == 1
    assert await retries(service) == {}


async def test_single_route_of_a_router_can_allow_it(service: Running) -> None:
    counted = Conflicts(1)

    async def probe() -> None:
        pass

    service.app.router.add_api_route(
        "/probe", probe, methods=["POST"], dependencies=[Depends(counted)], route_class_override=RetryingRoute
    )
    assert (await service.client.post("/probe")).status_code == 200
    assert counted.attempts == 2


async def test_other_failures_are_not_repeated(service: Running, router: APIRouter) -> None:
    attempts = 0

    @router.post("/probe/{status}")
    async def probe(status: int, database: CurrentDatabase) -> None:
        nonlocal attempts
        attempts += 1
        if status == 409:
            await insert_item(database, "twice")
        if status == 500:
            raise RuntimeError("a bug")
        raise HTTPException(status)

    await insert_item(service.database, "twice")
    for status in (404, 409, 412, 500, 503):
        attempts = 0
        assert_problem(await service.client.post(f"/probe/{status}"), status)
        assert attempts == 1, status


async def test_every_attempt_gets_the_same_body(service: Running, router: APIRouter) -> None:
    sent = bytes(range(256)) * 1000
    counted = add_probe(router, conflicts=2)
    async with asyncio.timeout(60):
        assert (await service.client.post("/probe", content=sent)).status_code == 200
    assert counted.bodies == [sent] * 3


async def test_every_attempt_gets_the_whole_body(service: Running, router: APIRouter) -> None:
    counted = Conflicts(2)
    chunks = [b"%d" % number * 10_000 for number in range(5)]

    @router.post("/probe")
    async def probe(request: Request, database: CurrentDatabase) -> None:
        read = []
        async for chunk in request.stream():
            read.append(chunk)
            if len(read) > counted.attempts:
                await counted(database)
        counted.bodies.append(b"".join(read))

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async with asyncio.timeout(60):
        assert (await service.client.post("/probe", content=body())).status_code == 200
    assert counted.attempts > 2
    assert counted.bodies == [b"".join(chunks)]


async def test_too_large_body_is_refused_in_a_later_attempt_too(make_settings: MakeSettings, router: APIRouter) -> None:
    counted = Conflicts(1)

    @router.post("/probe")
    async def probe(request: Request, database: CurrentDatabase) -> None:
        async for _ in request.stream():
            await counted(database)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 40

    app = application(make_settings(max_body_size=100), router)
    async with running(app) as service, asyncio.timeout(60):
        assert_problem(await service.client.post("/probe", content=body()), 413)
    assert counted.attempts == 3


async def test_client_that_leaves_is_seen_in_every_attempt(service: Running, router: APIRouter) -> None:
    counted = Conflicts(1)
    seen = []

    @router.post("/probe")
    async def probe(request: Request, database: CurrentDatabase) -> None:
        await request.body()
        seen.append(await request.is_disconnected())
        await counted(database)

    messages: list[Message] = [{"type": "http.request", "body": b"all"}, {"type": "http.disconnect"}]

    async def with_disconnect(scope: Scope, _receive: Receive, send: Send) -> None:
        async def receive() -> Message:
            return messages.pop(0)

        await service.asgi(scope, receive, send)

    await exchange(with_disconnect, "POST", "/probe")
    assert seen == [True, True]


async def test_nothing_is_repeated_once_a_response_has_begun(service: Running, router: APIRouter) -> None:
    attempts = 0

    async def rows(database: Database) -> AsyncGenerator[bytes, None]:
        yield b"a row\n"
        await cause_conflict(database)

    @router.get("/stream")
    async def stream(database: CurrentDatabase) -> JsonLinesResponse:
        nonlocal attempts
        attempts += 1
        return await JsonLinesResponse.start(rows(database))

    @router.get("/background")
    async def background(database: CurrentDatabase, tasks: BackgroundTasks) -> None:
        nonlocal attempts
        attempts += 1
        tasks.add_task(cause_conflict, database)

    sent: list[Message] = []

    async def note(message: Message) -> None:
        sent.append(message)

    with pytest.raises(RuntimeError, match="response already started"):
        await exchange(service.asgi, "GET", "/stream", on_message=note)
    assert attempts == 1
    assert [message.get("status", message.get("body")) for message in sent] == [200, b"a row\n"]

    attempts = 0
    start, *_ = await exchange(service.asgi, "GET", "/background")
    assert (start["status"], attempts) == (200, 1)


async def test_stream_is_sent_as_it_is_made(service: Running, router: APIRouter) -> None:
    counted = Conflicts(1)
    taken = asyncio.Event()

    async def rows() -> AsyncGenerator[bytes, None]:
        yield b"first\n"
        await taken.wait()
        yield b"second\n"

    @router.get("/stream", dependencies=[Depends(counted)])
    async def stream() -> JsonLinesResponse:
        return await JsonLinesResponse.start(rows())

    async def take(message: Message) -> None:
        if message.get("body") == b"first\n":
            taken.set()

    async with asyncio.timeout(60):
        messages = await exchange(service.asgi, "GET", "/stream", on_message=take)
    assert b"".join(message.get("body", b"") for message in messages) == b"first\nsecond\n"
    assert counted.attempts == 2


async def test_nothing_of_an_attempt_is_left_in_the_next_one(service: Running, router: APIRouter) -> None:
    counted = Conflicts(2)
    seen: list[tuple[bool, str, dict[str, str]]] = []
    ended: list[int] = []
    in_background: list[int] = []

    async def opened(request: Request) -> AsyncIterator[int]:
        try:
            yield counted.attempts
        finally:
            ended.append(request.state.attempt)

    @router.post("/probe/{name}")
    async def probe(
        *,
        name: str,
        request: Request,
        response: Response,
        tasks: BackgroundTasks,
        database: CurrentDatabase,
        attempt: Annotated[int, Depends(opened, scope="function")],
    ) -> None:
        seen.append((hasattr(request.state, "attempt"), name, dict(response.headers)))
        request.state.attempt = attempt
        request.path_params["name"] = "changed"
        response.headers[f"X-Attempt-{attempt}"] = "made"
        tasks.add_task(in_background.append, attempt)
        await counted(database)

    states = []

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        await service.asgi(scope, receive, send)
        states.append(scope["state"].get("attempt"))

    start, *_ = await exchange(watching, "POST", "/probe/kept")
    assert start["status"] == 200
    assert seen == [(False, "kept", {})] * 3
    assert [name for name, _ in start["headers"] if name.startswith(b"x-attempt")] == [b"x-attempt-2"]
    assert ended == [0, 1, 2]
    assert in_background == [2]
    # A middleware around the route sees what the last attempt has left.
    assert states == [2]


async def test_pause_holds_no_connection(service: Running, router: APIRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    conflict = await conflict_error(service.database)
    pausing = asyncio.Event()

    def longest(_shortest: float, _longest: float) -> float:
        pausing.set()
        return 60

    monkeypatch.setattr(random, "uniform", longest)

    @router.post("/probe")
    async def probe(session: ReadSession) -> None:
        await session.connection()
        raise conflict

    request = asyncio.create_task(exchange(service.asgi, "POST", "/probe"))
    async with asyncio.timeout(60):
        await pausing.wait()
    await asyncio.sleep(0)
    assert not request.done()
    assert service.database.pool_status().checked_out == 0
    request.cancel()
    await asyncio.wait([request])


async def test_repeated_request_is_one_in_the_log_and_in_the_metrics(
    make_settings: MakeSettings, router: APIRouter
) -> None:
    add_probe(router, conflicts=2)
    with captured_output() as output:
        app = application(make_settings(log_level="INFO"), router)
        async with running(app) as service:
            response = await service.client.post("/probe")
            values = await samples(service.client)
    logged = [line for line in log_lines(output) if line.get("request_id") == response.headers["X-Request-ID"]]
    lines = [line for line in logged if line["event"].startswith("request")]
    assert [line["event"] for line in lines] == ["request_repeated", "request_repeated", "request"]
    assert [line["reason"] for line in lines[:2]] == [REASON] * 2
    labels = frozenset({("method", "POST"), ("route", "/probe")})
    assert values["http_request_duration_seconds_count", labels] == 1
    assert values["http_requests_total", labels | {("status", "200")}] == 1


async def assert_exhausted_at_once(service: Running, counted: Conflicts, *, path: str = "/probe") -> None:
    """Assert that a request in conflict is not repeated, and that the client is told so."""
    response = await service.client.post(path)
    assert_problem(response, 503, kind="concurrent-change")
    assert response.headers["Retry-After"] == "1"
    assert counted.attempts == 1
    assert await retries(service) == {"exhausted": 1}


async def insert_in_a_task(database: Database, name: str) -> None:
    await asyncio.create_task(insert_alone(database, name))


async def insert_and_update(database: Database, name: str) -> None:
    await insert_alone(database, name)
    await database.execute(update(Item).where(Item.name == name).values(count=1))


async def insert_as_text(database: Database, name: str) -> None:
    await database.execute(text("INSERT INTO item (name, count, version) VALUES (:name, 0, 1)"), {"name": name})


@pytest.mark.parametrize("commit", [insert_alone, insert_and_update, insert_as_text, insert_item, insert_in_a_task])
async def test_request_that_has_committed_something_is_not_repeated(
    service: Running, router: APIRouter, commit: Callable[[Database, str], Awaitable[None]]
) -> None:
    counted = Conflicts(2)

    @router.post("/probe")
    async def probe(database: CurrentDatabase) -> None:
        await commit(database, f"attempt {counted.attempts + 1}")
        await counted(database)

    await assert_exhausted_at_once(service, counted)
    assert {name for name in await names(service.database) if name.startswith("attempt")} == {"attempt 1"}


async def test_commit_in_another_database_counts(
    make_settings: MakeSettings, service: Running, router: APIRouter
) -> None:
    counted = Conflicts(2)

    @router.post("/probe")
    async def probe(database: CurrentDatabase) -> None:
        await insert_alone(second, f"attempt {counted.attempts + 1}")
        await counted(database)

    async with open_database(make_settings()) as second:
        await assert_exhausted_at_once(service, counted)


async def test_commit_from_a_thread_counts(service: Running, router: APIRouter) -> None:
    counted = Conflicts(2)

    @router.post("/probe")
    def probe(database: CurrentDatabase) -> None:
        from_thread.run(insert_alone, database, f"attempt {counted.attempts + 1}")
        from_thread.run(counted, database)

    await assert_exhausted_at_once(service, counted)


async def test_commit_that_another_task_is_about_to_make_counts(service: Running, router: APIRouter) -> None:
    counted = Conflicts(0)
    conflict = await conflict_error(service.database)
    begun, go_on = asyncio.Event(), asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def insert_slowly(database: Database) -> None:
        async with database.transaction() as session:
            session.add(Item(name=f"attempt {counted.attempts}"))
            begun.set()
            await go_on.wait()

    @router.post("/probe")
    async def probe(database: CurrentDatabase) -> None:
        counted.attempts += 1
        tasks.append(asyncio.create_task(insert_slowly(database)))
        await begun.wait()
        raise conflict

    await assert_exhausted_at_once(service, counted)
    go_on.set()
    await asyncio.gather(*tasks)


async def test_commit_that_may_have_been_made_counts(service: Running, router: APIRouter) -> None:
    counted = Conflicts(2)

    @router.post("/probe/{broken_off_by}")
    async def probe(broken_off_by: str, database: CurrentDatabase) -> None:
        with suppress(DBAPIError, asyncio.CancelledError):
            async with database.transaction():
                raise lost() if broken_off_by == "loss" else asyncio.CancelledError
        await counted(database)

    for path in ("/probe/loss", "/probe/cancellation"):
        counted.attempts = 0
        assert_problem(await service.client.post(path), 503, kind="concurrent-change")
        assert counted.attempts == 1


async def find_alone(database: Database) -> None:
    await database.execute(select(Item.name).where(Item.id == 1))


async def find_many_alone(database: Database) -> None:
    for number in range(KEPT_SELECTS + 1):
        await database.execute(select(Item.name).where(Item.id == number))


async def read(database: Database) -> None:
    for block in (database.read, database.snapshot):
        async with block() as session:
            await session.execute(select(Item.name))


async def insert_twice(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await database.execute(insert(Item).values([{"name": "twice"}, {"name": "twice"}]))
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            session.add_all([Item(name="twice"), Item(name="twice")])


@pytest.mark.parametrize("work", [find_alone, find_many_alone, read, insert_twice])
async def test_request_that_has_written_nothing_is_repeated(
    service: Running, router: APIRouter, work: Callable[[Database], Awaitable[None]]
) -> None:
    counted = Conflicts(2)

    @router.post("/probe")
    async def probe(database: CurrentDatabase) -> None:
        await work(database)
        await counted(database)
        await insert_alone(database, f"attempt {counted.attempts}")

    assert (await service.client.post("/probe")).status_code == 200
    assert {name for name in await names(service.database) if name.startswith("attempt")} == {"attempt 3"}
    assert await retries(service) == {"repeated": 2}


async def test_write_is_not_forgotten_among_many_reads(service: Running, router: APIRouter) -> None:
    counted = Conflicts(2)

    @router.post("/probe")
    async def probe(database: CurrentDatabase) -> None:
        # It may write, for all that is known.
        await database.execute(text("SELECT 1 AS number").columns())
        await find_many_alone(database)
        await counted(database)

    await assert_exhausted_at_once(service, counted)


async def test_transaction_whose_commit_conflicts_is_repeated(service: Running, router: APIRouter) -> None:
    conflict = await conflict_error(service.database)
    attempts = 0

    def conflict_at_commit(_session: object) -> None:
        raise conflict

    @router.post("/probe")
    async def probe(session: WriteSession) -> None:
        nonlocal attempts
        attempts += 1
        session.add(Item(name=f"attempt {attempts}"))
        await session.flush()
        if attempts < 3:
            event.listen(session.sync_session, "before_commit", conflict_at_commit)

    assert (await service.client.post("/probe")).status_code == 200
    assert {name for name in await names(service.database) if name.startswith("attempt")} == {"attempt 3"}
    assert await retries(service) == {"repeated": 2}


async def test_first_statement_that_conflicts_is_repeated(service: Running, router: APIRouter) -> None:
    conflict = await conflict_error(service.database)
    attempts = 0

    def conflict_when_it_runs(*_: object) -> None:
        if attempts < 3:
            raise conflict

    @router.post("/probe")
    async def probe(database: CurrentDatabase) -> None:
        nonlocal attempts
        attempts += 1
        await insert_alone(database, f"attempt {attempts}")

    event.listen(service.database.engines.single.sync_engine, "before_cursor_execute", conflict_when_it_runs)
    assert (await service.client.post("/probe")).status_code == 200
    assert {name for name in await names(service.database) if name.startswith("attempt")} == {"attempt 3"}
    assert await retries(service) == {"repeated": 2}
