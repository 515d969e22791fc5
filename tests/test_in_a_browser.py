"""What people look at works in a browser that reaches this machine alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.harness.rendering.template import Template
from tests.harness.reporting.example import example_of_a_run
from tests.harness.reporting.page import write_page
from tests.harness.running.browser import WITHIN, Watched, chromium, overflow
from tests.harness.running.live_service import LiveService, installed_with_database, migrate, serve
from tests.harness.running.services import Environments
from tests.harness.running.tools import skipped_without_tools

pytestmark = pytest.mark.slow

expect.set_options(timeout=WITHIN)

AUTHORIZING = """() => new Promise(resolve => {
  window.swaggerUIRedirectOauth2 = {
    state: "of this page",
    redirectUrl: "",
    auth: { schema: new Map([["flow", "authorizationCode"]]) },
    callback: ({ auth }) => resolve(auth.code),
    errCb: ({ message }) => resolve(message),
  };
  window.open("docs/oauth2-redirect?code=secret&state=of%20this%20page");
})"""
"""What Swagger UI does when somebody logs in, where the authorization server answers at once."""

LEAST_CONTRAST = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => channels(colour).slice(0, 3)
    .map(each => each / 255)
    .map(each => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return channels(colour)[3] === 0 && element.parentElement ? behind(element.parentElement) : colour;
  };
  const texts = [...document.body.querySelectorAll("*")]
    .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return Math.min(...texts.map(element => {
    const [dark, light] = [getComputedStyle(element).color, behind(element)].map(luminance).sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  }));
}"""
"""How well the worst text of a page can be read, as WCAG counts it: 4.5 is enough for everybody."""

Open = Callable[[str], Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with skipped_without_tools(), chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def live(
    template: Template, environments: Environments, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveService]:
    folder = tmp_path_factory.mktemp("browser") / "service"
    with installed_with_database(template, environments, folder, "asyncpg") as (service, url):
        env = {"DATABASE_URL": url}
        migrate(service, env)
        with serve(service, env) as live:
            yield live


@pytest.fixture
def open_page(browser: Browser, live: LiveService) -> Iterator[Open]:
    """Opens a page of the service. In the end nothing may have gone wrong, and nobody else may have been asked."""
    with browser.new_context() as context:
        watched = Watched(context)
        yield lambda path: watched.open(f"{live.url}{path}")
        assert watched.complaints == []
        assert watched.hosts == {live.url.removeprefix("http://")}


def test_swagger_ui_calls_the_service(open_page: Open, live: LiveService) -> None:
    created = live.call("POST", "/heroes", {"name": "Deadpond", "secret_name": "Dive Wilson"})
    assert created.status == 201
    page = open_page("/docs")
    expect(page.locator(".opblock")).to_have_count(13)
    operation = page.locator("#operations-heroes-list_heroes")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_have_text("200")
    expect(answer.locator(".response-col_description")).to_contain_text("Deadpond")


def test_logging_in_comes_back_to_swagger_ui(open_page: Open) -> None:
    page = open_page("/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    assert page.evaluate(AUTHORIZING) == "secret"


def test_redoc_shows_and_finds_what_there_is(open_page: Open) -> None:
    page = open_page("/redoc")
    expect(page.get_by_role("heading", name="My Service")).to_be_visible()
    page.get_by_placeholder("Search").fill("bulk")
    expect(page.get_by_role("search").get_by_role("menuitem").first).to_contain_text("Create Heroes")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("outcome", ["failed", "passed", "interrupted"])
def test_page_of_a_run_fits_and_is_only_text(
    browser: Browser, tmp_path: Path, width: int, colours: Literal["light", "dark"], outcome: str
) -> None:
    file = tmp_path / "run.html"
    write_page(example_of_a_run(outcome), file)
    with browser.new_context(viewport={"width": width, "height": 800}, color_scheme=colours) as context:
        watched = Watched(context)
        page = watched.open(file.as_uri())
        assert overflow(page) <= 0
        if outcome == "failed":
            expect(page.locator(".failure").first).to_be_in_viewport(ratio=0.1)
            for each in page.locator("details").all():
                each.locator("summary").click()
            assert overflow(page) <= 0
            expect(page.get_by_text("<script>").first).to_be_visible()
            expect(page.get_by_role("row").filter(has_text="✗ failed").first).to_be_visible()
        assert page.title().endswith(outcome)
        assert page.locator("script, img").count() == 0
        assert page.evaluate(LEAST_CONTRAST) >= 4.5
        assert watched.complaints == []
        assert watched.hosts == {""}  # the file itself
