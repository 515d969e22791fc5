"""The time between SIGTERM and the end: still serving, and saying that it ends."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from time import sleep

import pytest
import uvicorn

from kit_tests.support.application import application, eventually, running
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


async def test_who_connects_at_the_last_moment_is_served(make_settings: MakeSettings, ended: list[int]) -> None:
    config = uvicorn.Config(application(make_settings(drain_seconds=0.3)), port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    clients: list[socket.socket] = []

    def connect() -> None:
        address = server.servers[0].sockets[0].getsockname()
        clients.extend(socket.create_connection(address) for _ in range(5))

    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.2, connect)
    # The port is closed in the same turn of the loop in which they connect, so nobody has accepted them before.
    sleep(0.6)  # noqa: ASYNC251 - the loop is to be late
    await eventually(lambda: len(clients) == 5)
    # Their requests are on the way for a while: uvicorn looks every tenth of a second whether it is to end.
    await asyncio.sleep(0.2)
    for client in clients:
        client.sendall(b"GET /items HTTP/1.1\r\nHost: test\r\n\r\n")
    received = [await asyncio.to_thread(_all_of, client) for client in clients]
    assert [each.partition(b"\r\n")[0] for each in received] == [b"HTTP/1.1 200 OK"] * 5
    await serving
    assert ended == [signal.SIGTERM]


def _all_of(client: socket.socket) -> bytes:
    client.settimeout(30)
    with client, client.makefile("rb") as received:
        return received.read()


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
