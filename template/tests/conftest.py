"""What the tests of this service test: its settings, its application and its migrations."""

import pytest

from app.kit.database.schema import VERSIONS
from app.main import create_app
from app.settings import Settings
from kit_tests.support.settings import settings_from
from kit_tests.support.suite import Suite
from tests.values import VALUES


@pytest.fixture(scope="session", autouse=True)
def suite() -> Suite:
    """Return what the fixtures make things of."""
    return Suite(settings=settings_from(Settings, VALUES), create_app=create_app, versions=VERSIONS)
