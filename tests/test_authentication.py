"""A service takes the tokens of an issuer that is not ours, and people log in at it in `/docs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.harness.rendering.questions import Answers
from tests.harness.rendering.template import Template
from tests.harness.running.browser import WITHIN, Watched, chromium
from tests.harness.running.developing import developing
from tests.harness.running.issuers import Provider, oidc_provider
from tests.harness.running.live_service import Answer, LiveService, installed, installed_with_database, migrate, serve
from tests.harness.running.processes import free_port
from tests.harness.running.services import Environments
from tests.harness.running.tools import skipped_without_tools

pytestmark = pytest.mark.slow

expect.set_options(timeout=WITHIN)

HERO = {"name": "Deadpond", "secret_name": "Dive Wilson"}
AUDIENCE = "my-service"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with skipped_without_tools(), chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(
    template: Template,
    environments: Environments,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[tuple[LiveService, Provider]]:
    """A service that takes the tokens of a certified provider."""
    assert pytestconfig.cache is not None
    cache, folder, port = pytestconfig.cache.mkdir("oidc-provider"), tmp_path_factory.mktemp("oidc"), free_port()
    redirect = f"http://127.0.0.1:{port}/docs/oauth2-redirect"
    with (
        skipped_without_tools(),
        oidc_provider(AUDIENCE, redirect, folder / "issuer", cache) as provider,
        installed_with_database(template, environments, folder / "service", "asyncpg", auth="oidc-and-keys") as (
            service,
            url,
        ),
    ):
        env = {
            "DATABASE_URL": url,
            "OIDC_ISSUER": provider.url,
            "OIDC_AUDIENCE": AUDIENCE,
            "OIDC_DOCS_CLIENT": "docs",
        }
        migrate(service, env)
        with serve(service, env, port=port) as live:
            yield live, provider


def post(live: LiveService, token: str, path: str = "/heroes", body: Any = None) -> Answer:
    return live.call("POST", path, HERO if body is None else body, {"Authorization": f"Bearer {token}"})


def test_token_of_a_program_is_taken_for_what_it_may_do(served: tuple[LiveService, Provider]) -> None:
    live, provider = served
    token = provider.token("heroes:write")
    assert post(live, token).status == 201
    refused = post(live, token, "/teams", {"name": "Preventers", "headquarters": "Sharp Tower"})
    assert (refused.status, refused.json()["scope"]) == (403, "teams:write")
    assert live.call("POST", "/heroes", HERO).status == 401
    head, payload, signature = token.split(".")
    for changed in (
        [head, f"{payload[:-2]}AA", signature],
        [head, payload, f"{signature[:-4]}AAAA"],
        [head, payload, ""],
    ):
        refused = post(live, ".".join(changed))
        assert (refused.status, refused.json()["type"]) == (401, "urn:problem:invalid-token")


def logs_in(page: Page, at_the_issuer: Callable[[Page], None]) -> None:
    """Log in at the issuer by the dialog of Swagger UI, with all scopes."""
    page.locator(".auth-wrapper").get_by_role("button", name="Authorize").click()
    dialog = page.locator(".modal-ux")
    way = dialog.locator(".auth-container").filter(has_text="authorization_code with PKCE")
    way.get_by_text("select all").click()
    with page.expect_popup() as opened:
        way.locator("button.authorize").click()
    at_the_issuer(opened.value)
    expect(way.get_by_text("Logout")).to_be_visible()
    way.get_by_text("Close").click()


def creates_a_hero(page: Page) -> None:
    operation = page.locator("#operations-heroes-create_hero")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("textarea").first.fill('{"name": "Deadpond", "secret_name": "Dive Wilson"}')
    operation.get_by_role("button", name="Execute").click()
    status = operation.locator(".live-responses-table .response .response-col_status").first
    expect(status).to_have_text("201")


def of_a_certified_provider(popup: Page) -> None:
    popup.locator("input[name=login]").fill("ada")
    popup.locator("input[name=password]").fill("whatever")
    popup.locator("button[type=submit]").click()
    popup.get_by_role("button", name="Continue").click()


def of_development(popup: Page) -> None:
    popup.get_by_role("button", name="Log in").click()


def test_people_log_in_at_a_certified_provider(browser: Browser, served: tuple[LiveService, Provider]) -> None:
    live, _ = served
    with browser.new_context() as context:
        page = Watched(context).open(f"{live.url}/docs")
        logs_in(page, of_a_certified_provider)
        creates_a_hero(page)


def test_developers_log_in_where_poe_dev_says(
    browser: Browser, template: Template, environments: Environments, tmp_path: Path
) -> None:
    answers: Answers = {"driver": "aiosqlite", "auth": "oidc-and-keys"}
    with (
        installed(template, environments, tmp_path / "service", answers) as service,
        developing(service) as (process, url),
        browser.new_context() as context,
    ):
        live = LiveService(process, int(url.rpartition(":")[2]))
        watched = Watched(context)
        page = watched.open(f"{url}/docs")
        logs_in(page, of_development)
        creates_a_hero(page)
        assert watched.complaints == []

        def bring(*command: str) -> int:
            """Create a hero with what a command prints at last."""
            printed = service.uv_run("poe", "--quiet", *command).output
            return post(live, max(printed.split(), key=len)).status

        assert bring("token", "ada", "--scope", "heroes:write") == 201
        assert bring("token", "ada", "--scope", "teams:write") == 403
        assert bring("keys", "create", "robot", "--scope", "heroes:write") == 201
        assert bring("keys", "create", "robot") == 403
        assert len(service.uv_run("poe", "--quiet", "keys", "list").output.splitlines()) == 3
        assert "tells its keys" in service.uv_run("poe", "--quiet", "doctor", expected=None).output
    # `poe dev` was killed, and could take nothing back.
    assert "does not answer" in service.uv_run("poe", "--quiet", "token", expected=1).output
