"""A router is looked into for the paths that may be its own, and for no others."""

from collections.abc import Callable
from typing import ClassVar

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from app.kit.http.routing import PrefixRouter


class CountingRoute(APIRoute):
    """A route that counts how often it is asked whether a path is its own."""

    asked: ClassVar[int] = 0

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        type(self).asked += 1
        return super().matches(scope)


def planets(prefix: str = "/planets") -> PrefixRouter:
    router = PrefixRouter(prefix=prefix, route_class=CountingRoute)

    @router.get("/{name}")
    async def read(name: str) -> str:
        return name

    return router


def within(router: APIRouter, outer: APIRouter) -> APIRouter:
    outer.include_router(router)
    return outer


async def ask(router: APIRouter, path: str, *, behind: str = "", method: str = "GET") -> httpx2.Response:
    app = FastAPI()
    app.include_router(router, prefix=behind)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        return await client.request(method, path)


async def test_router_skips_paths_without_its_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CountingRoute, "asked", 0)
    assert (await ask(planets(), "/moons/io")).status_code == 404
    assert CountingRoute.asked == 0

    assert (await ask(planets(), "/planets/mars")).json() == "mars"
    assert CountingRoute.asked > 0


@pytest.mark.parametrize(
    ("router", "behind", "path"),
    [
        (planets, "/v1", "/v1/planets/mars"),
        (lambda: planets("/stars/{star}/planets"), "", "/stars/sun/planets/mars"),
        (lambda: planets("/{star}"), "", "/sun/mars"),
        (lambda: planets(""), "/planets", "/planets/mars"),
        (lambda: within(planets(), PrefixRouter(prefix="/stars/{star}")), "/v1", "/v1/stars/sun/planets/mars"),
        (lambda: within(planets(), APIRouter(prefix="/stars")), "", "/stars/planets/mars"),
    ],
)
async def test_endpoints_are_found_wherever_their_router_is_included(
    router: Callable[[], APIRouter], behind: str, path: str
) -> None:
    assert (await ask(router(), path, behind=behind)).json() == "mars"


async def test_paths_behave_as_those_of_any_router() -> None:
    assert (await ask(planets(), "/planets/mars", method="PUT")).status_code == 405
    assert (await ask(planets(), "/planets/mars/")).headers["Location"] == "http://test/planets/mars"
    assert (await ask(planets(), "/planets")).status_code == 404
