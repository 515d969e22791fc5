"""What clients may ask of a list, and how they find its other pages."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi import Query as QueryString
from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy import bindparam, insert, select

from app.kit.database.dependencies import CurrentDatabase
from app.kit.database.listing import Listing
from app.kit.database.pagination import Keyset, Page
from app.kit.database.query import Query
from app.kit.http.fields import Identifier, Total
from app.kit.http.openapi import sends_headers
from app.kit.http.paging import PageParams, add_links, add_total
from app.kit.routing import Router
from kit_tests.support.application import Running, application, running
from kit_tests.support.items import Item
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings


class ThingRow(NamedTuple):
    """A thing in a list."""

    id: int
    name: str


class ThingRead(BaseModel):
    """A thing as clients see it."""

    id: int
    name: str


class ThingListParams(PageParams):
    """What the list of things can be asked for."""

    sort: Literal["id", "-id"] = "id"
    total: Total = False
    count: int | None = None


LIST = Listing(
    Query(ThingRow, select(Item.id, Item.name)),
    ThingListParams,
    orders={"id": Keyset(Item.id, types=tuple[Identifier]), "-id": Keyset(Item.id.desc(), types=tuple[Identifier])},
    filters={"count": Item.count == bindparam("count")},
)

router = Router(prefix="/things")


@router.get("", response_model=Page[ThingRead])
@sends_headers("Link", "X-Total-Count")
async def list_things(
    params: Annotated[ThingListParams, QueryString()], request: Request, response: Response, database: CurrentDatabase
) -> Page[ThingRow]:
    page = await LIST.page(database, params)
    add_links(request, response, page)
    if params.total:
        add_total(response, await LIST.total(database, params))
    return page


@pytest.fixture
async def things(make_settings: MakeSettings) -> AsyncIterator[Running]:
    """Return a service with six things."""
    async with running(application(make_settings(cors_origins=["https://app.example"]), router)) as service:
        await service.database.execute(insert(Item), {"name": "a", "count": 1})
        for n, name in enumerate("bcdef"):
            await service.database.execute(insert(Item), {"name": name, "count": n % 2})
        yield service


def links(response: httpx2.Response) -> dict[str | None, str]:
    """Return the targets of a response's links by their relation."""
    return {relation: link["url"] for relation, link in response.links.items()}


def names(response: httpx2.Response) -> list[str]:
    assert response.status_code == 200, response.text
    body = response.json()
    assert set(body) == {"items", "next_cursor"}
    return [thing["name"] for thing in body["items"]]


async def test_links_lead_there_and_back(things: Running) -> None:
    first = await things.client.get("/things?limit=2")
    assert (names(first), set(links(first))) == (["a", "b"], {"next"})
    second = await things.client.get(links(first)["next"])
    assert (names(second), set(links(second))) == (["c", "d"], {"next", "prev", "first"})
    third = await things.client.get(links(second)["next"])
    assert (names(third), set(links(third))) == (["e", "f"], {"prev", "first"})
    back = await things.client.get(links(third)["prev"])
    assert names(back) == ["c", "d"]
    assert names(await things.client.get(links(back)["next"])) == ["e", "f"]
    front = await things.client.get(links(back)["prev"])
    assert (names(front), set(links(front))) == (["a", "b"], {"next", "first"})
    assert names(await things.client.get(links(front)["first"])) == ["a", "b"]
    assert f"cursor={first.json()['next_cursor']}" in links(first)["next"]


async def test_links_keep_what_was_asked_for(things: Running) -> None:
    first = await things.client.get("/things?sort=-id&limit=1&count=1&total=true")
    assert (names(first), first.headers["X-Total-Count"]) == (["e"], "3")
    second = await things.client.get(links(first)["next"])
    assert (names(second), second.headers["X-Total-Count"]) == (["c"], "3")
    assert links(second)["first"] == "/things?sort=-id&limit=1&count=1&total=true"


async def test_list_on_one_page_has_no_links_and_no_total(things: Running) -> None:
    response = await things.client.get("/things")
    assert len(names(response)) == 6
    assert not {"Link", "X-Total-Count"} & set(response.headers)


async def test_links_have_the_prefix_of_a_proxy(things: Running) -> None:
    transport = httpx2.ASGITransport(things.asgi, root_path="/api")
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        first = await client.get("/api/things?limit=5")
        target = links(first)["next"]
        assert urlsplit(target).path == "/api/things"
        assert names(await client.get(target)) == ["f"]


@pytest.mark.parametrize(
    "asked",
    [
        "sort=name",
        "sort=",
        "sort=ID",
        "colour=red",
        "counts=1",
        "count=",
        "count=1_0",
        "total=much",
        "limit=0",
        "cursor=x",
    ],
)
async def test_what_a_list_does_not_know_is_refused(things: Running, asked: str) -> None:
    assert_problem(await things.client.get(f"/things?{asked}"), 422)


async def test_cursor_of_another_order_is_refused(things: Running) -> None:
    cursor = (await things.client.get("/things?limit=1")).json()["next_cursor"]
    response = await things.client.get(f"/things?sort=-id&cursor={cursor}")
    assert_problem(response, 422)


async def test_description_names_orders_filters_and_headers(things: Running) -> None:
    operation: dict[str, Any] = (await things.client.get("/openapi.json")).json()["paths"]["/things"]["get"]
    parameters = {each["name"]: each["schema"] for each in operation["parameters"]}
    assert parameters.keys() == {"limit", "cursor", "sort", "total", "count"}
    assert (parameters["sort"]["enum"], parameters["sort"]["default"]) == (["id", "-id"], "id")
    assert operation["responses"]["200"]["headers"].keys() == {"Link", "X-Total-Count"}


async def test_pages_of_other_origins_may_read_the_headers(things: Running) -> None:
    response = await things.client.get("/things?limit=1&total=true", headers={"Origin": "https://app.example"})
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert {"Link", "X-Total-Count"} <= set(exposed.split(", "))
