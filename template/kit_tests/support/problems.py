"""What every error response looks like."""

from http import HTTPStatus
from typing import Any

import httpx2


def assert_problem(answer: httpx2.Response, status: int, *, kind: str | None = None) -> dict[str, Any]:
    """Check that the answer is a problem of this status and, if it is named, of this kind; return its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"] == HTTPStatus(status).phrase
    assert body["detail"]
    assert body["type"] == "about:blank" or body["type"].startswith("urn:problem:")
    assert kind is None or body["type"] == f"urn:problem:{kind}"
    assert body["request_id"] == answer.headers["X-Request-ID"] != ""
    return body
