"""Requests that are repeated: each is carried out once, and has the same response every time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI, Request, Response
from sqlalchemy import event, func, insert, select, text, update

from app.kit.database.dependencies import CurrentDatabase
from app.kit.database.sessions import Database
from app.kit.http.etags import etag
from app.kit.idempotency.models import IdempotencyKey
from app.kit.idempotency.routes import IdempotentDatabase, IdempotentSession
from app.kit.idempotency.store import LIFETIME, PURGE_BATCH, Reservation, reserve
from app.kit.routing import Router
from kit_tests.support.application import Running, application, exchange, running
from kit_tests.support.conflicts import conflict_error
from kit_tests.support.items import Item, ItemCreate, insert_item, names
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.problems import assert_problem
from kit_tests.support.statements import statements_seen
from kit_tests.support.suite import MakeSettings

PARCEL = {"name": "parcel"}
RESERVATION = Reservation("", "POST /parcels", "a")
SEND = insert(Item).returning(Item.id, Item.name, Item.version)
SENT: list[str] = []

# An endpoint of one statement, and one that has a session.
BOTH_WAYS = pytest.mark.parametrize("path", ["/parcels", "/parcels/by-courier"])

router = Router(prefix="/parcels")


@router.post("", status_code=201)
async def send_parcel(
    item: ItemCreate, response: Response, tasks: BackgroundTasks, database: IdempotentDatabase
) -> dict[str, Any]:
    # Each time another name, so that work which is done twice is seen.
    (sent,) = await database.execute(SEND, {"name": f"{item.name} {uuid4()}", "parent_id": item.parent_id})
    tasks.add_task(SENT.append, sent.name)
    response.headers["Location"] = f"/parcels/{sent.id}"
    response.headers["ETag"] = etag(sent.version)
    return {"id": sent.id, "name": sent.name}


@router.post("/by-courier", status_code=201)
async def send_by_courier(
    item: ItemCreate, response: Response, tasks: BackgroundTasks, session: IdempotentSession
) -> dict[str, Any]:
    sent = Item(name=f"{item.name} {uuid4()}", parent_id=item.parent_id)
    session.add(sent)
    await session.flush()
    tasks.add_task(SENT.append, sent.name)
    response.headers["Location"] = f"/parcels/{sent.id}"
    response.headers["ETag"] = etag(sent.version)
    return {"id": sent.id, "name": sent.name}


@router.put("/{parcel_id}", status_code=204)
async def readdress_parcel(parcel_id: int, to: Annotated[str, Body()], session: IdempotentSession) -> None:
    session.add(Item(name=f"{parcel_id} to {to}, {uuid4()}"))


careless = APIRouter()


@careless.post("/careless")
async def send_carelessly(session: IdempotentSession) -> None:
    session.add(Item(name="careless"))


@router.post("/impatient")
async def send_impatiently(session: IdempotentSession) -> None:
    session.add(Item(name="impatient"))
    await session.commit()  # type: ignore[misc]


@pytest.fixture
def app(make_settings: MakeSettings) -> FastAPI:
    return with_parcels(make_settings)


def with_parcels(make_settings: MakeSettings, **settings: object) -> FastAPI:
    app = application(make_settings(**settings), router, careless)
    SENT.clear()
    return app


async def send(
    service: Running, key: str, parcel: dict[str, Any] = PARCEL, *, path: str = "/parcels"
) -> httpx2.Response:
    return await service.client.post(path, json=parcel, headers={"Idempotency-Key": key})


def content(response: httpx2.Response) -> tuple[Any, ...]:
    """Return what is the same in each response to a request."""
    headers = {name: response.headers.get(name) for name in ("Content-Type", "Content-Length", "Location", "ETag")}
    return response.status_code, response.content, headers


def is_replayed(response: httpx2.Response) -> bool:
    return response.headers.get("Idempotent-Replayed") == "true"


async def count(database: Database, table: type[Item | IdempotencyKey]) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def expire(database: Database) -> None:
    """Let all keys expire."""
    now = datetime.now(UTC) - timedelta(seconds=1)
    async with database.transaction() as session:
        await session.execute(update(IdempotencyKey).values(created_at=now - LIFETIME, expires_at=now))


async def add_keys(database: Database, name: str, number: int, *, lifetime: timedelta) -> None:
    """Store that many keys."""
    rows = [
        RESERVATION._replace(key=f"{name} {n}")._asdict()
        | {"fingerprint": b"", "expires_at": datetime.now(UTC) + lifetime}
        for n in range(number)
    ]
    async with database.transaction() as session:
        await session.execute(insert(IdempotencyKey), rows)


@BOTH_WAYS
async def test_repeat_gets_the_first_response_and_runs_nothing(service: Running, path: str) -> None:
    first = await send(service, "a", path=path)
    again = await send(service, "a", path=path)

    assert (first.status_code, is_replayed(first), is_replayed(again)) == (201, False, True)
    assert content(again) == content(first)
    assert first.headers["Location"] == f"/parcels/{first.json()['id']}"
    assert first.headers["ETag"] == '"1"'
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert await count(service.database, Item) == 1
    assert [first.json()["name"]] == SENT


async def test_response_without_a_body_is_replayed_too(service: Running) -> None:
    responses = [
        await service.client.put("/parcels/7", json="Utrecht", headers={"Idempotency-Key": "a"}) for _ in range(2)
    ]
    assert [content(response) for response in responses] == [content(responses[0])] * 2
    assert [(response.status_code, response.content, is_replayed(response)) for response in responses] == [
        (204, b"", False),
        (204, b"", True),
    ]
    assert await count(service.database, Item) == 1


@BOTH_WAYS
async def test_of_many_repeats_at_once_one_is_carried_out(service: Running, path: str) -> None:
    responses = await asyncio.gather(*(send(service, "a", path=path) for _ in range(15)))
    assert {response.status_code for response in responses} == {201}
    assert {response.content for response in responses} == {responses[0].content}
    assert [is_replayed(response) for response in responses].count(False) == 1
    assert (await count(service.database, Item), len(SENT)) == (1, 1)


async def test_commit_before_the_response_stores_neither_work_nor_key(service: Running) -> None:
    assert_problem(await send(service, "a", path="/parcels/impatient"), 500)
    assert (await count(service.database, Item), await count(service.database, IdempotencyKey)) == (0, 0)


async def test_repeat_waits_for_the_first_and_runs_if_that_fails(service: Running) -> None:
    with pytest.raises(RuntimeError, match="undone"):
        async with service.database.transaction() as session:
            assert await reserve(session, RESERVATION, b"of the first one") is None
            repeat = asyncio.create_task(send(service, "a"))
            await asyncio.sleep(0.05)
            assert not repeat.done()
            raise RuntimeError("undone")

    response = await repeat
    assert (response.status_code, is_replayed(response)) == (201, False)
    assert content(await send(service, "a")) == content(response)


async def test_repeat_waiting_for_too_long_is_a_503(make_settings: MakeSettings) -> None:
    async with running(with_parcels(make_settings, database_lock_timeout=0.05)) as service:
        with pytest.raises(RuntimeError, match="undone"):
            async with service.database.transaction() as session:
                await reserve(session, RESERVATION, b"of the first one")
                response = await send(service, "a")
                assert_problem(response, 503, kind="lock-timeout")
                assert response.headers["Retry-After"] == "1"
                raise RuntimeError("undone")
        assert (await send(service, "a")).status_code == 201


@BOTH_WAYS
async def test_request_that_fails_leaves_its_key_unused(service: Running, path: str) -> None:
    # It fails at the commit, when its response has been stored.
    parcel = PARCEL | {"parent_id": 404}
    for _ in range(2):
        assert_problem(await send(service, "a", parcel, path=path), 409, kind="foreign-key-violation")
    assert_problem(await send(service, "a", {"name": 7}, path=path), 422, kind="validation")
    assert (await count(service.database, Item), await count(service.database, IdempotencyKey)) == (0, 0)

    async with service.database.transaction() as session:
        session.add(Item(id=404, name="parent"))
    response = await send(service, "a", parcel, path=path)
    assert (response.status_code, is_replayed(response)) == (201, False)
    assert content(await send(service, "a", parcel, path=path)) == content(response)


async def test_key_of_another_request_is_refused(service: Running) -> None:
    first = await send(service, "a")
    assert_problem(await send(service, "a", {"name": "letter"}), 422, kind="idempotency-key-reused")
    assert_problem(
        await service.client.post("/parcels?urgent=true", json=PARCEL, headers={"Idempotency-Key": "a"}),
        422,
        kind="idempotency-key-reused",
    )
    assert content(await send(service, "a")) == content(first)

    for parcel_id, status in ((7, 204), (8, 422), (7, 204)):
        response = await service.client.put(f"/parcels/{parcel_id}", json="Utrecht", headers={"Idempotency-Key": "a"})
        assert response.status_code == status
    assert await count(service.database, Item) == 2


async def test_key_that_has_expired_is_a_new_one(service: Running) -> None:
    first = await send(service, "a")
    await expire(service.database)
    second = await send(service, "a", {"name": "letter"})
    assert (second.status_code, is_replayed(second)) == (201, False)
    assert second.headers["Location"] != first.headers["Location"]
    assert content(await send(service, "a", {"name": "letter"})) == content(second)
    assert await count(service.database, IdempotencyKey) == 1

    async with service.database.read() as session:
        created_at, expires_at = (
            await session.execute(select(IdempotencyKey.created_at, IdempotencyKey.expires_at))
        ).one()
    assert abs(expires_at - created_at - LIFETIME) < timedelta(minutes=5)


async def test_of_many_repeats_after_the_expiry_one_is_carried_out(service: Running) -> None:
    first = await send(service, "a")
    await expire(service.database)
    responses = await asyncio.gather(*(send(service, "a") for _ in range(15)))
    assert {response.status_code for response in responses} == {201}
    assert len({first.content} | {response.content for response in responses}) == 2
    assert [is_replayed(response) for response in responses].count(False) == 1
    assert await count(service.database, Item) == 2


async def test_each_request_deletes_some_expired_keys(service: Running) -> None:
    # The database takes the table for nearly empty, and chooses its plans accordingly.
    await add_keys(service.database, "new", 1, lifetime=LIFETIME)
    async with service.database.transaction() as session:
        await session.execute(text("ANALYZE idempotency_key"))
    await add_keys(service.database, "old", PURGE_BATCH * 3, lifetime=timedelta(seconds=-1))

    for key, left in (("a", PURGE_BATCH * 2 + 2), ("b", PURGE_BATCH + 3), ("b", PURGE_BATCH + 3), ("c", 4), ("d", 5)):
        assert (await send(service, key)).status_code == 201
        assert await count(service.database, IdempotencyKey) == left
    assert is_replayed(await send(service, "a"))


async def test_concurrent_deletions_of_keys_do_not_block(service: Running) -> None:
    await add_keys(service.database, "old", PURGE_BATCH * 20, lifetime=timedelta(seconds=-1))
    keys = [f"old {n}" for n in range(5)] + [f"new {n}" for n in range(5)]
    responses = await asyncio.gather(*(send(service, key) for key in keys))
    assert {(response.status_code, is_replayed(response)) for response in responses} == {(201, False)}
    # Each has removed ten at most, of which some may be the old ones that others have made new.
    assert await count(service.database, IdempotencyKey) >= PURGE_BATCH * 20 - PURGE_BATCH * len(keys) + 5


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\tb", "a\x7f", "a\x00"], ids=ascii)
async def test_key_that_cannot_be_one_is_refused(service: Running, key: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", key.encode())]
    start, *_ = await exchange(service.asgi, "POST", "/parcels", headers=headers, body=b'{"name": "parcel"}')
    assert start["status"] == 422
    assert await count(service.database, Item) == 0
    assert await count(service.database, IdempotencyKey) == 0


async def test_request_with_several_keys_is_refused(service: Running) -> None:
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", b"a"), (b"idempotency-key", b"b")]
    start, *_ = await exchange(service.asgi, "POST", "/parcels", headers=headers, body=b'{"name": "parcel"}')
    assert start["status"] == 422
    assert await count(service.database, Item) == 0
    assert await count(service.database, IdempotencyKey) == 0


@pytest.mark.parametrize(
    "key", ["x" * 255, "7f9c0b1e-4b1d-4a52-9d8c-111111111111", '"quoted"', "two words", "%s :name"]
)
async def test_key_may_be_anything_that_can_be_printed(service: Running, key: str) -> None:
    assert [is_replayed(await send(service, key)) for _ in range(2)] == [False, True]


async def test_request_without_a_key_costs_nothing_more(service: Running) -> None:
    with statements_seen(about="idempotency_key") as statements:
        for _ in range(2):
            response = await service.client.post("/parcels", json=PARCEL)
            assert (response.status_code, is_replayed(response)) == (201, False)
    assert statements == []
    assert await count(service.database, Item) == 2


async def test_response_that_could_not_be_stored_is_a_500(service: Running) -> None:
    response = await service.client.post("/careless", headers={"Idempotency-Key": "a"})
    assert_problem(response, 500)
    assert await count(service.database, Item) == 0
    assert await count(service.database, IdempotencyKey) == 0


async def test_page_of_another_origin_may_send_a_key(make_settings: MakeSettings) -> None:
    page = "https://app.example.com"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
    async with running(with_parcels(make_settings, cors_origins=page)) as service:
        response = await service.client.options("/parcels", headers={"Origin": page, **asked})
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == page


async def test_header_is_documented(service: Running) -> None:
    description = (await service.client.get("/openapi.json")).json()
    (header,) = description["paths"]["/parcels"]["post"]["parameters"]
    assert (header["name"], header["in"], header["required"]) == ("Idempotency-Key", "header", False)
    assert "Idempotent-Replayed" in header["description"]


WITH_AND_WITHOUT = pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "a"}], ids=["without key", "with key"])


@pytest.mark.parametrize("statements", [0, 1, 2])
@WITH_AND_WITHOUT
async def test_request_is_repeated_only_while_it_has_committed_nothing(
    make_settings: MakeSettings, headers: dict[str, str], statements: int
) -> None:
    conflicting = Router(prefix="/conflicting")
    attempts = 0

    @conflicting.post("")
    async def conflict_after_statements(database: IdempotentDatabase) -> None:
        nonlocal attempts
        attempts += 1
        await database.execute(select(Item.id))
        for number in range(statements):
            await database.execute(SEND, {"name": f"{number} of attempt {attempts}"})
        if attempts < 3:
            raise conflict

    async with running(application(make_settings(), conflicting)) as service:
        conflict = await conflict_error(service.database)
        response = await service.client.post("/conflicting", headers=headers)
        # With a key nothing is committed before the response is stored.
        if headers or not statements:
            assert (response.status_code, attempts) == (200, 3)
        else:
            assert_problem(response, 503, kind="concurrent-change")
            assert (response.headers["Retry-After"], attempts) == ("1", 1)
        expected = {f"{number} of attempt {attempts}" for number in range(statements)}
        assert {name for name in await names(service.database) if "attempt" in name} == expected


@WITH_AND_WITHOUT
async def test_request_that_committed_elsewhere_is_not_repeated(
    make_settings: MakeSettings, headers: dict[str, str]
) -> None:
    conflicting = Router(prefix="/conflicting")
    attempts = 0

    async def commit_besides(database: CurrentDatabase) -> None:
        nonlocal attempts
        attempts += 1
        await insert_item(database, f"besides attempt {attempts}")

    @conflicting.post("", dependencies=[Depends(commit_besides)])
    async def conflict_after_a_transaction(_once: IdempotentDatabase) -> None:
        raise conflict

    async with running(application(make_settings(), conflicting)) as service:
        conflict = await conflict_error(service.database)
        response = await service.client.post("/conflicting", headers=headers)
        assert_problem(response, 503, kind="concurrent-change")
        assert (response.headers["Retry-After"], attempts) == ("1", 1)
        assert {name for name in await names(service.database) if "attempt" in name} == {"besides attempt 1"}
        assert await count(service.database, IdempotencyKey) == 0


@WITH_AND_WITHOUT
async def test_request_whose_commit_conflicts_is_repeated(make_settings: MakeSettings, headers: dict[str, str]) -> None:
    conflicting = Router(prefix="/conflicting")
    attempts = 0

    def conflict_at_commit(_session: object) -> None:
        raise conflict

    @conflicting.post("")
    async def conflict_at_the_end(session: IdempotentSession) -> None:
        nonlocal attempts
        attempts += 1
        session.add(Item(name=f"attempt {attempts}"))
        if attempts < 3:
            event.listen(session.sync_session, "before_commit", conflict_at_commit)

    async with running(application(make_settings(), conflicting)) as service:
        conflict = await conflict_error(service.database)
        assert (await service.client.post("/conflicting", headers=headers)).status_code == 200
        assert {name for name in await names(service.database) if "attempt" in name} == {"attempt 3"}
        assert await count(service.database, IdempotencyKey) == len(headers)


async def test_clients_do_not_meet_each_others_keys(make_settings: MakeSettings) -> None:
    async def client_of(request: Request) -> str:
        return request.headers["Authorization"]

    async with running(application(make_settings(), router, client_of=client_of)) as service:

        async def send_as(client: str) -> httpx2.Response:
            headers = {"Idempotency-Key": "a", "Authorization": client}
            return await service.client.post("/parcels", json=PARCEL, headers=headers)

        responses = [await send_as(client) for client in ("one", "other", "one", "other")]
        assert [is_replayed(response) for response in responses] == [False, False, True, True]
        assert content(responses[2]) == content(responses[0]) != content(responses[1])


async def test_endpoint_of_a_plain_router_says_what_it_needs(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        async with running(with_parcels(make_settings)) as service:
            assert_problem(await service.client.post("/careless", headers={"Idempotency-Key": "a"}), 500)
            assert (await service.client.post("/careless")).status_code == 200
    (line,) = [line for line in log_lines(output) if line["event"] == "request_failed"]
    assert "/careless needs an `app.kit.routing.Router`, which stores the response." in line["exception"]
