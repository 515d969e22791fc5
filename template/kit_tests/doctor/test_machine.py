"""This machine: its Python, the settings, and what `.env` says."""

from datetime import date
from pathlib import Path
from typing import NoReturn

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_settings import SettingsConfigDict

from app.kit.settings import KitSettings, load
from devtools.doctor.check import Options, Service
from devtools.doctor.interpreter import END_OF_LIFE
from kit_tests.support.doctor import assert_well, problem, service_of
from kit_tests.support.items import VERSIONS, ItemBase
from kit_tests.support.settings import settings_for, values_for

PROJECT = '[project]\nname = "service"\nrequires-python = "{}"\n'


class Mail(BaseModel):
    """Settings within settings."""

    host: str = "localhost"


class OwnersSettings(KitSettings):
    """Settings as a service's owner may write them."""

    model_config = SettingsConfigDict(env_nested_delimiter="__")

    api_key: SecretStr = SecretStr("for development")
    mail: Mail = Mail()


@pytest.fixture
def service(tmp_path: Path, shared_database_url: str) -> Service:
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(">=3.11"))
    return service_of(settings_for(shared_database_url), root=tmp_path)


async def test_python_that_the_service_does_not_take_is_a_problem(service: Service) -> None:
    assert "maintained until" in await assert_well(service, "interpreter")
    (service.root / "pyproject.toml").write_text(PROJECT.format(">=3.11,<3.11.1"))
    assert "takes >=3.11,<3.11.1 (requires-python" in await problem(service, "interpreter")


async def test_python_without_fixes_is_a_problem(service: Service) -> None:
    last = max(END_OF_LIFE.values())
    assert "has had no fixes since" in await problem(service, "interpreter", today=last.replace(year=last.year + 1))
    assert min(END_OF_LIFE.values()) > date(2027, 1, 1)


async def test_settings_that_are_refused_are_named(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> NoReturn:
        monkeypatch.setenv("DATABASE_LOCK_TIMEOUT", "soon")
        load(KitSettings)
        raise AssertionError("not refused")

    monkeypatch.chdir(service.root)
    refused = Service(service.root, KitSettings, refuse, VERSIONS, ItemBase.metadata)
    assert "\nDATABASE_LOCK_TIMEOUT: " in await problem(refused, "settings")


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("DATABASE_LOCKTIMEOUT=1", "Is it DATABASE_LOCK_TIMEOUT?"),
        ("LOG_LEVLE=INFO", "Is it LOG_LEVEL?"),
        ("DATABASE_HOST=localhost", "shows every setting"),
    ],
)
async def test_name_that_is_mistyped_is_a_problem(service: Service, line: str, advice: str) -> None:
    name = line.partition("=")[0]
    (service.root / ".env").write_text(f"LOG_FORMAT=json\n{line}\n")
    said = await problem(service, "settings")
    assert f".env sets {name}, which nothing reads" in said
    assert advice in said


async def test_names_of_settings_and_of_other_programs_are_none(service: Service, shared_database_url: str) -> None:
    owners = OwnersSettings(_env_file=None, **values_for(shared_database_url))
    (service.root / ".env").write_text("API_KEY=x\nmail__host=y\nPORT=1\nPOSTBOX_PASSWORD=z\nDATABASE_URL=u\n")
    await assert_well(Service(service.root, OwnersSettings, lambda: owners, VERSIONS, ItemBase.metadata), "settings")


async def test_secret_that_is_the_default_of_the_code_is_a_problem(service: Service, shared_database_url: str) -> None:
    def with_secret(**values: object) -> Service:
        settings = OwnersSettings(_env_file=None, **values_for(shared_database_url, **values))
        return Service(service.root, OwnersSettings, lambda: settings, VERSIONS, ItemBase.metadata)

    production = Options(production=True)
    said = await problem(with_secret(), "secrets", options=production)
    assert "API_KEY is the default of the code" in said
    assert "for development" not in said
    await assert_well(with_secret(api_key="of its own"), "secrets", options=production)
    await assert_well(with_secret(), "secrets")
