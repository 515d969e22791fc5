"""Settings come from the environment, are all in `.env.example`, and are checked before anything starts."""

import re
from importlib.util import find_spec, module_from_spec
from pathlib import Path

import pytest

from app.settings import Settings, load_settings
from tests.kit.migrations import ROOT


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_database_url: str) -> None:
    """Set nothing but the database, and read no `.env`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", shared_database_url)


def refusal() -> str:
    """Return the message with which the settings are refused."""
    with pytest.raises(SystemExit) as refused:
        load_settings()
    assert isinstance(refused.value.code, str)
    return refused.value.code


def test_environment_goes_before_the_file_and_the_file_before_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_settings().database_lock_timeout == 5
    (tmp_path / ".env").write_text("DATABASE_LOCK_TIMEOUT=6\nLOG_LEVEL=ERROR\nOF_ANOTHER_PROGRAM=x\n")
    assert load_settings().database_lock_timeout == 6
    monkeypatch.setenv("DATABASE_LOCK_TIMEOUT", "7.5")
    settings = load_settings()
    assert (settings.database_lock_timeout, settings.log_level) == (7.5, "ERROR")


def test_variable_that_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_LOCK_TIMEOUT", "")
    assert load_settings().database_lock_timeout == 5


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


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "-1", "soon", "1e9"])
def test_time_that_could_not_be_kept_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    times = [name.upper() for name in Settings.model_fields if name.endswith("_timeout")]
    for name in times:
        monkeypatch.setenv(name, value)
    message = refusal()
    assert all(f"  {name}: " in message for name in times)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", " https://app.example.com ,HTTP://Localhost:5173,,http://[::1]:80")
    monkeypatch.setenv("TRUSTED_HOSTS", "api.example.com,*.example.com,127.0.0.1,[::1]")
    settings = load_settings()
    assert settings.cors_origins == ("https://app.example.com", "http://localhost:5173", "http://[::1]:80")
    assert settings.trusted_hosts == ("api.example.com", "*.example.com", "127.0.0.1", "[::1]")
    monkeypatch.setenv("CORS_ORIGINS", "*")
    assert load_settings().cors_origins == ("*",)


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


def test_settings_do_not_change_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().log_level = "DEBUG"  # type: ignore[misc]


@pytest.fixture
def example() -> str:
    """Return the parts of `.env.example` that the service reads."""
    parts = re.split(r"^(?=# --- )", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    return "".join(part for part in parts if not part.startswith("# --- Read by compose.yaml alone ---"))


def test_example_names_every_setting_and_no_other(example: str) -> None:
    assert sorted(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == sorted(map(str.upper, Settings.model_fields))


def test_example_shows_the_defaults(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_settings()
    (tmp_path / ".env").write_text(re.sub(r"^#(?=[A-Z_]+=)", "", example, flags=re.MULTILINE))
    assert load_settings() == before
    monkeypatch.delenv("DATABASE_URL")
    assert load_settings().database_url.database


def test_program_can_be_imported_without_usable_settings_and_asks_for_them_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    spec = find_spec("app.main")
    assert spec is not None
    assert spec.loader is not None
    main = module_from_spec(spec)
    spec.loader.exec_module(main)
    with pytest.raises(SystemExit, match="LOG_LEVEL"):
        _ = main.app
