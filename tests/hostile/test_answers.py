"""What every answer tells, and does not tell, about the service."""

from __future__ import annotations

import pytest

from tests.harness.running.live_service import LiveService

pytestmark = pytest.mark.slow


def test_no_answer_names_the_server(live: LiveService) -> None:
    for path in ("/health/live", "/heroes", "/nowhere", "/docs"):
        answer = live.call("GET", path)
        assert "Server" not in answer.headers
        assert not [name for name in answer.headers if name.lower().startswith("x-powered")]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
