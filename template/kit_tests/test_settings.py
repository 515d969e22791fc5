"""Settings come from the environment and from `.env`, and are checked before anything starts."""

import os
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AliasChoices, BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.kit.settings import KitSettings, MigrationSettings, load
from devtools import application
from kit_tests.support.settings import settings_from, values_for


class Mail(BaseModel):
    """Settings within settings, read from variables like MAIL__HOST."""

    host: str = "localhost"


class Search(BaseSettings):
    """Settings with a prefix of their own."""

    model_config = SettingsConfigDict(env_prefix="SEARCH_")

    index: str = "default"


class OwnersSettings(KitSettings):
    """Settings as a service's owner may write them."""

    model_config = SettingsConfigDict(env_nested_delimiter="__")

    api_key: str
    greeting: str = "default"
    port: Annotated[int, Field(validation_alias=AliasChoices("SHOP_PORT", "OLD_PORT"))] = 1
    mail: Mail = Mail()
    search: Search = Field(default_factory=Search)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_database_url: str) -> None:
    """Set nothing but the database, and read no `.env`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", shared_database_url)


def refusal(settings: type[KitSettings] = KitSettings) -> str:
    """Return the message with which the settings are refused."""
    with pytest.raises(SystemExit) as refused:
        load(settings)
    assert isinstance(refused.value.code, str)
    return refused.value.code


def test_environment_wins_over_file_and_file_over_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load(KitSettings).database_lock_timeout == 5
    (tmp_path / ".env").write_text("DATABASE_LOCK_TIMEOUT=6\nLOG_LEVEL=ERROR\nOF_ANOTHER_PROGRAM=x\n")
    assert load(KitSettings).database_lock_timeout == 6
    monkeypatch.setenv("DATABASE_LOCK_TIMEOUT", "7.5")
    settings = load(KitSettings)
    assert (settings.database_lock_timeout, settings.log_level) == (7.5, "ERROR")


def test_variable_that_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_LOCK_TIMEOUT", "")
    assert load(KitSettings).database_lock_timeout == 5


def test_everything_that_is_wrong_is_named_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "DATABASE_LOCK_TIMEOUT": "nan",
        "DATABASE_POOL_TIMEOUT": "0",
        "DATABASE_ECHO": "perhaps",
        "MAX_BODY_SIZE": "many",
        "DOCS_ENABLED": "perhaps",
        "CORS_ORIGINS": "everyone",
        "TRUSTED_HOSTS": "http://everyone",
        "LOG_LEVEL": "loud",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    lines = refusal().splitlines()
    assert lines[0] == "The service cannot start, because its settings are not usable:"
    assert sorted(line.split(":")[0].strip() for line in lines[1:]) == sorted(wrong)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "0.0000001", "-1", "soon", "1e9"])
def test_time_that_could_not_be_kept_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    times = [name.upper() for name in KitSettings.model_fields if name.endswith(("_timeout", "_grace"))]
    for name in times:
        monkeypatch.setenv(name, value)
    message = refusal()
    assert all(f"  {name}: " in message for name in times)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", " https://app.example.com ,HTTP://Localhost:5173,,http://[::1]:80")
    monkeypatch.setenv("TRUSTED_HOSTS", "api.example.com,*.example.com,127.0.0.1,[::1]")
    settings = load(KitSettings)
    assert settings.cors_origins == ("https://app.example.com", "http://localhost:5173", "http://[::1]:80")
    assert settings.trusted_hosts == ("api.example.com", "*.example.com", "127.0.0.1", "[::1]")
    monkeypatch.setenv("CORS_ORIGINS", "*")
    assert load(KitSettings).cors_origins == ("*",)


@pytest.mark.parametrize(
    "value",
    ["https://app.example.com/", "app.example.com", "null", "*,https://app.example.com", "https://*.example.com"],
)
def test_origin_that_no_browser_would_send_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", value)
    message = refusal()
    assert "  CORS_ORIGINS: has '" in message
    assert "Expected https://app.example.com" in message


@pytest.mark.parametrize("value", ["https://api.example.com", "api.example.com:8000", "*", "api.*", "a b", "::1"])
def test_host_that_no_request_could_name_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRUSTED_HOSTS", value)
    message = refusal()
    assert f"  TRUSTED_HOSTS: has '{value}'" in message
    assert "Expected api.example.com" in message


@pytest.mark.parametrize("value", [",", " ", " , ,"])
@pytest.mark.parametrize("name", ["CORS_ORIGINS", "TRUSTED_HOSTS"])
def test_list_of_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert f"  {name}: is set and names nothing." in refusal()


def test_setting_that_is_missing_is_named_as_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL", '{"host": 1}')
    _, key, host = refusal(OwnersSettings).splitlines()
    assert key.startswith("  API_KEY: not set, neither in the environment nor in `.env`.")
    assert host.startswith("  MAIL__HOST: ")


def test_settings_of_tests_are_read_from_values_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_database_url: str
) -> None:
    for name in ("API_KEY", "greeting", "SHOP_PORT", "OLD_PORT", "MAIL__HOST", "SEARCH_INDEX", "DATABASE_ECHO"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SHOP_ADDRESS", "kept")
    (tmp_path / ".env").write_text("GREETING=leaked\n")

    settings = settings_from(OwnersSettings, {"api_key": "for tests"})(**values_for(shared_database_url))
    assert settings.model_dump(include={*OwnersSettings.__annotations__, "database_echo"}) == {
        "database_echo": False,
        "api_key": "for tests",
        "greeting": "default",
        "port": 1,
        "mail": {"host": "localhost"},
        "search": {"index": "default"},
    }
    assert os.environ["SHOP_ADDRESS"] == "kept"


@pytest.mark.parametrize(
    ("values", "problem"), [({}, "api_key: Field required"), ({"api_key": "x", "mail": {"host": 1}}, "mail.host: ")]
)
def test_values_of_tests_that_are_not_usable_are_named(values: dict[str, object], problem: str) -> None:
    with pytest.raises((pytest.fail.Exception, pytest.exit.Exception)) as stopped:
        settings_from(OwnersSettings, values)
    first, *problems = str(stopped.value).splitlines()
    assert first == "The tests cannot start, because VALUES in tests/values.py is not usable:"
    assert len(problems) == 1
    assert problems[0].startswith(f"  {problem}")


def test_settings_do_not_change_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(KitSettings).log_level = "DEBUG"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("# caf\u00e9\nLOG_LEVEL=ERROR\n".encode("latin-1"), ".env: is not UTF-8, from line 1 on"),
        ("LOG_LEVEL=ERROR\n# x".encode("utf-16"), ".env: is not UTF-8, from line 1 on"),
        ("LOG_LEVEL=ERROR\n# x".encode("utf-16-le"), ".env: has a NUL in line 1"),
        (b"LOG_LEVEL=ERROR\nAPI_KEY=a\0b\n", ".env: has a NUL in line 2"),
        (None, ".env: cannot be read: Is a directory"),
    ],
)
def test_file_that_is_no_text_is_one_message(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is None:
        (tmp_path / ".env").mkdir()
    else:
        (tmp_path / ".env").write_bytes(content)
    for settings in (KitSettings, MigrationSettings):
        with pytest.raises(SystemExit) as refused:
            load(settings)
        first, *problems = str(refused.value.code).splitlines()
        assert first == "The service cannot start, because its settings are not usable:"
        assert len(problems) == 1
        assert problems[0].startswith(f"  {problem}")


def test_file_that_is_no_text_leaves_the_message_to_the_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(application, "PROJECT", tmp_path)
    monkeypatch.delenv("DATABASE_URL")
    (tmp_path / ".env").write_bytes(b"# caf\xe9\nDATABASE_URL=x\n")
    assert application.is_configured("DATABASE_URL")
    (tmp_path / ".env").write_text("DATABASE_URL=x", encoding="utf-8-sig")
    assert application.is_configured("DATABASE_URL")
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()
    assert not application.is_configured("DATABASE_URL")


def test_file_may_begin_with_a_mark_of_its_encoding(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=ERROR\n", encoding="utf-8-sig")
    assert load(KitSettings).log_level == "ERROR"
    # Older releases of python-dotenv keep a mark that decoding leaves.
    assert (tmp_path / ".env").read_text(KitSettings.model_config.get("env_file_encoding")) == "LOG_LEVEL=ERROR\n"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ('DATABASE_URL="x\n', [1]),
        ("LOG_LEVEL=ERROR\n\n  \n  MAIL='x\nDOCS_ENABLED=1\n", [4]),
        ("LOG_LEVEL=ERROR\r\n\r\nsome words\r\n", [3]),
        ('A="x" y\n# A comment.\nB=1\n=2', [1, 4]),
    ],
)
def test_file_with_an_unreadable_line_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str, lines: list[int]
) -> None:
    (tmp_path / ".env").write_text(content, newline="")
    for settings in (KitSettings, MigrationSettings):
        with pytest.raises(SystemExit) as refused:
            load(settings)
        _, *problems = str(refused.value.code).splitlines()
        assert problems == [f"  .env: line {line} is no NAME=value. Is a quote not closed?" for line in lines]
    assert not caplog.records


def test_setting_with_parts_that_is_no_json_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "x")
    monkeypatch.setenv("MAIL", "localhost")
    (problem,) = refusal(OwnersSettings).splitlines()[1:]
    assert '"mail"' in problem
    assert "Expected JSON" in problem
