"""Input that is hostile, broken or too large: refused with a reason, and never a 500."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import httpx2
import pytest
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator, PositiveInt, TypeAdapter, ValidationError

from app.kit.http.error_handlers import response_to
from app.kit.http.validation import MAX_ERRORS, first_errors
from kit_tests.support.application import Running, exchange
from kit_tests.support.problems import assert_problem

JSON = {"Content-Type": "application/json"}
LIMIT = 1_048_576


async def stored(client: httpx2.AsyncClient) -> list[str]:
    names: list[str] = (await client.get("/items")).json()["items"]
    return names


def body_of(size: int) -> bytes:
    return b'{"name": "' + b"x" * (size - 12) + b'"}'


async def test_body_of_the_largest_size_is_taken(client: httpx2.AsyncClient) -> None:
    # What the endpoint makes of it afterwards is another matter.
    response = await client.post("/items", content=body_of(LIMIT), headers=JSON)
    assert response.status_code != 413


async def test_body_that_says_that_it_is_too_large_is_refused(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.post("/items", content=body_of(LIMIT + 1), headers=JSON), 413)
    assert await stored(client) == []


async def test_body_that_says_that_it_is_too_large_is_not_waited_for(shared_service: Running) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % (LIMIT + 1))]
    start, *_ = await exchange(shared_service.asgi, "POST", "/items", headers=headers, body=b"")
    assert start["status"] == 413


async def test_body_that_turns_out_too_large_is_refused(client: httpx2.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield body_of(LIMIT)
        yield b" "

    response = await client.post("/items", content=chunks(), headers=JSON)
    assert "Content-Length" not in response.request.headers
    assert_problem(response, 413)
    assert await stored(client) == []


async def test_body_of_another_type_than_json_is_refused(client: httpx2.AsyncClient) -> None:
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}, {}):
        response = await client.post("/items", content=b'{"name": "typed"}', headers=headers)
        assert_problem(response, 422, kind="validation")
    assert await stored(client) == []


BROKEN = {
    "nothing": b"",
    "half": b'{"name": "x"',
    "no JSON": b"name=x",
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": 1}'.encode("utf-16"),
    "deep list": b"[" * 100_000,
    "deep object": b'{"name":' * 100_000,
    "list": b'[{"name": "x"}]',
    "null": b"null",
    "number": b"1" * 5_000,
    "NUL": rb'{"name": "a\u0000b"}',
    "lone surrogate": rb'{"name": "\ud800"}',
    "lone surrogate as a key": rb'{"name": "x", "\udfff": 1}',
    "unknown key": b'{"name": "x", "rank": 1}',
    "very long key": b'{"name": "x", "' + b"k" * 100_000 + b'": 1}',
    "text for a number": b'{"name": "x", "count": "many"}',
    "fraction": b'{"name": "x", "count": 1.5}',
    "65 bits": b'{"name": "x", "count": 18446744073709551616}',
    "400 digits": b'{"name": "x", "count": %s}' % (b"9" * 400),
    "5000 digits": b'{"name": "x", "count": %s}' % (b"9" * 5_000),
    "1e400 for an integer": b'{"name": "x", "count": 1e400}',
    "1e400": b'{"name": "x", "weight": 1e400}',
    "NaN": b'{"name": "x", "weight": NaN}',
    "-Infinity": b'{"name": "x", "weight": -Infinity}',
    "id 0": b'{"name": "x", "parent_id": 0}',
    "id that is true": b'{"name": "x", "parent_id": true}',
    "id that is a string": b'{"name": "x", "parent_id": "1"}',
    "id of 65 bits": b'{"name": "x", "parent_id": 9223372036854775808}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_broken_body_is_refused(client: httpx2.AsyncClient, body: bytes) -> None:
    response = await client.post("/items", content=body, headers=JSON)
    assert_problem(response, 422, kind="validation")
    assert await stored(client) == []


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/items", b'{"name": "x" "count": 1}', "Expecting ',' delimiter at character 14"),
        ("/items", b'{"name": }', "Expecting value at character 10"),
        ("/items", b"name=x", "Expecting value at character 1"),
        ("/numbers", b"[1, 2", "Expecting ',' delimiter at character 6"),
        ("/numbers", b"[1, two]", "Expecting value at character 5"),
        ("/items", b"\xff", "Bytes that are not UTF-8 at byte 1"),
        ("/items", b'{"name": "\xff"}', "Bytes that are not UTF-8 at byte 11"),
        ("/numbers", b"[" * 100_000, "Nested too deeply"),
        ("/numbers", b"[%s]" % (b"1" * 5_000), "A number of too many digits"),
    ],
)
async def test_body_that_is_no_json_is_named_so(service: Running, path: str, body: bytes, reason: str) -> None:
    @service.app.post("/numbers")
    async def add(numbers: list[int]) -> int:
        return sum(numbers)

    refused = assert_problem(await service.client.post(path, content=body, headers=JSON), 422, kind="validation")
    assert refused["detail"] == f"body: Invalid JSON: {reason}"
    (error,) = refused["errors"]
    assert error == {"loc": ["body"], "msg": refused["detail"].removeprefix("body: "), "type": "json_invalid"}


async def test_no_more_errors_are_made_than_are_shown(service: Running) -> None:
    made = []

    @service.app.exception_handler(RequestValidationError)
    async def handle(_request: Request, error: RequestValidationError) -> Response:
        made.append(len(error.errors()))
        response = response_to(error, {})
        assert response is not None
        return response

    unknown = {"name": "x"} | {f"field {n}": n for n in range(1_000)}
    refused = assert_problem(await service.client.post("/items", json=unknown), 422, kind="validation")
    assert made == [MAX_ERRORS]
    assert refused["errors"] == [
        {"loc": ["body", f"field {n}"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}
        for n in range(MAX_ERRORS)
    ]


@pytest.mark.parametrize("key", ["k", '"}],[{\\', "é🔑\n\0", "k" * 10_000, 7])
def test_first_of_many_errors_are_those_of_pydantic(key: str | int) -> None:
    def refuse(value: object) -> int:
        raise ValueError(f"{value!r} is refused: {{}}")

    wrong = [{key: value} for value in ("\ud800", "x", -1, None, float("nan"), [1])]
    for kind in (PositiveInt, Annotated[int, BeforeValidator(refuse)], Literal["a", '"'], int | bool):
        adapter: TypeAdapter[object] = TypeAdapter(list[dict[str | int, kind]])  # type: ignore[valid-type]
        for values in (wrong[1:3], [*wrong[1:], *wrong * 9]):
            with pytest.raises(ValidationError) as refused:
                adapter.validate_python(values)
            shown = [
                {name: value for name, value in error.items() if name not in {"input", "ctx"}}
                for error in refused.value.errors(include_url=False)[:MAX_ERRORS]
            ]
            found = [{name: error[name] for name in ("type", "loc", "msg")} for error in first_errors(refused.value)]
            assert [{**error, "loc": tuple(error["loc"])} for error in found] == shown


async def test_refusal_of_an_endpoint_is_taken_for_no_broken_body(service: Running) -> None:
    @service.app.post("/refusals")
    async def refuse(numbers: list[int]) -> None:
        try:
            int("x")
        except ValueError as error:
            raise HTTPException(400, f"{len(numbers)} numbers are refused.") from error

    refused = assert_problem(await service.client.post("/refusals", json=[1]), 400)
    assert (refused["type"], refused["detail"]) == ("about:blank", "1 numbers are refused.")


@pytest.mark.parametrize("item_id", ["0", "-1", "9223372036854775808", "9" * 5_000, "one", "1.5", "1e3", "%00", "NaN"])
async def test_id_that_no_row_can_have_is_refused(client: httpx2.AsyncClient, item_id: str) -> None:
    assert_problem(await client.get(f"/items/{item_id}"), 422, kind="validation")


async def test_largest_id_is_merely_unknown(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.get(f"/items/{2**63 - 1}"), 404)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "%00", "%ff", "é", "W10", "WzBd", "WyJ4Il0", "W251bGxd", "WzEsMl0", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5XQ"],
)
async def test_cursor_that_was_not_handed_out_is_refused(client: httpx2.AsyncClient, cursor: str) -> None:
    assert_problem(await client.get(f"/items?cursor={cursor}"), 422, kind="invalid-cursor")
