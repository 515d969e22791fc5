"""The API's description: what generated clients are made from."""

import json
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel, create_model
from sqlalchemy import select
from starlette.websockets import WebSocket

from app.kit.database.dependencies import CurrentDatabase, ReadSession, WriteSession
from app.kit.database.pagination import Page
from app.kit.http import problems
from app.kit.http.etags import IfMatch, IfNoneMatch, etag, require_modified
from app.kit.http.openapi import responds_with, sends_headers
from app.kit.http.streaming import JsonLinesResponse
from app.kit.idempotency.routes import IdempotentDatabase, IdempotentSession
from app.kit.routing import Router
from kit_tests.support.application import all_connections_taken, application, running
from kit_tests.support.problems import assert_problem
from kit_tests.support.server import TestServer
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import MakeSettings

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
JSON = {"Content-Type": "application/json"}

Json = dict[str, Any]
Describe = Callable[..., Json]


@pytest.fixture(scope="module")
def describe(server: TestServer) -> Describe:
    """Return a function that describes an application of the given routers, which needs no database to do so."""

    def describe(*routers: APIRouter) -> Json:
        return application(settings_for(server.missing_url()), *routers).openapi()

    return describe


@pytest.fixture(scope="module")
def description(describe: Describe) -> Json:
    """Return the description of an application without further routers."""
    return describe()


@pytest.fixture(scope="module")
def described_probes(describe: Describe) -> Json:
    """Return the description of an application with the probes of this module."""
    return describe(probes)


def statuses(description: Json, method: str, path: str) -> set[int]:
    """Return the statuses that an operation documents."""
    return {int(status) for status in description["paths"][path][method]["responses"]}


async def test_description_is_served(client: httpx2.AsyncClient, description: Json) -> None:
    assert (await client.get("/openapi.json")).json() == description


def test_description_says_what_the_service_is(description: Json) -> None:
    assert set(description["info"]) >= {"title", "description", "version"}
    assert set(description["paths"]) >= {"/health/live", "/health/ready", "/metrics"}


def test_description_is_built_once_for_its_routes(app: FastAPI) -> None:
    first = app.openapi()
    text = json.dumps(first)
    assert app.openapi() is first
    assert json.dumps(first) == text
    app.add_api_route("/late/{name}", lambda name: name, name="read_late")
    assert statuses(app.openapi(), "get", "/late/{name}") == {200, 404, 422, 500}
    assert app.openapi()["paths"]["/late/{name}"]["get"]["operationId"] == "read_late"


def test_what_an_owner_changes_of_the_description_is_kept(app: FastAPI) -> None:
    operation = app.openapi()["paths"]["/items"]["get"]
    operation["operationId"] = "list_everything"
    del operation["responses"]["503"]
    assert app.openapi()["paths"]["/items"]["get"] == operation
    assert operation["operationId"] == "list_everything"
    assert "503" not in operation["responses"]


def test_two_builds_give_the_same_description(describe: Describe) -> None:
    assert json.dumps(describe()) == json.dumps(describe())


async def test_responses_have_the_media_type_that_is_documented(client: httpx2.AsyncClient, description: Json) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/items", "/items/export"):
        documented = description["paths"][path]["get"]["responses"]["200"]["content"]
        response = await client.get(path)
        assert [response.headers["Content-Type"].partition(";")[0]] == list(documented), path


# --- Problems ---


def test_problem_is_one_component(description: Json) -> None:
    assert json.dumps(description).count('"title": "Problem"') == 1
    assert "ValidationError" not in json.dumps(description)
    problem = description["components"]["schemas"]["Problem"]
    assert set(problem["required"]) == {"type", "title", "status", "detail", "request_id"}
    assert problem["properties"].keys() - set(problem["required"]) == {"errors"}
    errors = problem["properties"]["errors"]
    assert (errors["type"], errors["items"]) == ("array", {"$ref": "#/components/schemas/InvalidValue"})
    assert set(description["components"]["schemas"]["InvalidValue"]["required"]) == {"loc", "msg", "type"}


def test_every_error_is_documented_as_a_problem(description: Json) -> None:
    for path, item in description["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                assert (response.get("content") == PROBLEM) == (status >= "400"), f"{method} {path} {status}"
                assert response["description"]


probes = Router(prefix="/probes", tags=["probes"])


@responds_with(403, 429)
async def allowed(_credentials: Annotated[object, Depends(HTTPBearer())]) -> None:
    """Refuse everyone."""
    raise HTTPException(403)


@probes.get("/plain")
async def plain() -> None:
    """Take nothing and use nothing."""


@probes.post("/computed")
async def computed() -> None:
    """Write nothing."""


@probes.get("/filtered")
async def filtered(limit: int = 1) -> int:
    return limit


@probes.get("/read")
async def read(session: ReadSession) -> None:
    """Read."""


@probes.get("/written")
async def written(session: WriteSession) -> None:
    """Write although the method does not say so."""


@probes.post("/once")
async def once(database: IdempotentDatabase) -> None:
    """Have no body."""


@probes.post("/together")
async def together(session: IdempotentSession) -> None:
    """Have no body."""


@probes.get("/modified")
async def modified(if_none_match: IfNoneMatch = None) -> None:
    require_modified(if_none_match, 1)


@probes.put("/matched")
async def matched(if_match: IfMatch = None) -> None:
    """Take a precondition."""


@probes.get("/guarded", dependencies=[Depends(allowed)])
async def guarded() -> None:
    """Have a dependency that is no argument."""


@probes.get("/declared", responses={402: {}, 404: {"description": "Nobody is on duty."}})
@responds_with(451)
async def declared() -> None:
    """Declare what cannot be seen."""


@probes.get("/overridden/{name}", responses={"4XX": {"description": "Anything may be wrong."}})
async def overridden(name: str) -> str:
    return name


@probes.websocket("/socket/{name}")
async def socket(websocket: WebSocket, name: str, database: CurrentDatabase) -> None:
    """Have no description."""


@pytest.mark.parametrize(
    ("method", "path", "errors"),
    [
        ("get", "/probes/plain", set()),
        ("post", "/probes/computed", set()),
        ("get", "/probes/filtered", {422}),
        ("get", "/probes/read", {503}),
        ("get", "/probes/written", {409, 503}),
        ("post", "/probes/once", {409, 413, 422, 503}),
        ("post", "/probes/together", {409, 413, 422, 503}),
        ("get", "/probes/modified", {304, 422}),
        ("put", "/probes/matched", {412, 422}),
        ("get", "/probes/guarded", {401, 403, 429}),
        ("get", "/probes/declared", {402, 404, 451}),
        ("get", "/health/live", set()),
        ("get", "/health/ready", {503}),
        ("get", "/metrics", set()),
        ("post", "/items", {400, 409, 413, 422, 503}),
        ("get", "/items/{item_id}", {404, 422, 503}),
        ("patch", "/items/{item_id}", {400, 404, 409, 412, 413, 422, 503}),
    ],
)
def test_errors_are_documented_where_they_can_occur(
    described_probes: Json, method: str, path: str, errors: set[int]
) -> None:
    assert {each for each in statuses(described_probes, method, path) if each > 299} == errors | {500}


def test_declared_responses_replace_those_that_are_found(described_probes: Json) -> None:
    paths = described_probes["paths"]
    assert paths["/probes/declared"]["get"]["responses"]["404"] == {
        "description": "Nobody is on duty.",
        "content": PROBLEM,
    }
    assert list(paths["/probes/overridden/{name}"]["get"]["responses"]) == ["200", "4XX", "500"]
    assert "/probes/socket/{name}" not in paths


def test_status_that_does_not_exist_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="999"):
        responds_with(999)


class LockedProblem(problems.Problem):
    """A problem with a member of its own."""

    locked_by: str


def test_owner_may_document_problems_of_another_form(describe: Describe) -> None:
    router = Router(prefix="/own")

    @router.get("/model", responses={423: {"model": LockedProblem}, 401: {"model": problems.Problem}})
    async def model() -> None: ...

    @router.get("/text", responses={423: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
    async def text() -> None: ...

    @router.get("/stream", response_class=JsonLinesResponse, responses={401: {"model": problems.Problem}})
    async def stream() -> None: ...

    paths = describe(router)["paths"]
    responses = paths["/own/model"]["get"]["responses"]
    assert responses["401"]["content"] == PROBLEM
    assert responses["423"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/LockedProblem"}}
    }
    assert list(paths["/own/text"]["get"]["responses"]["423"]["content"]) == ["text/plain"]
    assert paths["/own/stream"]["get"]["responses"]["401"]["content"] == PROBLEM


Provoke = Callable[[httpx2.AsyncClient], Awaitable[httpx2.Response]]

PROVOKED: Mapping[str, tuple[int, str, str, Provoke]] = {
    "unreadable body": (422, "post", "/items", lambda c: c.post("/items", content=b"\xff", headers=JSON)),
    "large body": (413, "post", "/items", lambda c: c.post("/items", content=b" " * 2_000_000, headers=JSON)),
    "large body with a key": (
        413,
        "post",
        "/probes/together",
        lambda c: c.post("/probes/together", content=b" " * 2_000_000, headers={"Idempotency-Key": "a"}),
    ),
    "large body that a statement's key names": (
        413,
        "post",
        "/probes/once",
        lambda c: c.post("/probes/once", content=b" " * 2_000_000, headers={"Idempotency-Key": "a"}),
    ),
    "wrong body": (422, "post", "/items", lambda c: c.post("/items", json={})),
    "unknown reference": (409, "post", "/items", lambda c: c.post("/items", json={"name": "a", "parent_id": 99})),
    "wrong parameter": (422, "get", "/items", lambda c: c.get("/items", params={"limit": 0})),
    "wrong cursor": (422, "get", "/items", lambda c: c.get("/items", params={"cursor": "forged"})),
    "wrong id": (422, "get", "/items/{item_id}", lambda c: c.get("/items/x")),
    "unknown id": (404, "get", "/items/{item_id}", lambda c: c.get("/items/99")),
    "unknown id to change": (404, "patch", "/items/{item_id}", lambda c: c.patch("/items/99", json={"count": 1})),
    "other version": (
        412,
        "patch",
        "/items/{item_id}",
        lambda c: c.patch("/items/1", json={"count": 1}, headers={"If-Match": '"7"'}),
    ),
    "same version": (
        304,
        "get",
        "/probes/modified",
        lambda c: c.get("/probes/modified", headers={"If-None-Match": "*"}),
    ),
    "no credentials": (401, "get", "/probes/guarded", lambda c: c.get("/probes/guarded")),
    "credentials for less": (
        403,
        "get",
        "/probes/guarded",
        lambda c: c.get("/probes/guarded", headers={"Authorization": "Bearer x"}),
    ),
    "bug": (500, "post", "/items/then/{status}", lambda c: c.post("/items/then/500", params={"name": "a"})),
}


async def test_failures_have_a_documented_status_and_body(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(), probes)) as service:
        description = service.app.openapi()
        assert (await service.client.post("/items", json={"name": "first"})).json() == {"id": 1}
        for name, (status, method, path, provoke) in PROVOKED.items():
            response = await provoke(service.client)
            assert response.status_code == status, f"{name}: {response.text}"
            assert_documented(description, method, path, response)


async def test_a_busy_database_is_documented(make_settings: MakeSettings) -> None:
    app = application(make_settings(database_pool_timeout=0.05), revisions=lambda: frozenset({"0815"}))
    async with running(app) as service, all_connections_taken(service.database):
        for path in ("/items", "/items/export", "/health/ready"):
            response = await service.client.get(path)
            assert response.status_code == 503
            assert_documented(app.openapi(), "get", path, response)
            documented = app.openapi()["paths"][path]["get"]["responses"]["503"]["headers"]
            assert documented.keys() <= {name.title() for name in response.headers}


def assert_documented(description: Json, method: str, path: str, response: httpx2.Response) -> None:
    """Check that an error is one that the operation documents, with the body that it documents."""
    documented = description["paths"][path][method]["responses"]
    assert str(response.status_code) in documented, f"{method} {path}: {response.text}"
    if response.status_code < 400:
        assert "content" not in documented[str(response.status_code)]
        assert response.content == b""
        return
    assert documented[str(response.status_code)]["content"] == PROBLEM
    body = assert_problem(response, response.status_code)
    schemas = description["components"]["schemas"]
    assert set(schemas["Problem"]["required"]) <= body.keys() <= schemas["Problem"]["properties"].keys()
    for error in body.get("errors", ()):
        assert error.keys() == schemas["InvalidValue"]["properties"].keys()


# --- Headers ---


@probes.post("/created", status_code=201)
@sends_headers("Location", "X-Total")
async def created(response: Response, database: IdempotentDatabase) -> None:
    await database.execute(select(1))
    response.headers.update({"Location": "/probes/created/1", "X-Total": "1"})


@probes.get("/tagged")
async def tagged(response: Response, if_none_match: IfNoneMatch = None) -> None:
    require_modified(if_none_match, 1)
    response.headers["ETag"] = etag(1)


@probes.get("/described", responses={200: {"headers": {"ETag": {"description": "Own.", "schema": {}}}}})
async def described(if_none_match: IfNoneMatch = None) -> None:
    """Describe the header otherwise."""


def headers_of(description: Json, method: str, path: str) -> dict[int, set[str]]:
    """Return the headers that the responses of an operation document, apart from responses without any."""
    responses = description["paths"][path][method]["responses"]
    return {int(status): set(response["headers"]) for status, response in responses.items() if "headers" in response}


async def test_headers_of_responses_are_documented(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(), probes)) as service:
        description = service.app.openapi()
        assert headers_of(description, "get", "/probes/plain") == {}
        assert headers_of(description, "get", "/probes/tagged") == {200: {"ETag"}, 304: {"ETag"}}
        assert headers_of(description, "post", "/probes/created") == {
            201: {"Idempotent-Replayed", "Location", "X-Total"},
            503: {"Retry-After"},
        }
        for headers in ({}, {"If-None-Match": '"1"'}):
            response = await service.client.get("/probes/tagged", headers=headers)
            assert "ETag" in response.headers
        for _ in range(2):
            response = await service.client.post("/probes/created", headers={"Idempotency-Key": "a"})
        assert {"Location", "Idempotent-Replayed"} <= {name.title() for name in response.headers}


def test_every_documented_header_is_described_once(described_probes: Json) -> None:
    components = described_probes["components"]["headers"]
    assert components.keys() == {"ETag", "Idempotent-Replayed", "Location", "Retry-After", "X-Total"}
    assert all("schema" in header for header in components.values())
    referred = [
        header["$ref"].removeprefix("#/components/headers/")
        for item in described_probes["paths"].values()
        for operation in item.values()
        for response in operation["responses"].values()
        for header in response.get("headers", {}).values()
        if "$ref" in header
    ]
    assert set(referred) == components.keys()
    own = described_probes["paths"]["/probes/described"]["get"]["responses"]["200"]["headers"]["ETag"]
    assert own == {"description": "Own.", "schema": {}}


def test_parameters_are_spelt_as_their_headers_are(described_probes: Json) -> None:
    named = {
        parameter["name"]
        for item in described_probes["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    }
    assert named == {"If-Match", "If-None-Match", "Idempotency-Key"}


# --- Names ---


class Kind(StrEnum):
    """Tags may be members of an enum."""

    CATS = "big cats"


def operation_ids(description: Json, prefix: str) -> dict[str, str]:
    """Return what the operations under a prefix are called."""
    return {
        f"{method} {path.removeprefix(prefix)}": operation["operationId"]
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if path.startswith(prefix)
    }


def test_operations_are_called_what_their_functions_are(description: Json) -> None:
    assert operation_ids(description, "/items") == {
        "get ": "list_items",
        "post ": "create_item",
        "post /then/{status}": "create_then_fail",
        "get /export": "export_items",
        "get /{item_id}": "read_item",
        "patch /{item_id}": "change_item",
    }


def test_functions_of_one_name_are_told_apart(describe: Describe) -> None:
    dogs, cats = Router(prefix="/dogs"), Router(prefix="/cats", tags=[Kind.CATS])
    dogs.add_api_route("", lambda: None, name="adopt", methods=["POST"])
    cats.add_api_route("", lambda: None, name="adopt", methods=["POST"])
    cats.add_api_route("/{cat_id}", lambda: None, name="feed", methods=["POST"])
    cats.add_api_route("/{cat_id}/food", lambda: None, name="feed", methods=["POST"])
    cats.add_api_route("/{cat_id}", lambda: None, name="pet", methods=["GET"], operation_id="stroke")
    for description in (describe(dogs, cats), describe(cats, dogs)):
        assert operation_ids(description, "/dogs") == {"post ": "dogs_adopt"}
        assert operation_ids(description, "/cats") == {
            "post ": "big_cats_adopt",
            "post /{cat_id}": "feed_post_cats_cat_id",
            "post /{cat_id}/food": "feed_post_cats_cat_id_food",
            "get /{cat_id}": "stroke",
        }


def test_methods_of_one_function_are_told_apart(describe: Describe) -> None:
    router = Router(prefix="/probe")
    router.add_api_route("", lambda: None, name="probe", methods=["PUT", "GET", "PATCH", "DELETE"])
    router.add_api_route("/named", lambda: None, methods=["PUT", "GET"], operation_id="named")
    assert list(operation_ids(describe(router), "/probe").items()) == [
        *[(f"{method} ", f"probe_{method}_probe") for method in ("delete", "get", "patch", "put")],
        *[(f"{method} /named", f"named_{method}") for method in ("get", "put")],
    ]


def test_two_functions_of_one_operation_id_are_warned_of(shared_database_url: str) -> None:
    router = Router(prefix="/probe")
    for path in ("/one", "/other"):
        router.add_api_route(path, lambda: None, methods=["GET"], operation_id="probe")
    app = application(settings_for(shared_database_url), router)
    with pytest.warns(UserWarning, match="Duplicate Operation ID probe "):
        app.openapi()


class Cat(BaseModel):
    """Something of which there are pages."""

    name: str


class Price(BaseModel):
    """Something that is a number or a string in a request, and a string in a response."""

    amount: Decimal


def test_models_have_names_that_a_person_would_choose(describe: Describe) -> None:
    dog = create_model("Animal", __module__="app.dogs.schemas", name=(str, ...))
    cat = create_model("Animal", __module__="app.cats.schemas", lives=(int, ...))
    clash = create_model("Problem", __module__="app.cats.schemas", since=(int, ...))
    router = Router(prefix="/animals")

    @router.get("/pages")
    async def pages() -> Page[Cat]:
        raise NotImplementedError

    @router.get("/lists")
    async def lists() -> Page[list[Cat]]:
        raise NotImplementedError

    @router.post("/bodies")
    async def add_both(dog: dog, cat: cat) -> dict[str, int]:
        raise NotImplementedError

    @router.put("/prices")
    async def set_price(price: Price) -> Price:
        raise NotImplementedError

    @router.get("/clash", response_model=clash)
    async def clashes() -> None: ...

    description = describe(router)
    schemas = description["components"]["schemas"]
    assert {name for name in schemas if not name.startswith(("Item", "Page"))} == {
        *("AddBothBody", "CatsAnimal", "DogsAnimal", "Cat", "Health", "InvalidValue"),
        *("CatsSchemasProblem", "KitHttpProblemsProblem", "PriceInput", "PriceOutput"),
    }
    assert {"PageCat", "PageListCat", "PageStr"} <= schemas.keys()
    assert all(schema["title"] == name for name, schema in schemas.items())
    paths = description["paths"]
    assert paths["/animals/pages"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/PageCat"
    }
    assert schemas["AddBothBody"]["properties"]["cat"] == {"$ref": "#/components/schemas/CatsAnimal"}
    added = paths["/animals/bodies"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert added["title"] == "AddBothResponse"
    refused = paths["/animals/clash"]["get"]["responses"]["500"]["content"]
    assert refused == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/KitHttpProblemsProblem"}}}
    for name in json.dumps(description).split('"#/components/schemas/')[1:]:
        assert name.partition('"')[0] in schemas
