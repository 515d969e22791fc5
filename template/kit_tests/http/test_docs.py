"""The pages that show the description: they need nothing but the service, wherever it is."""

import json
import re
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest
from fastapi import FastAPI

from kit_tests.support.application import Running, application, running
from kit_tests.support.metrics import samples
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings

PAGES = ("/docs", "/redoc", "/docs/oauth2-redirect")

MEDIA_TYPES = {
    "favicon.png": "image/png",
    "oauth2-redirect.js": "text/javascript; charset=utf-8",
    "redoc.standalone.js": "text/javascript; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}

UNKNOWN = ("/docs/assets/1/index.html", "/docs/assets/1/../core.py", "/docs/assets/1/..%2Fcore.py", "/docs/nothing")


class Page(HTMLParser):
    """What a page holds: the URLs that it names, its scripts, and what it tells Swagger UI."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.inline: list[str] = []
        self.settings: dict[str, Any] = {}
        self.title = ""
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        for name, value in attrs:
            if name in {"src", "href", "spec-url", "action", "data", "srcset"}:
                self.urls.append(value or "")
            elif name == "data-settings":
                self.settings = json.loads(value or "")
                self.urls.append(self.settings["options"]["url"])
            elif name.startswith("on"):
                self.inline.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.inline.append(data)
        elif self._within == "title":
            self.title += data
        elif self._within == "style":
            self.urls += re.findall(r"url\((.*?)\)", data)


async def page(client: httpx2.AsyncClient, path: str) -> Page:
    """Return what is at a path, with every URL as a browser would resolve it."""
    response = await client.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    found = Page(response.text)
    found.urls = [urljoin(str(response.url), url) for url in found.urls]
    return found


async def urls(client: httpx2.AsyncClient, paths: Iterable[str] = PAGES) -> list[str]:
    """Return the URLs that pages name, each once."""
    return sorted({url for path in paths for url in (await page(client, path)).urls})


async def test_pages_name_only_what_the_service_serves(client: httpx2.AsyncClient) -> None:
    *assets, description = await urls(client)
    assert description == "http://test/openapi.json"
    assert {url.rpartition("/")[2] for url in assets} == MEDIA_TYPES.keys()
    for url in assets:
        assert url.startswith("http://test/docs/assets/")
        response = await client.get(url)
        assert (response.status_code, response.headers["Content-Type"]) == (200, MEDIA_TYPES[url.rpartition("/")[2]])
        assert len(response.content) > 100


async def test_pages_forbid_scripts_of_others_and_hold_none(client: httpx2.AsyncClient) -> None:
    for path in PAGES:
        assert not "".join((await page(client, path)).inline).strip(), path
        assert "script-src 'self';" in (await client.get(path)).headers["Content-Security-Policy"]


async def test_what_pages_load_names_no_image_of_others(client: httpx2.AsyncClient) -> None:
    named = [url for url in await urls(client) if url.endswith((".js", ".css"))]
    assert named
    for url in named:
        text = (await client.get(url)).text
        assert re.findall(r"""src:\s*["'](https?:[^"']+)|url\(["']?(https?:[^"')]+)""", text) == [], url


async def test_assets_are_asked_for_once(client: httpx2.AsyncClient) -> None:
    for url in (url for url in await urls(client) if "/assets/" in url):
        first = await client.get(url)
        assert first.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        again = await client.get(url, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("ETag", "Cache-Control"):
            assert again.headers[name] == first.headers[name]
        assert (await client.get(url, headers={"If-None-Match": '"7"'})).content == first.content


async def test_asset_of_another_release_is_not_kept(client: httpx2.AsyncClient) -> None:
    """While a release is rolled out, the page may come from one instance and the rest from another."""
    response = await client.get("/docs/assets/1/start.js")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", UNKNOWN)
async def test_nothing_else_is_served(client: httpx2.AsyncClient, path: str) -> None:
    assert_problem(await client.get(path), 404)


@pytest.mark.parametrize("root", ["/api", "/api/v1"])
async def test_pages_are_complete_behind_a_prefix(service: Running, root: str) -> None:
    transport = httpx2.ASGITransport(service.asgi, root_path=root)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        named = await urls(client, [f"{root}{path}" for path in PAGES])
        assert len(named) == len(MEDIA_TYPES) + 1
        for url in named:
            assert url.startswith(f"http://test{root}/")
            assert (await client.get(url)).status_code == 200


async def test_pages_are_complete_in_another_application(service: Running) -> None:
    outer = FastAPI(openapi_url=None)
    outer.mount("/inner", service.asgi)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(outer), base_url="http://test") as client:
        for url in await urls(client, [f"/inner{path}" for path in PAGES]):
            assert (await client.get(url)).status_code == 200


async def test_swagger_ui_has_the_parameters_of_the_application(service: Running) -> None:
    service.app.title = "<Parts> & more"
    service.app.swagger_ui_parameters = {"deepLinking": False, "operationsSorter": "</script>"}
    service.app.swagger_ui_init_oauth = {"clientId": "parts"}
    found = await page(service.client, "/docs")
    assert found.title == "<Parts> & more - Swagger UI"
    assert found.settings["oauth"] == {"clientId": "parts"}
    options = found.settings["options"]
    assert (options["deepLinking"], options["operationsSorter"]) == (False, "</script>")
    assert options["dom_id"] == "#swagger-ui"


async def test_pages_are_counted_by_route_and_not_described(client: httpx2.AsyncClient) -> None:
    for url in (*await urls(client, ["/docs"]), "/docs/assets/1/nothing.js"):
        await client.get(url)
    counted = {
        dict(labels)["route"] for (name, labels), _ in (await samples(client)).items() if name == "http_requests_total"
    }
    assert counted >= {"/docs", "/docs/assets/{version}/{name}"}
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path.startswith(("/docs", "/redoc"))]


async def test_nothing_is_left_where_pages_are_switched_off(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(docs_enabled=False))) as service:
        for path in (*PAGES, "/openapi.json", "/docs/assets/1/start.js"):
            assert_problem(await service.client.get(path), 404)
        assert (await service.client.get("/items")).status_code == 200
