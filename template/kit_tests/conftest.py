"""What the tests of the kit test: an application, models and migrations of their own."""

import os

import pytest

from app.kit.settings import KitSettings
from kit_tests.support.application import application
from kit_tests.support.items import VERSIONS, ItemBase
from kit_tests.support.settings import settings_from
from kit_tests.support.suite import Suite


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start two more processes than there are CPUs: some tests wait for a timeout, and all for the server."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(scope="session")
def suite() -> Suite:
    """Return what the fixtures make things of."""
    return Suite(
        settings=settings_from(KitSettings, {}),
        create_app=application,
        versions=VERSIONS,
        metadata=ItemBase.metadata,
    )
