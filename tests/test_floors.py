"""The lowest versions that a service says it works with are versions that it works with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.rendering.combinations import Combination
from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.servers import server_url
from tests.harness.running.services import Environments, Service

ONE_PER_DRIVER = [
    Combination("asyncpg", "queue", "repository", example=True),
    Combination("psycopg", "pgbouncer", "direct", example=True),
    Combination.of(
        {
            "driver": "aiosqlite",
            "pool": "null",
            "data_access": "repository",
            "example": True,
            "auth": "oidc-and-keys",
        }
    ),
]
"""With all that any of them depends on."""


@pytest.mark.slow
@pytest.mark.floors
@pytest.mark.parametrize("combination", ONE_PER_DRIVER, ids=lambda combination: combination.driver)
def test_suite_passes_on_the_lowest_versions(
    combination: Combination, template: Template, environments: Environments, tmp_path: Path
) -> None:
    folder = template.render_to(tmp_path / "service", combination.answers)
    with environments.borrow(f"{combination.driver}-{OWN_VERSION}-lowest") as environment:
        service = Service(folder, environment)
        service.install("--resolution", "lowest-direct")
        for tests in ("tests", "kit_tests"):
            service.uv_run(
                "pytest", tests, env={"TEST_DATABASE_URL": server_url()} if combination.uses_postgres else {}
            )
