"""The application starts as servers load it, `uvicorn app.asgi:app`, and gives endpoints its settings."""

import json
from pathlib import Path
from runpy import run_module

import pytest
from fastapi import FastAPI

from app.settings import CurrentSettings
from kit_tests.support.application import Running, running
from kit_tests.support.output import captured_output
from kit_tests.support.settings import values_for
from tests.values import VALUES


async def test_application_is_ready_once_it_has_started(service: Running) -> None:
    assert (await service.client.get("/health/ready")).status_code == 200


async def test_servers_load_it_with_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no `.env`
    for name, value in values_for(database_url, **VALUES).items():
        monkeypatch.setenv(name.upper(), value if isinstance(value, str) else json.dumps(value))
    with captured_output():
        async with running(run_module("app.asgi")["app"]) as service:
            assert (await service.client.get("/health/ready")).status_code == 200


def test_servers_are_told_what_is_wrong_with_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(SystemExit, match=r"(?s)The service cannot start.*LOG_LEVEL"):
        run_module("app.asgi")


async def test_endpoints_can_ask_for_the_settings(app: FastAPI) -> None:
    @app.get("/log-level")
    async def log_level(settings: CurrentSettings) -> str:
        return settings.log_level

    async with running(app) as service:
        assert (await service.client.get("/log-level")).json() == "WARNING"
