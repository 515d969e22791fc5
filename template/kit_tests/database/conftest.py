"""What the tests of the database layer share."""

from collections.abc import AsyncIterator

import pytest

from app.kit.database.sessions import Database, open_database
from kit_tests.support.plugin import Stage
from kit_tests.support.prepared import watch
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import Suite


@pytest.fixture(scope="session")
async def shared_database(stage: Stage, suite: Suite) -> AsyncIterator[Database]:
    """Return a database for tests that commit nothing."""
    async with open_database(settings_for(await stage.url(suite))) as database:
        yield database


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the statements that were run without SQLAlchemy."""
    return watch(monkeypatch)
