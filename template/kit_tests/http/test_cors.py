"""Which web pages may read what the service answers."""

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


def cors_headers(answer: httpx2.Response) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


async def test_no_page_may_read_anything_unless_it_is_set(client: httpx2.AsyncClient) -> None:
    answers = [
        await client.get("/items", headers={"Origin": PAGE}),
        await client.options("/items", headers=preflight(PAGE)),
    ]
    assert [cors_headers(answer) for answer in answers] == [set(), set()]
    assert_problem(answers[1], 405)


async def test_only_allowed_origins_may_read_responses(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(cors_origins=f"{PAGE}, https://other.example.com"))) as service:
        for path, status in (("/items", 200), ("/items/1", 404), ("/items?limit=0", 422)):
            answer = await service.client.get(path, headers={"Origin": PAGE})
            assert answer.status_code == status
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert "Origin" in answer.headers["Vary"]
            readable = answer.headers["Access-Control-Expose-Headers"].split(", ")
            assert set(readable) >= {"ETag", "Location", "Retry-After", "X-Request-ID"}

            answer = await service.client.get(path, headers={"Origin": f"{PAGE}.evil.example"})
            assert answer.status_code == status
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_page_learns_the_request_id_of_a_failure(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(cors_origins=PAGE))) as service:
        answer = await service.client.post("/items/then/500", params={"name": "x"}, headers={"Origin": PAGE})
        assert_problem(answer, 500)
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


async def test_allowed_origins_may_send_what_is_understood(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(cors_origins=PAGE))) as service:
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT"):
            asked = preflight(PAGE, method, "authorization, content-type, if-match, x-request-id")
            answer = await service.client.options("/items/1", headers=asked)
            assert answer.status_code == 200
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "asked", [preflight("https://evil.example"), preflight(PAGE, method="TRACE"), preflight(PAGE, headers="x-other")]
)
async def test_refused_preflight_is_a_problem_like_any_other(
    make_settings: MakeSettings, asked: dict[str, str]
) -> None:
    async with running(application(make_settings(cors_origins=PAGE))) as service:
        answer = await service.client.options("/items", headers=asked)
        assert_problem(answer, 400, kind="cors")
        assert "Access-Control-Allow-Origin" not in answer.headers
        metrics = (await service.client.get("/metrics")).text
        assert 'http_requests_total{method="OPTIONS",route="unmatched",status="400"} 1.0' in metrics


@pytest.mark.parametrize("origins", [PAGE, "*"])
async def test_no_page_may_use_the_cookies_of_its_visitor(make_settings: MakeSettings, origins: str) -> None:
    async with running(application(make_settings(cors_origins=origins))) as service:
        for answer in (
            await service.client.get("/items", headers={"Origin": PAGE, "Cookie": "session=1"}),
            await service.client.options("/items", headers=preflight(PAGE)),
        ):
            assert answer.headers["Access-Control-Allow-Origin"] == origins
            assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_stream_is_readable_too(make_settings: MakeSettings) -> None:
    async with running(application(make_settings(cors_origins="*"))) as service:
        await service.client.post("/items", json={"name": "one"})
        answer = await service.client.get("/items/export", headers={"Origin": PAGE})
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
