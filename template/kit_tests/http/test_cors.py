"""Which web pages may read the responses of the service."""

import httpx2
import pytest

from kit_tests.support.application import application, running
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings

PAGE = "https://app.example.com"


def preflight(origin: str, method: str = "PATCH", headers: str = "if-match") -> dict[str, str]:
    """Return the headers with which a browser asks whether a page may send a request."""
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return {"Origin": origin, **asked}


def cors_headers(response: httpx2.Response) -> set[str]:
    return {name for name in response.headers if name.startswith("access-control-")}


async def test_no_page_may_read_anything_unless_it_is_set(client: httpx2.AsyncClient) -> None:
    responses = [
        await client.get("/items", headers={"Origin": PAGE}),
        await client.options("/items", headers=preflight(PAGE)),
    ]
    assert [cors_headers(response) for response in responses] == [set(), set()]
    assert_problem(responses[1], 405)


async def test_only_allowed_origins_may_read_responses(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(cors_origins=f"{PAGE}, https://other.example.com"))) as service:
        for path, status in (("/items", 200), ("/items/1", 404), ("/items?limit=0", 422)):
            response = await service.client.get(path, headers={"Origin": PAGE})
            assert response.status_code == status
            assert response.headers["Access-Control-Allow-Origin"] == PAGE
            assert "Origin" in response.headers["Vary"]
            readable = response.headers["Access-Control-Expose-Headers"].split(", ")
            assert set(readable) >= {"ETag", "Location", "Retry-After", "X-Request-ID"}

            response = await service.client.get(path, headers={"Origin": f"{PAGE}.evil.example"})
            assert response.status_code == status
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_page_learns_the_request_id_of_a_failure(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(cors_origins=PAGE))) as service:
        response = await service.client.post("/items/then/500", params={"name": "x"}, headers={"Origin": PAGE})
        assert_problem(response, 500)
        assert response.headers["Access-Control-Allow-Origin"] == PAGE
        assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]


async def test_allowed_origins_may_send_what_is_understood(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(cors_origins=PAGE))) as service:
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT"):
            asked = preflight(PAGE, method, "authorization, content-type, if-match, x-request-id")
            response = await service.client.options("/items/1", headers=asked)
            assert response.status_code == 200
            assert response.headers["Access-Control-Allow-Origin"] == PAGE
            assert response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "asked", [preflight("https://evil.example"), preflight(PAGE, method="TRACE"), preflight(PAGE, headers="x-other")]
)
async def test_refused_preflight_is_a_problem_like_any_other(
    make_settings: MakeSettings, asked: dict[str, str]
) -> None:
    async with running(application(make_settings(cors_origins=PAGE))) as service:
        response = await service.client.options("/items", headers=asked)
        assert_problem(response, 400, kind="cors")
        assert "Access-Control-Allow-Origin" not in response.headers
        metrics = (await service.client.get("/metrics")).text
        assert 'http_requests_total{method="OPTIONS",route="unmatched",status="400"} 1.0' in metrics


@pytest.mark.parametrize("origins", [PAGE, "*"])
async def test_no_page_may_use_the_cookies_of_its_visitor(make_settings: MakeSettings, origins: str) -> None:
    async with running(application(make_settings(cors_origins=origins))) as service:
        for response in (
            await service.client.get("/items", headers={"Origin": PAGE, "Cookie": "session=1"}),
            await service.client.options("/items", headers=preflight(PAGE)),
        ):
            assert response.headers["Access-Control-Allow-Origin"] == origins
            assert "Access-Control-Allow-Credentials" not in response.headers


async def test_stream_is_readable_too(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(cors_origins="*"))) as service:
        await service.client.post("/items", json={"name": "one"})
        response = await service.client.get("/items/export", headers={"Origin": PAGE})
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == "*"
