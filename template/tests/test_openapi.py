"""The API's description: what generated clients are made from."""

from typing import Any

import httpx2
import pytest

from tests.conftest import MakeSettings
from tests.kit.application import application, running
from tests.kit.problems import assert_problem

OPERATIONS = {"/health/live", "/health/ready", "/metrics"}


@pytest.fixture
async def description(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def operations(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every operation, by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }


async def test_documentation_is_served(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.status_code == 200
    assert "/openapi.json" in answer.text


async def test_documentation_can_be_switched_off(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(docs_enabled=False))) as service:
        for path in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"):
            assert_problem(await service.client.get(path), 404)
        assert (await service.client.get("/items")).status_code == 200


async def test_description_says_what_the_service_is(description: dict[str, Any]) -> None:
    assert set(description["info"]) >= {"title", "description", "version"}
    assert set(description["paths"]) >= OPERATIONS


async def test_every_operation_documents_its_problems(description: dict[str, Any]) -> None:
    for name, operation in operations(description).items():
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert set(errors) >= {"404", "409", "412", "413", "422", "500", "503"}, name
        for status, answer in errors.items():
            assert list(answer["content"]) == ["application/problem+json"], f"{name} {status}"
            schema = answer["content"]["application/problem+json"]["schema"]
            assert set(schema["required"]) == {"type", "title", "status", "detail", "request_id"}


async def test_answers_have_the_media_type_that_is_documented(
    client: httpx2.AsyncClient, description: dict[str, Any]
) -> None:
    for path in (*OPERATIONS, "/items", "/items/export"):
        documented = operations(description)[f"GET {path}"]["responses"]["200"].get("content", {})
        answer = await client.get(path)
        assert [answer.headers["Content-Type"].partition(";")[0]] == list(documented), path
