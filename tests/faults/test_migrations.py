"""Migrations that many replicas start at once are made once, and one that fails leaves nothing behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

from tests.harness.rendering.questions import questions
from tests.harness.rendering.template import Template
from tests.harness.running.live_service import installed_with_database
from tests.harness.running.services import Environments, Service

pytestmark = pytest.mark.slow

REPLICAS = 10

FAILS_HALF_WAY = '''\
"""Fail half-way."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = NEWEST
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("half", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute(sa.text("INSERT INTO half (id) VALUES (1)"))
    op.execute(sa.text("INSERT INTO half (id) VALUES (1)"))


def downgrade() -> None:
    op.drop_table("half")
'''


@dataclass(frozen=True)
class Fresh:
    """An installed service, and an empty database for it."""

    service: Service
    url: str

    def alembic(self, *words: str, expected: int | None = 0) -> str:
        """Run Alembic as the image does: as the program that is installed."""
        env = {"DATABASE_URL": self.url}
        return self.service.run(self.service.program("alembic"), *words, env=env, expected=expected).output

    @property
    def tables(self) -> set[str]:
        """The names of all tables."""
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as file:
                return {name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        with psycopg.connect(self.url) as connection:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            return {name for (name,) in connection.execute(query)}


@pytest.fixture(params=questions()["driver"].choices)
def fresh(
    request: pytest.FixtureRequest,
    template: Template,
    environments: Environments,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fresh]:
    folder = tmp_path_factory.mktemp("migrations") / "service"
    with installed_with_database(template, environments, folder, request.param) as (service, url):
        yield Fresh(service, url)


def test_migrations_of_ten_replicas_at_once_are_made_once(fresh: Fresh) -> None:
    with ThreadPoolExecutor(REPLICAS) as replicas:
        outputs = list(replicas.map(lambda _: fresh.alembic("upgrade", "head"), range(REPLICAS)))
    assert sum("Running upgrade  -> 0001" in output for output in outputs) == 1
    assert {"hero", "team", "alembic_version"} <= fresh.tables
    assert "(head)" in fresh.alembic("current")
    fresh.alembic("check")


def test_migration_that_fails_half_way_leaves_nothing_and_can_be_mended(fresh: Fresh) -> None:
    fresh.alembic("upgrade", "head")
    newest = fresh.alembic("heads").split()[0]
    before = fresh.tables
    file = fresh.service.folder / "src/app/migrations/versions/9999_half.py"
    text = FAILS_HALF_WAY.replace("NEWEST", f'"{newest}"')
    file.write_text(text, encoding="utf-8")

    assert "half" in fresh.alembic("upgrade", "head", expected=1)
    assert fresh.tables == before
    assert newest in fresh.alembic("current")

    first_insert, _, rest = text.partition("VALUES (1)")
    file.write_text(f"{first_insert}VALUES (2){rest}", encoding="utf-8")
    fresh.alembic("upgrade", "head")
    assert fresh.tables == before | {"half"}
