"""The time between SIGTERM and the end: still serving, and saying that it ends."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from kit_tests.support.application import application, running
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.problems import assert_problem
from kit_tests.support.suite import MakeSettings


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """Return the signals that have reached what stood there before: uvicorn, in a service."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGTERM, before)


async def test_service_that_drains_serves_and_says_so(make_settings: MakeSettings, ended: list[int]) -> None:
    with captured_output() as output:
        async with running(application(make_settings(drain_seconds=0.5, log_level="INFO"))) as service:
            assert "Connection" not in (await service.client.get("/health/ready")).headers
            os.kill(os.getpid(), signal.SIGTERM)
            response = await service.client.get("/health/live")
            assert (response.status_code, response.headers["Connection"]) == (200, "close")
            body = assert_problem(await service.client.get("/health/ready"), 503, kind="not-ready")
            assert body["detail"] == "The service is about to end."
            assert ended == []
            await asyncio.sleep(0.7)
            assert ended == [signal.SIGTERM]
    assert [line["event"] for line in log_lines(output)] == ["draining"]


async def test_second_signal_ends_the_drain_at_once(make_settings: MakeSettings, ended: list[int]) -> None:
    async with running(application(make_settings(drain_seconds=60))):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended == [signal.SIGTERM]


async def test_without_a_drain_the_first_signal_ends(make_settings: MakeSettings, ended: list[int]) -> None:
    async with running(application(make_settings())) as service:
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended == [signal.SIGTERM]
        assert (await service.client.get("/health/ready")).status_code == 200
