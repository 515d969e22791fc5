"""What tests of migrations share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit_tests.support.migrations import copy_migrations
from kit_tests.support.server import TestServer
from kit_tests.support.suite import Suite


@pytest.fixture
async def scratch(server: TestServer) -> AsyncIterator[str]:
    """Return the name of an empty database."""
    async with server.database() as name:
        yield name


@pytest.fixture
def url(server: TestServer, scratch: str) -> str:
    """Return the URL of the empty database."""
    return server.url(scratch)


@pytest.fixture
def copy(suite: Suite, tmp_path: Path) -> Suite:
    """Return the suite with migrations that a test may add to."""
    return copy_migrations(suite, tmp_path)
