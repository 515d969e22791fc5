"""What paths and queries name has one spelling: that which the description of the API gives it."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, NewType
from uuid import UUID

import httpx2
import pytest
from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel, BeforeValidator, Field

from app.kit.http.fields import Identifier, Limit
from app.kit.routing import Router
from kit_tests.support.application import Running
from kit_tests.support.problems import assert_problem

Number = NewType("Number", int)


class Level(IntEnum):
    """Something that is numbered."""

    LOW = 1
    HIGH = 10


class Filters(BaseModel):
    """Parameters that belong together."""

    least: int = 0
    most: Annotated[int, Field(alias="up-to")] = 0


def page_of(page: int = 1) -> int:
    return page


def on_or_off(value: object) -> object:
    return {"on": True, "off": False}.get(str(value), value)


router = Router(prefix="/things")


@router.get("/{thing_id}")
async def read(
    *,
    thing_id: Identifier,
    page: Annotated[int, Depends(page_of)],
    filters: Annotated[Filters, Query()],
    limit: Limit = 50,
    parent: Number | None = None,
    ids: Annotated[list[int] | None, Query()] = None,
    above: float | None = None,
    price: Decimal | None = None,
    key: UUID | None = None,
    day: date | None = None,
    since: datetime | None = None,
    level: Level | None = None,
    switch: Annotated[bool, BeforeValidator(on_or_off)] = False,
    name: str | int = "",
) -> None: ...


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.include_router(router)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        yield client


NUMBERS = [
    "1_0",
    "%2B1",
    "+1",
    "%201",
    "1%20",
    "1%0A",
    "01",
    "1.0",
    "1e0",
    "%EF%BC%91",
    "%D9%A1",
    "0x1",
    "-0",
    "1,0",
    "",
]


@pytest.mark.parametrize("number", [number for number in NUMBERS if number])
async def test_number_in_a_path_has_one_spelling(client: httpx2.AsyncClient, number: str) -> None:
    assert (await client.get("/things/1")).status_code == 200
    response = await client.get(f"/things/{number}")
    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["detail"]] == [["path", "thing_id"]]


@pytest.mark.parametrize("name", ["limit", "parent", "ids", "page", "least", "up-to", "level"])
async def test_number_in_a_query_has_one_spelling(client: httpx2.AsyncClient, name: str) -> None:
    for query in (f"{name}=1", f"{name}=10", f"{name}=1&{name}=10"):
        assert (await client.get(f"/things/1?{query}")).status_code == 200
    for number in NUMBERS:
        for query in (f"{name}={number}", f"{name}=1&{name}={number}"):
            response = await client.get(f"/things/1?{query}")
            assert response.status_code == 422, query
            assert {error["loc"][1] for error in response.json()["detail"]} == {name}


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("above", ["1", "-1", "0.5", "1e3", "1.5E-3"], ["1_0", "%201", "%2B1", "nan", "inf", ".5", "5.", "1e1_0"]),
        ("price", ["1", "0.50"], ["1_0", "%201", "%2B1", "%D9%A1", "NaN"]),
        (
            "key",
            ["7f9c0b1e-4b1d-4a52-9d8c-111111111111", "7F9C0B1E-4B1D-4A52-9D8C-111111111111"],
            [
                "7f9c0b1e4b1d4a529d8c111111111111",
                "%7B7f9c0b1e-4b1d-4a52-9d8c-111111111111%7D",
                "urn:uuid:7f9c0b1e-4b1d-4a52-9d8c-111111111111",
            ],
        ),
        ("day", ["2026-01-31"], ["0", "86400", "2026-01-31T00:00:00", "2026-1-31", "%202026-01-31"]),
        (
            "since",
            ["2026-01-31T10:00:00Z", "2026-01-31T10:00:00.5%2B02:00", "2026-01-31T10:00", "2026-01-31"],
            ["0", "1e3", "1700000000", "1700000000.5", "2026-01-31_10:00"],
        ),
        ("switch", ["on", "off", "yes"], ["maybe"]),
        ("name", ["1_0", "+1", ""], []),
        ("unknown", ["1_0"], []),
    ],
)
async def test_other_values_have_one_spelling(
    client: httpx2.AsyncClient, name: str, right: list[str], wrong: list[str]
) -> None:
    for value in right:
        assert (await client.get(f"/things/1?{name}={value}")).status_code == 200, value
    for value in wrong:
        assert (await client.get(f"/things/1?{name}={value}")).status_code == 422, value


@pytest.mark.parametrize("path", ["/items/1_0", "/items/%2B1", "/items?limit=1_0", "/items?limit=1&limit=01"])
async def test_misspelt_value_is_a_problem(shared_service: Running, path: str) -> None:
    error = assert_problem(await shared_service.client.get(path), 422, kind="validation")["errors"][0]
    assert (error["type"], error["msg"]) == (
        "int_parsing",
        "Input should be a valid integer, unable to parse string as an integer",
    )


async def test_repeated_parameter_counts_the_last_time(shared_service: Running) -> None:
    for query, status in (("limit=0&limit=1", 200), ("limit=1&limit=0", 422)):
        assert (await shared_service.client.get(f"/items?{query}")).status_code == status
