"""The service behind a prefix: what it says about where something is has the prefix that clients have to use."""

from collections.abc import AsyncIterator
from urllib.parse import urljoin

import httpx2
import pytest
from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from app.kit.http.middleware import with_plain_root
from app.kit.idempotency.routes import IdempotentSession
from app.kit.routing import Router
from kit_tests.support.application import Running, application, running
from kit_tests.support.items import Item
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings

router = Router(prefix="/parcels")


@router.post("", status_code=201)
async def send(name: str, request: Request, response: Response, session: IdempotentSession) -> None:
    session.add(Item(name=name))
    response.headers["Location"] = f"{request.url.path}/{name}"


@router.get("/{name}")
async def read(name: str) -> str:
    return name


@pytest.fixture
def app(make_settings: MakeSettings) -> FastAPI:
    return application(make_settings(), router)


@pytest.fixture
async def client(service: Running) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client that asks as uvicorn does with `--root-path /api`."""
    transport = httpx2.ASGITransport(service.asgi, root_path="/api")
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_location_leads_to_what_was_created(client: httpx2.AsyncClient) -> None:
    created = await client.post("/api/parcels?name=a", headers={"Idempotency-Key": "1"})
    assert (created.status_code, created.headers["Location"]) == (201, "/api/parcels/a")
    assert (await client.get(created.headers["Location"])).json() == "a"

    again = await client.post("/api/parcels?name=a", headers={"Idempotency-Key": "1"})
    assert (again.headers["Idempotent-Replayed"], again.headers["Location"]) == ("true", "/api/parcels/a")


async def test_slash_too_many_leads_to_the_right_path(client: httpx2.AsyncClient) -> None:
    response = await client.get("/api/items/")
    assert (response.status_code, response.headers["Location"]) == (307, "http://test/api/items")


async def test_description_names_the_prefix(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/api/openapi.json")).json()
    assert document["servers"] == [{"url": "/api"}]
    assert urljoin("http://test", document["servers"][0]["url"] + "/items") == "http://test/api/items"


async def test_methods_and_health_are_those_of_the_path_within(client: httpx2.AsyncClient) -> None:
    response = await client.delete("/api/items")
    assert_problem(response, 405)
    assert response.headers["Allow"] == "GET, HEAD, POST"
    for path in ("/api/items", "/api/health/ready", "/api/docs"):
        assert (await client.head(path)).status_code == 200


@pytest.mark.parametrize(("root", "plain"), [("/api/", "/api"), ("api", "/api"), ("api//", "/api"), ("/", "")])
async def test_root_path_of_any_spelling_is_the_plain_one(service: Running, root: str, plain: str) -> None:
    async def as_uvicorn(scope: Scope, receive: Receive, send: Send) -> None:
        path = {"path": root + scope["path"], "raw_path": root.encode() + scope["raw_path"]}
        await service.asgi({**scope, **path, "root_path": root}, receive, send)

    transport = httpx2.ASGITransport(as_uvicorn)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        created = await client.post("/parcels?name=a")
        assert created.headers["Location"] == f"{plain}/parcels/a"
        assert (await client.get("/parcels/a")).json() == "a"
        assert (await client.get("/items/")).headers["Location"] == f"http://test{plain}/items"
        assert (await client.get("/docs")).status_code == 200
        servers = (await client.get("/openapi.json")).json().get("servers")
        assert servers == ([{"url": plain}] if plain else None)
        for path in ("/health/live", "/metrics"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("//items")).status_code == 404


@pytest.mark.parametrize(
    ("root", "path", "within"),
    [
        ("", "//items", "//items"),
        ("/api", "/api//items", "/api//items"),
        ("/api/", "/api/items", "/api/items"),
        ("/api/", "/api//%2Fitems", "/api/%2Fitems"),
        ("/api/", "/other", "/other"),
        ("/", "/items", "/items"),
    ],
)
def test_both_paths_of_a_request_follow_the_root_path(root: str, path: str, within: str) -> None:
    scope = with_plain_root({"root_path": root, "path": path, "raw_path": path.encode()})
    assert (scope["path"], scope["raw_path"]) == (within, within.encode())


async def test_service_can_be_mounted_in_another_application(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(), router)) as service:
        outer = FastAPI()
        outer.mount("/parts/inner", service.asgi)
        transport = httpx2.ASGITransport(outer)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            created = await client.post("/parts/inner/parcels?name=a")
            assert created.headers["Location"] == "/parts/inner/parcels/a"
            for path in (created.headers["Location"], "/parts/inner/items", "/parts/inner/health/ready"):
                assert (await client.get(path)).status_code == 200
                assert (await client.head(path)).status_code == 200
