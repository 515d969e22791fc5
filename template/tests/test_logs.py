"""The log: one line of JSON for each event, each with the id of its request, and none with a secret."""

import logging
from io import StringIO
from typing import Any

import httpx2
import structlog
from fastapi import BackgroundTasks

from tests.conftest import MakeSettings, settings_for
from tests.kit.application import application, running, serving
from tests.kit.output import captured_output, log_lines


def lines_of(answer: httpx2.Response, output: StringIO) -> list[dict[str, Any]]:
    """Return what was logged about the request that was answered so."""
    return [line for line in log_lines(output) if line.get("request_id") == answer.headers["X-Request-ID"]]


async def test_request_is_logged_with_what_it_was_and_how_it_went(shared_database_url: str) -> None:
    with captured_output() as output:
        async with running(application(settings_for(shared_database_url, log_level="INFO"))) as service:
            answer = await service.client.get("/items/7?secret=1", headers={"X-Request-ID": "find-me"})
    assert answer.status_code == 404
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
    assert "a mistake in the program" in text


async def test_mistake_in_the_program_is_logged_with_its_traceback(shared_database_url: str) -> None:
    with captured_output() as output:
        async with running(application(settings_for(shared_database_url, log_level="INFO"))) as service:
            answer = await service.client.post("/items/then/500", params={"name": "x"})
    failed, request = lines_of(answer, output)
    assert (failed["event"], failed["level"]) == ("request_failed", "error")
    assert "RuntimeError: a mistake in the program" in failed["exception"]
    assert (request["event"], request["status"]) == ("request", 500)


async def test_failing_background_task_is_logged_and_leaves_the_answer_alone(shared_database_url: str) -> None:
    def fail() -> None:
        raise RuntimeError("a mistake in the task")

    with captured_output() as output:
        app = application(settings_for(shared_database_url, log_level="INFO"))

        @app.get("/probe")
        async def probe(tasks: BackgroundTasks) -> str:
            tasks.add_task(fail)
            return "answered"

        async with running(app) as service:
            answer = await service.client.get("/probe")

    assert (answer.status_code, answer.json()) == (200, "answered")
    failed, request = lines_of(answer, output)
    assert (failed["event"], failed["level"]) == ("failed_after_response", "error")
    assert "a mistake in the task" in failed["exception"]
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
