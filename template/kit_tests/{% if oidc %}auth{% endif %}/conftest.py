"""What the tests of authentication share."""

from collections.abc import Iterator

import pytest

from devtools.issuer.server import Issuer, running_issuer


@pytest.fixture
def own_issuer() -> Iterator[Issuer]:
    """Return an issuer that the test has for itself."""
    with running_issuer() as issuer:
        yield issuer
