"""HEAD is served where GET is: the same answer without its body, and without the work of sending one."""

import asyncio
from collections.abc import AsyncGenerator

import httpx2
import pytest
from fastapi import APIRouter, BackgroundTasks
from fastapi.staticfiles import StaticFiles
from starlette.responses import StreamingResponse

from app.kit.database.dependencies import CurrentDatabase
from app.kit.database.sessions import Database
from app.kit.http.etags import IfNoneMatch, etag, require_modified
from app.kit.http.streaming import JsonLinesResponse
from kit_tests.support.application import Running, application, exchange, running, serving
from kit_tests.support.items import insert_item
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings


@pytest.mark.parametrize(
    "path",
    [
        *("/items", "/items/1", "/items/404", "/items/none", "/items/", "/items/export", "/nowhere"),
        *("/health/live", "/health/ready", "/docs", "/redoc", "/openapi.json"),
    ],
)
async def test_head_has_the_status_and_headers_of_get(service: Running, path: str) -> None:
    await insert_item(service.database, "a")
    got = await service.client.get(path)
    head = await service.client.head(path)

    assert (head.status_code, head.content) == (got.status_code, b"")
    for response in (head, got):
        response.headers.pop("X-Request-ID")
    assert head.headers == got.headers


async def test_metrics_and_unchanged_rows_have_heads(service: Running) -> None:
    @service.app.get("/probe")
    async def probe(if_none_match: IfNoneMatch = None) -> None:
        require_modified(if_none_match, 3)

    assert (await service.client.head("/metrics")).status_code == 200
    unchanged = await service.client.head("/probe", headers={"If-None-Match": etag(3)})
    assert (unchanged.status_code, unchanged.headers["ETag"]) == (304, etag(3))


async def test_head_is_not_served_where_get_is_not(client: httpx2.AsyncClient) -> None:
    response = await client.head("/items/then/400")
    assert (response.status_code, response.headers["Allow"], response.content) == (405, "POST", b"")
    assert_problem(await client.get("/items/then/400"), 405)


async def test_head_is_logged_and_counted_as_what_it_is(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        async with running(application(make_settings(log_level="INFO"))) as service:
            await service.client.head("/items")
            metrics = (await service.client.get("/metrics")).text
    assert 'http_requests_total{method="HEAD",route="/items",status="200"} 1.0' in metrics
    assert [line["method"] for line in log_lines(output) if line["event"] == "request"] == ["HEAD"]


async def test_stream_ends_with_the_head(service: Running) -> None:
    chunks = 0
    closed = asyncio.Event()

    async def rows(database: Database) -> AsyncGenerator[bytes, None]:
        nonlocal chunks
        try:
            async with database.read():
                while chunks < 10_000:
                    chunks += 1
                    yield b"a row"
        finally:
            closed.set()

    @service.app.get("/probe")
    async def probe(database: CurrentDatabase) -> JsonLinesResponse:
        return await JsonLinesResponse.start(rows(database))

    async with asyncio.timeout(60):
        response = await service.client.head("/probe")
        assert (response.status_code, response.content) == (200, b"")
        await closed.wait()
    assert chunks < 100
    assert service.database.pool_status().checked_out == 0


async def test_stream_that_is_silent_keeps_no_client_waiting(make_settings: MakeSettings) -> None:
    closed = asyncio.Event()
    router = APIRouter()

    async def silent() -> AsyncGenerator[bytes, None]:
        try:
            await asyncio.Event().wait()
            yield b"never"
        finally:
            closed.set()

    @router.get("/probe")
    async def probe() -> StreamingResponse:
        return StreamingResponse(silent())

    request = b"%s %s HTTP/1.1\r\nHost: test\r\n\r\n"
    async with serving(application(make_settings(), router)) as server, asyncio.timeout(60):
        reader, writer = await server.send(request % (b"HEAD", b"/probe") + request % (b"GET", b"/health/live"))
        first, second = [await reader.readuntil(b"\r\n\r\n") for _ in range(2)]
        await closed.wait()
        writer.close()
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")
    assert b"application/json" in second


async def test_background_tasks_of_get_run_for_head(service: Running) -> None:
    ran = asyncio.Event()

    async def note() -> None:
        ran.set()

    @service.app.get("/probe")
    async def probe(tasks: BackgroundTasks) -> None:
        tasks.add_task(note)

    assert (await service.client.head("/probe")).status_code == 200
    assert ran.is_set()


async def test_endpoint_of_its_own_serves_head(service: Running, tmp_path_factory: pytest.TempPathFactory) -> None:
    router = APIRouter()

    @router.get("/probe")
    async def probe() -> str:
        return "body"

    @router.head("/probe", status_code=204)
    async def probe_head() -> None: ...

    service.app.include_router(router)
    folder = tmp_path_factory.mktemp("files")
    folder.joinpath("a.txt").write_text("a file")
    service.app.mount("/", StaticFiles(directory=folder))

    assert (await service.client.head("/probe")).status_code == 204
    file = await service.client.head("/a.txt")
    assert (file.status_code, file.headers["Content-Length"], file.content) == (200, "6", b"")
    assert (await service.client.head("/items")).headers["Content-Type"] == "application/json"


async def test_bug_behind_a_head_is_a_500(service: Running) -> None:
    @service.app.get("/probe")
    async def probe() -> None:
        raise RuntimeError("a bug")

    sent = await exchange(service.asgi, "HEAD", "/probe")
    assert sent[0]["status"] == 500


async def test_description_has_no_heads(client: httpx2.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert not [path for path, item in paths.items() if "head" in item]
