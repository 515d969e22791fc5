"""What the tests of this service test: its settings, its application and its migrations."""

from functools import partial

import pytest

from app.kit.database.schema import VERSIONS
from app.main import create_app
from app.settings import Settings
from kit_tests.support.suite import Suite
from tests.values import VALUES


@pytest.fixture(scope="session")
def suite() -> Suite:
    """Return what the fixtures make things of."""
    return Suite(settings=partial(Settings, _env_file=None, **VALUES), create_app=create_app, versions=VERSIONS)
