"""Services of each driver, installed once and served where a test needs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.harness.rendering.questions import questions
from tests.harness.rendering.template import Template
from tests.harness.running.live_service import LiveService, installed_with_database, migrate, serve
from tests.harness.running.services import Environments, Service

PARCELS = (
    *("number:str:unique", "note:text?:search", "pieces:int:index", "weight:decimal(9,3)", "sent:date?:index"),
    *("arrives_at:datetime", "code:uuid", "details:json", "kind:enum(letter,box)", "hero:ref(heroes)?"),
)
"""What `poe new` makes a resource of, so that what is generated is tried as the example is."""


@dataclass(frozen=True)
class Target:
    """An installed service, and a migrated database for it."""

    service: Service
    database_url: str
    driver: str

    @property
    def uses_postgres(self) -> bool:
        return self.driver != "aiosqlite"


@pytest.fixture(scope="session", params=questions()["driver"].choices)
def target(
    request: pytest.FixtureRequest,
    template: Template,
    environments: Environments,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Target]:
    driver = str(request.param)
    folder = tmp_path_factory.mktemp("hostile") / driver
    with installed_with_database(template, environments, folder, driver) as (service, url):
        service.uv_run("poe", "new", "parcels", *PARCELS)
        migrate(service, {"DATABASE_URL": url})
        yield Target(service, url, driver)


@pytest.fixture(scope="session")
def live(target: Target) -> Iterator[LiveService]:
    with serve(target.service, {"DATABASE_URL": target.database_url}) as live:
        yield live
