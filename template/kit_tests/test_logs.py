"""The log: one line of JSON for each event, each with the id of its request, and none with a secret."""

import asyncio
import json
import logging
import warnings
from collections.abc import MutableMapping
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from io import StringIO
from typing import Any, Literal

import httpx2
import pytest
import structlog
from fastapi import BackgroundTasks, FastAPI
from sqlalchemy import select

from app.kit.database.dependencies import CurrentDatabase, ReadSession
from app.kit.http.request_line import log_request
from app.kit.logs import LogSettings, configure_logging
from kit_tests.support.application import application, running, serving
from kit_tests.support.output import captured_output, log_lines
from kit_tests.support.pool import at_most
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import MakeSettings


def lines_of(response: httpx2.Response, output: StringIO) -> list[dict[str, Any]]:
    """Return what was logged about the request of this response."""
    return [line for line in log_lines(output) if line.get("request_id") == response.headers["X-Request-ID"]]


async def test_request_is_logged_with_what_it_was_and_how_it_went(shared_database_url: str) -> None:
    with captured_output() as output:
        async with running(application(settings_for(shared_database_url, log_level="INFO"))) as service:
            response = await service.client.get("/items/7?secret=1", headers={"X-Request-ID": "find-me"})
    assert response.status_code == 404
    (line,) = log_lines(output)
    assert line.pop("duration_ms") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "path": "/items/7",
        "request_id": "find-me",
        "status": 404,
    }


async def test_every_line_of_a_request_has_its_id(shared_database_url: str) -> None:
    settings = settings_for(shared_database_url, log_level="INFO", database_echo=True)
    with captured_output() as output:
        app = application(settings)

        @app.get("/probe")
        async def probe(tasks: BackgroundTasks) -> None:
            structlog.get_logger().info("from structlog")
            logging.getLogger("some.library").info("from the %s", "standard library")
            tasks.add_task(structlog.get_logger().info, "from a background task")

        async with running(app) as service:
            await service.client.get("/probe", headers={"X-Request-ID": "first"})
            await service.client.get("/items", headers={"X-Request-ID": "second"})

    lines = log_lines(output)
    first = [line["event"] for line in lines if line.get("request_id") == "first"]
    assert first == ["from structlog", "from the standard library", "from a background task", "request"]
    second = [line["event"] for line in lines if line.get("request_id") == "second"]
    assert any("SELECT" in event for event in second)
    assert all("request_id" in line for line in lines)


async def test_server_logs_in_the_same_form(shared_database_url: str) -> None:
    with captured_output() as output:
        app = application(settings_for(shared_database_url, log_level="INFO"))
        async with serving(app) as server:
            reader, writer = await server.send(b"GET /items HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            await reader.read()
            writer.close()
    lines = log_lines(output)
    assert {"uvicorn.error"} == {line["logger"] for line in lines if "logger" in line}
    assert [line["path"] for line in lines if line["event"] == "request"] == ["/items"]


async def test_health_and_metrics_are_logged_only_when_debugging(shared_database_url: str) -> None:
    async def paths(level: str) -> list[str]:
        with captured_output() as output:
            async with running(application(settings_for(shared_database_url, log_level=level))) as service:
                for path in ("/health/live", "/health/ready", "/metrics", "/items"):
                    assert (await service.client.get(path)).status_code == 200
        return [line["path"] for line in log_lines(output) if line["event"] == "request"]

    assert await paths("INFO") == ["/items"]
    assert await paths("DEBUG") == ["/health/live", "/health/ready", "/metrics", "/items"]
    assert await paths("WARNING") == []


async def test_mounted_application_is_logged_whatever_its_paths_are(shared_database_url: str) -> None:
    with captured_output() as output:
        app = application(settings_for(shared_database_url, log_level="INFO"))
        app.mount("/other", FastAPI())
        async with running(app) as service:
            assert (await service.client.get("/other/metrics")).status_code == 404
    assert [line["path"] for line in log_lines(output)] == ["/other/metrics"]


async def test_console_form_is_for_people(shared_database_url: str) -> None:
    with captured_output() as output:
        app = application(settings_for(shared_database_url, log_level="INFO", log_format="console"))
        async with running(app) as service:
            await service.client.get("/items")
            await service.client.post("/items/then/500", params={"name": "x"})
    text = output.getvalue()
    assert not text.startswith("{")
    assert "/items" in text
    assert "RuntimeError" in text
    assert "a bug" in text


async def test_bug_is_logged_with_its_traceback(shared_database_url: str) -> None:
    with captured_output() as output:
        async with running(application(settings_for(shared_database_url, log_level="INFO"))) as service:
            response = await service.client.post("/items/then/500", params={"name": "x"})
    failed, request = lines_of(response, output)
    assert (failed["event"], failed["level"], failed["status"]) == ("request_failed", "error", 500)
    assert "RuntimeError: a bug" in failed["exception"]
    assert (request["event"], request["status"]) == ("request", 500)


async def test_failing_background_task_is_logged_after_the_response(shared_database_url: str) -> None:
    def fail() -> None:
        raise RuntimeError("a bug in the task")

    with captured_output() as output:
        app = application(settings_for(shared_database_url, log_level="INFO"))

        @app.get("/probe")
        async def probe(tasks: BackgroundTasks) -> str:
            tasks.add_task(fail)
            return "done"

        async with running(app) as service:
            response = await service.client.get("/probe")

    assert (response.status_code, response.json()) == (200, "done")
    failed, request = lines_of(response, output)
    assert (failed["event"], failed["level"], failed["status"]) == ("failed_after_response", "error", 200)
    assert "a bug in the task" in failed["exception"]
    assert request["status"] == 200


async def test_no_value_and_no_credential_is_ever_logged(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        async with running(application(make_settings(log_level="DEBUG", database_echo=True))) as service:
            for _ in range(2):
                await service.client.post("/items", json={"name": "swordfish"})
            await service.client.post("/items", json={"name": ["swordfish"], "swordfish": 1})
            await service.client.get("/items", params={"cursor": "swordfish"})
    assert "INSERT INTO" in output.getvalue()
    assert "swordfish" not in output.getvalue()


async def test_urls_that_the_service_requests_are_not_logged(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        logging.getLogger("httpx2").setLevel(logging.NOTSET)
        app = application(make_settings(log_level="INFO"))
        async with running(app) as service:
            await service.client.get("/items", params={"token": "swordfish"})
    assert [line["event"] for line in log_lines(output)] == ["request"]


async def test_second_connection_is_one_line_for_each_pair_of_places(make_settings: MakeSettings) -> None:
    with captured_output() as output, warnings.catch_warnings():
        warnings.simplefilter("default")
        app = application(make_settings(**at_most(4), database_pool_timeout=0.2))

        @app.get("/probe")
        async def probe(session: ReadSession, database: CurrentDatabase) -> None:
            await session.execute(select(1))
            await database.execute(select(1))

        async with running(app) as service:
            statuses = await asyncio.gather(*(service.client.get("/probe") for _ in range(20)))
            assert {response.status_code for response in statuses} <= {200, 503}
    (line,) = [line for line in log_lines(output) if line.get("logger") == "py.warnings"]
    assert line["level"] == "warning"
    assert "SecondConnectionWarning" in line["event"]
    assert "kit_tests.test_logs:" in line["event"]
    assert "read_session" in line["event"]
    assert line["request_id"]


async def test_request_line_has_what_its_endpoint_has_bound(make_settings: MakeSettings) -> None:
    with captured_output() as output:
        app = application(make_settings(log_level="INFO"))

        @app.get("/probe/{name}")
        async def probe(name: str) -> None:
            structlog.contextvars.bind_contextvars(tenant=name)

        async with running(app) as service:
            await service.client.get("/probe/first")
            await service.client.get("/items")
    first, second = log_lines(output)
    assert first["tenant"] == "first"
    assert "tenant" not in second


async def test_added_processors_see_the_line_of_a_request(make_settings: MakeSettings) -> None:
    def shorten(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"event": event["event"], "seen": sorted(event)}

    with captured_output() as output:
        app = application(make_settings(log_level="INFO"))
        async with running(app) as service:
            *chain, rendering = structlog.get_config()["processors"]
            structlog.configure(processors=[*chain, shorten, rendering])
            await service.client.get("/items")
    names = ["duration_ms", "event", "level", "method", "path", "request_id", "status", "timestamp"]
    assert log_lines(output) == [{"event": "request", "seen": names}]


@pytest.mark.parametrize(
    "bound",
    [
        {},
        {"tenant": 'é "quoted"\u2028\ud800', "number": 2**64 - 1},
        {"tenant": ["list"]},
        {"number": 10**40},
        {"number": 10**5000},
        {"yes": True, "none": None, "float": 0.1},
        {"level": "mine"},
        {"path": "mine"},
        {"event": "mine"},
        {"exc_info": True},
    ],
    ids="-".join,
)
@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
async def test_line_of_a_request_is_what_structlog_makes_of_it(
    bound: dict[str, Any], level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.25)
    fields: Any = {"method": "GET", "path": '/é"\ud800\\', "status": 200, "duration_ms": 0.1}
    with captured_output() as output, structlog.contextvars.bound_contextvars(**bound):
        configure_logging(LogSettings(log_level="DEBUG"))
        log_request(level, **fields)
        structlog.get_logger().log(level, "request", **fields)
    first, second = output.getvalue().splitlines()
    assert first == second


async def test_line_of_a_request_is_captured_like_any_other() -> None:
    configure_logging(LogSettings(log_level="INFO"))
    with structlog.testing.capture_logs() as captured, captured_output() as output:
        log_request(logging.INFO, method="GET", path="/", status=200, duration_ms=0.1)
    assert [line["event"] for line in captured] == ["request"]
    assert output.getvalue() == ""


def test_line_of_a_request_is_written_past_structlog(monkeypatch: pytest.MonkeyPatch) -> None:
    with captured_output() as output:
        configure_logging(LogSettings(log_level="INFO"))
        monkeypatch.setattr("app.kit.http.request_line.log", None)
        log_request(logging.INFO, method="GET", path="/", status=200, duration_ms=0.1)
        log_request(logging.DEBUG, method="GET", path="/", status=200, duration_ms=0.1)
    assert [line["level"] for line in log_lines(output)] == ["info"]


class Colour(IntEnum):
    RED = 1


class Name(StrEnum):
    FIRST = "first"


class Described:
    def __structlog__(self) -> object:
        return {"described": True}


@pytest.mark.parametrize(
    "value",
    [
        "é\u2028\x85\n\x00\ud800",
        b"bytes",
        Colour.RED,
        Name.FIRST,
        10**40,
        -0.0,
        float("nan"),
        float("-inf"),
        True,
        None,
        {"a": {1: [None, (2, {3})]}, None: 4, True: 5},
        timedelta(seconds=1),
        Described(),
        ValueError("é"),
    ],
)
def test_line_is_what_structlog_makes_of_an_event(value: object) -> None:
    with captured_output() as output:
        configure_logging(LogSettings(log_level="INFO"))
        structlog.get_logger().info("something", value=value)
    line = output.getvalue()
    timestamp = json.loads(line)["timestamp"]
    event = {"value": value, "event": "something", "level": "info", "timestamp": timestamp}
    assert line == f"{structlog.processors.JSONRenderer()(None, 'info', event)!s}\n"
    assert line.isascii()


@pytest.mark.parametrize("fraction", [0.0, 0.000002, 0.5, 0.999999])
def test_time_of_a_line_is_that_of_the_clock(monkeypatch: pytest.MonkeyPatch, fraction: float) -> None:
    moments = [1_790_000_000 + seconds + fraction for seconds in (0, 0, 1, 86_400, -86_400)]
    with captured_output() as output:
        configure_logging(LogSettings(log_level="INFO"))
        with monkeypatch.context() as patch:
            for moment in moments:
                patch.setattr("time.time", lambda moment=moment: moment)
                structlog.get_logger().info("something")
    texts = [line["timestamp"] for line in log_lines(output)]
    assert {len(text) for text in texts} == {len("2026-09-21T13:33:20.000000Z")}
    for text, moment in zip(texts, moments, strict=True):
        assert abs(datetime.fromisoformat(text) - datetime.fromtimestamp(moment, UTC)) <= timedelta(microseconds=1)


class Unreadable:
    def __repr__(self) -> str:
        raise RuntimeError("a bug")


class UnreadableText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("a bug")

    __repr__ = __str__


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_value_that_cannot_be_shown_fails_nobody(log_format: Literal["json", "console"]) -> None:
    circle: list[object] = []
    circle.append(circle)
    with captured_output() as output:
        configure_logging(LogSettings(log_level="INFO", log_format=log_format))
        structlog.get_logger().info("number", value=10**5000, status=Colour.RED, name="kept")
        structlog.get_logger().info("text", value=UnreadableText("text"), other=Unreadable(), name="kept")
    assert output.getvalue().count("kept") == 2
    with captured_output() as output:
        configure_logging(LogSettings(log_level="INFO", log_format=log_format))
        structlog.get_logger().info("first", value=Unreadable(), name="kept")
        structlog.get_logger().info("second", value=circle, name="kept")
        logging.getLogger("some.library").info("third %s", Unreadable())
        logging.getLogger("some.library").info("fourth %d", "no number")
    text = output.getvalue()
    assert "first" in text
    assert "second" in text
    assert text.count("kept") == 2
    assert text.count("log_record_unusable") == 2
    assert "test_logs.py:" in text


@pytest.mark.parametrize("_time", [1, 2])
def test_log_goes_where_output_goes(capsys: pytest.CaptureFixture[str], _time: int) -> None:
    try:
        for _ in range(2):
            configure_logging(LogSettings(log_level="INFO"))
        structlog.get_logger().info("from structlog")
        logging.getLogger("some.library").info("from the standard library")
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["event"] for line in lines] == ["from structlog", "from the standard library"]
    finally:
        configure_logging(LogSettings(log_level="WARNING"))


def test_log_outlives_an_output_that_was_closed(capsys: pytest.CaptureFixture[str]) -> None:
    closed = StringIO()
    with redirect_stdout(closed):
        configure_logging(LogSettings(log_level="WARNING"))
    closed.close()
    structlog.get_logger().warning("afterwards")
    logging.getLogger("some.library").warning("afterwards")
    assert capsys.readouterr().out.count("afterwards") == 2
