"""The id by which a request is found again: in its response, in its errors and in its logs."""

import asyncio

import httpx2
import pytest

from kit_tests.support.application import Running, exchange
from kit_tests.support.problems import assert_problem


async def id_of_response(service: Running, *request_ids: bytes) -> bytes:
    sent = await exchange(
        service.asgi, "GET", "/health/live", headers=[(b"x-request-id", request_id) for request_id in request_ids]
    )
    ids = [value for name, value in sent[0]["headers"] if name == b"x-request-id"]
    assert len(ids) == 1
    return bytes(ids[0])


async def test_every_response_has_an_id_of_its_own(client: httpx2.AsyncClient) -> None:
    responses = await asyncio.gather(*(client.get("/health/live") for _ in range(5)))
    assert len({response.headers["X-Request-ID"] for response in responses}) == 5


@pytest.mark.parametrize("request_id", [b"a", b"7f9c0b1e-4b1d-4a52-9d8c-111111111111", b"A_b.9-", b"x" * 128])
async def test_harmless_id_of_the_client_is_taken_over(shared_service: Running, request_id: bytes) -> None:
    assert await id_of_response(shared_service, request_id) == request_id


@pytest.mark.parametrize(
    "request_id",
    [b"", b"x" * 129, b"two words", b"line\nfeed", b"a\n", b"\r\nSet-Cookie: a=b", b"{}", b'"', b"\xff", b"\x1b[31m"],
)
async def test_other_id_of_the_client_is_replaced(shared_service: Running, request_id: bytes) -> None:
    assert await id_of_response(shared_service, request_id) not in {request_id, b""}


async def test_harmless_one_of_several_ids_is_taken_over(shared_service: Running) -> None:
    assert await id_of_response(shared_service, b"not this one", b"this-one", b"nor-this") == b"this-one"


async def test_error_names_the_id_of_its_request(client: httpx2.AsyncClient) -> None:
    for path in ("/nowhere", "/items/0", "/items/1"):
        response = await client.get(path, headers={"X-Request-ID": "find-me"})
        assert assert_problem(response, response.status_code)["request_id"] == "find-me"
    response = await client.post("/items/then/500", params={"name": "x"}, headers={"X-Request-ID": "find-me"})
    assert assert_problem(response, 500)["request_id"] == "find-me"
