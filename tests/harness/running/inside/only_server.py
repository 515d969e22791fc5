"""A plugin for pytest that leaves out the tests which ask nothing of the server that the suite was given."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep those that need the fixture of that name, by way of others, too."""
    items[:] = [item for item in items if "server" in getattr(item, "fixturenames", ())]
