"""What a request starts besides itself: a task takes one more turn of the loop, work in a thread two."""

from typing import Any

import pytest

from app.kit.http import components
from kit_tests.support.application import Running
from kit_tests.support.items import insert_alone, insert_item
from kit_tests.support.tasks import tasks_seen

# SQLAlchemy closes a session in a task, so that a request that is cancelled still gives its connection back.
SESSION = 1


@pytest.fixture
async def asked(service: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """Return a service that was asked whether it is ready: the first time it may look at more, and then at nothing."""
    await service.client.get("/health/ready")
    monkeypatch.setattr(components, "KEPT_SECONDS", 0)
    return service


@pytest.mark.parametrize(
    ("method", "path", "body", "number"),
    [
        ("GET", "/items/1", None, SESSION),
        ("GET", "/items", None, SESSION),
        ("POST", "/items", {"name": "new"}, SESSION),
        ("PATCH", "/items/1", {"count": 1}, SESSION),
        # One sends, while the request's own waits for the client to leave.
        ("GET", "/items/export", None, SESSION + 1),
        # One asks, while the request's own waits no longer than it may.
        ("GET", "/health/ready", None, SESSION + 1),
        ("GET", "/health/live", None, 0),
        ("GET", "/metrics", None, 0),
    ],
)
async def test_request_starts_no_more_than_it_must(
    asked: Running, method: str, path: str, body: Any, number: int
) -> None:
    await insert_item(asked.database, "first")
    with tasks_seen() as seen:
        response = await asked.client.request(method, path, json=body)
    assert response.is_success
    assert len(seen) == number, seen


async def test_statement_that_runs_by_itself_starts_nothing(service: Running) -> None:
    with tasks_seen() as seen:
        await insert_alone(service.database, "new")
    assert seen == []
