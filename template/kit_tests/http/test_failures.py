"""What a client is told when something goes wrong: enough to act on, and nothing that is none of its business."""

import httpx2
import pytest
from fastapi import HTTPException, Response
from sqlalchemy import text

from app.kit.database.dependencies import ReadSession, WriteSession
from app.kit.http.problems import ProblemError, problem
from kit_tests.support.application import Running, all_connections_taken, application, running
from kit_tests.support.items import Item, names
from kit_tests.support.problems import assert_problem
from kit_tests.support.server import TestServer
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import MakeSettings

JSON = {"Content-Type": "application/json"}


async def test_every_error_is_a_problem_in_the_same_form(client: httpx2.AsyncClient) -> None:
    made = (await client.post("/items", json={"name": "taken"})).json()["id"]

    assert_problem(await client.post("/items", content=b"\xff", headers=JSON), 422, kind="validation")
    assert_problem(await client.get("/nowhere"), 404)
    assert_problem(await client.get("/items/999"), 404)
    assert_problem(await client.put("/items"), 405)
    assert_problem(await client.post("/items", json={"name": "taken"}), 409, kind="unique-violation")
    assert_problem(await client.patch(f"/items/{made}", json={"count": 1}, headers={"If-Match": '"7"'}), 412)
    assert_problem(await client.post("/items", content=b" " * 2_000_000, headers=JSON), 413)
    assert_problem(await client.post("/items", json={}), 422, kind="validation")
    assert_problem(await client.get("/items", params={"cursor": "forged"}), 422, kind="invalid-cursor")
    assert_problem(await client.post("/items/then/500", params={"name": "x"}), 500)
    assert_problem(await client.post("/items/then/503", params={"name": "x"}), 503)


async def test_refused_fields_are_named_without_their_values(client: httpx2.AsyncClient) -> None:
    response = await client.post("/items", json={"name": 1, "count": "swordfish"})
    body = assert_problem(response, 422, kind="validation")
    assert [error["loc"] for error in body["errors"]] == [["body", "name"], ["body", "count"]]
    assert body["detail"].startswith("body.name: ")
    assert "swordfish" not in response.text


async def test_body_with_many_errors_has_a_short_response(client: httpx2.AsyncClient) -> None:
    response = await client.post("/items", json={"name": "x"} | {f"unknown{n}": 1 for n in range(1000)})
    body = assert_problem(response, 422, kind="validation")
    assert len(body["errors"]) == 20


async def test_method_not_allowed_names_those_that_are(client: httpx2.AsyncClient) -> None:
    for path, allowed in (
        ("/items", "GET, HEAD, POST"),
        ("/items/1", "GET, HEAD, PATCH"),
        ("/health/live", "GET, HEAD"),
    ):
        for method in ("DELETE", "OPTIONS", "PROPFIND"):
            response = await client.request(method, path)
            assert_problem(response, 405)
            assert response.headers["Allow"] == allowed


async def test_not_modified_has_no_body(service: Running) -> None:
    @service.app.get("/probe")
    async def probe() -> None:
        raise HTTPException(304, headers={"ETag": '"1"'})

    response = await service.client.get("/probe")
    assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", '"1"')


async def test_failure_shows_no_statement_values_or_credentials(service: Running) -> None:
    client = service.client
    await client.post("/items", json={"name": "swordfish"})
    url = service.database.engines.write.url
    for response in (
        await client.post("/items", json={"name": "swordfish"}),
        await client.post("/items", json={"name": "orphan", "parent_id": 404}),
        await client.post("/items/then/500", params={"name": "swordfish"}),
        await client.post("/items/then/500", params={"name": "another"}),
    ):
        assert response.status_code in {409, 500}
        for secret in ("swordfish", "item", "INSERT", "Traceback", "sqlalchemy", url.database):
            assert str(secret) not in response.text


async def test_bug_in_a_statement_is_a_500(service: Running) -> None:
    @service.app.get("/probe")
    async def probe(session: ReadSession) -> None:
        await session.execute(text("SELECT swordfish FROM nowhere"))

    response = await service.client.get("/probe")
    assert_problem(response, 500)
    assert "nowhere" not in response.text


async def test_locked_row_is_a_503_and_succeeds_later(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(database_lock_timeout=0.05))) as service:
        with pytest.raises(RuntimeError, match="undone"):
            async with service.database.transaction() as session:
                session.add(Item(name="contended"))
                await session.flush()
                response = await service.client.post("/items", json={"name": "contended"})
                assert_problem(response, 503, kind="lock-timeout")
                assert response.headers["Retry-After"] == "1"
                raise RuntimeError("undone")
        assert (await service.client.post("/items", json={"name": "contended"})).status_code == 201


async def test_exhausted_pool_is_a_503_with_retry_after(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(database_pool_timeout=0.05))) as service:
        async with all_connections_taken(service.database):
            response = await service.client.get("/items")
            assert_problem(response, 503, kind="pool-exhausted")
            assert response.headers["Retry-After"] == "1"
        assert (await service.client.get("/items")).status_code == 200


async def test_database_that_does_not_exist_is_a_503(server: TestServer) -> None:
    async with running(application(settings_for(server.missing_url()))) as service:
        response = await service.client.get("/items")
        assert_problem(response, 503, kind="database-unavailable")
        assert response.headers["Retry-After"] == "1"
        assert "no/such" not in response.text


async def test_problem_of_ones_own_is_sent_and_rolls_back(service: Running) -> None:
    @service.app.post("/probe")
    async def probe(session: WriteSession) -> None:
        session.add(Item(name="rolled back"))
        await session.flush()
        raise ProblemError(409, "On a mission.", kind="on-a-mission", headers={"Retry-After": "60"}, mission_id=7)

    response = await service.client.post("/probe")
    body = assert_problem(response, 409, kind="on-a-mission")
    assert (body["detail"], body["mission_id"]) == ("On a mission.", 7)
    assert response.headers["Retry-After"] == "60"
    assert await names(service.database) == set()


async def test_problem_that_is_returned_does_not_roll_back(service: Running) -> None:
    @service.app.post("/probe", response_model=None)
    async def probe(session: WriteSession) -> Response:
        session.add(Item(name="stored"))
        return problem(409, "Stored all the same.", kind="stored")

    assert_problem(await service.client.post("/probe"), 409, kind="stored")
    assert await names(service.database) == {"stored"}
