"""Under which names the service can be reached."""

from contextlib import AbstractAsyncContextManager

import pytest

from kit_tests.support.application import Running, application, exchange, running
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings

HOSTS = "api.example.com, *.internal.example, [::1]"


def serving_hosts(make_settings: MakeSettings, **settings: object) -> AbstractAsyncContextManager[Running]:
    return running(application(make_settings(trusted_hosts=HOSTS, **settings)))


async def test_every_name_will_do_unless_it_is_set(service: Running) -> None:
    response = await service.client.get("/items", headers={"Host": "anything.example:1234"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "host", ["api.example.com", "API.example.com:8000", "a.internal.example", "a.b.internal.example:1", "[::1]:8000"]
)
async def test_host_that_is_named_is_served(make_settings: MakeSettings, host: str) -> None:
    async with serving_hosts(make_settings) as service:
        assert (await service.client.get("/items", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "www.api.example.com", "api.example.com.evil.example", "api.example.com@evil.example"),
        *("internal.example", "evilinternal.example", "10.0.0.1", "api.example.com:80:80", "a b", "", "\xe9"),
    ],
)
async def test_other_host_is_refused_with_a_problem(make_settings: MakeSettings, host: str) -> None:
    async with serving_hosts(make_settings) as service:
        response = await service.client.get("/items", headers=[(b"Host", host.encode("latin-1"))])
        assert_problem(response, 400, kind="untrusted-host")


async def test_host_that_is_not_clear_is_refused(make_settings: MakeSettings) -> None:
    async with serving_hosts(make_settings) as service:
        for headers in ([], [(b"host", b"api.example.com"), (b"host", b"evil.example")]):
            sent = await exchange(service.asgi, "GET", "/items", headers=headers)
            assert sent[0]["status"] == 400


async def test_probes_may_ask_by_address(make_settings: MakeSettings) -> None:
    async with serving_hosts(make_settings) as service:
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert (await service.client.get(path, headers={"Host": "10.0.0.1:8000"})).status_code == 200


async def test_refusal_is_logged_and_counted(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        async with serving_hosts(make_settings, log_level="INFO") as service:
            response = await service.client.get("/items", headers={"Host": "evil.example"})
            metrics = (await service.client.get("/metrics", headers={"Host": "10.0.0.1"})).text
    assert 'http_requests_total{method="GET",route="unmatched",status="400"} 1.0' in metrics
    (line,) = [line for line in log_lines(output) if line.get("path") == "/items"]
    assert (line["status"], line["request_id"]) == (400, response.headers["X-Request-ID"])
