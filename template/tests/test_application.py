"""The application as a server finds it."""

import gc
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from app import main
from tests.kit.application import running
from tests.kit.output import captured_output


async def test_application_is_built_from_the_environment_when_a_server_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_database_url: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no `.env`
    monkeypatch.setenv("DATABASE_URL", shared_database_url)
    with captured_output():
        app = main.app
        assert isinstance(app, FastAPI)
        async with running(app) as service:
            assert (await service.client.get("/health/ready")).status_code == 200


async def test_no_answer_is_taken_for_what_it_does_not_say_it_is(client: httpx2.AsyncClient) -> None:
    for path in ("/items", "/items/1", "/nowhere", "/docs", "/metrics"):
        assert (await client.get(path)).headers["X-Content-Type-Options"] == "nosniff"


async def test_what_start_up_made_is_not_searched_for_garbage_while_the_service_serves(app: FastAPI) -> None:
    async with running(app):
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_nothing_else_is_made_up() -> None:
    assert not hasattr(main, "application")
