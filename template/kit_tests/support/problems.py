"""What every error response looks like."""

from http import HTTPStatus
from typing import Any

import httpx2


def assert_problem(response: httpx2.Response, status: int, *, kind: str | None = None) -> dict[str, Any]:
    """Check that the response is a problem of this status and, if it is named, of this kind; return its body."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["title"] == HTTPStatus(status).phrase
    assert body["detail"]
    assert body["type"] == "about:blank" or body["type"].startswith("urn:problem:")
    assert kind is None or body["type"] == f"urn:problem:{kind}"
    assert body["request_id"] == response.headers["X-Request-ID"] != ""
    return body
