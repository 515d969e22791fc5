"""What the tests of the kit test: an application, models and migrations of their own."""

import pytest

from app.kit.settings import KitSettings
from kit_tests.support.application import application
from kit_tests.support.items import VERSIONS, ItemBase
from kit_tests.support.settings import settings_from
from kit_tests.support.suite import Suite


@pytest.fixture(scope="session")
def suite() -> Suite:
    """Return what the fixtures make things of."""
    return Suite(
        settings=settings_from(KitSettings, {}),
        create_app=application,
        versions=VERSIONS,
        metadata=ItemBase.metadata,
    )
