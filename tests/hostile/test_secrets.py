"""The database's password, and what people keep in it, appear in nothing that the service emits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest

from tests.harness.running.commands import run
from tests.harness.running.live_service import LiveService, serve
from tests.harness.running.processes import free_port
from tests.hostile.conftest import Target

pytestmark = pytest.mark.slow

PASSWORD = "mackerel/halibut@#:%'\"?&="  # noqa: S105 - a made-up one
ESCAPED = quote(PASSWORD, safe="")
PARTS = ("mackerel", "halibut")
"""What shows that a part of it got out, however it was split."""

TALKATIVE = {"LOG_LEVEL": "DEBUG", "DATABASE_ECHO": "true"}

PRINT_SETTINGS = """
import logging, os, pprint
from app.kit.logs import configure_logging
from app.settings import load_settings

def fail(settings) -> None:
    password = settings.database_url.password
    raise ValueError(settings)

for log_format in ("json", "console"):
    os.environ["LOG_FORMAT"] = log_format
    settings = load_settings()
    configure_logging(settings)
    print(settings, repr(settings), f"{settings!s}", settings.model_dump(), settings.model_dump_json())
    pprint.pprint(settings.model_dump(mode="json"))
    logging.getLogger("app").warning("%s %r", settings, settings)
    try:
        fail(settings)
    except ValueError:
        logging.getLogger("app").exception("failed")
"""

PRINT_REFUSALS = """
import os, sys
from app.settings import load_settings

for url in sys.argv[1:]:
    os.environ["DATABASE_URL"] = url
    try:
        load_settings()
    except SystemExit as refusal:
        print(refusal)
    else:
        print("accepted")
"""

USELESS_URLS = (
    f"mysql://user:{ESCAPED}@127.0.0.1/name",
    f"postgresql://user:{ESCAPED}@127.0.0.1",
    f"postgresql//user:{ESCAPED}@127.0.0.1/name",
    f"postgresql://user:{ESCAPED}@127.0.0.1:port/name",
    f"postgresql://user:{ESCAPED}@127.0.0.1:99999999/name?sslmode={ESCAPED}",
    f"postgresql://user:{PASSWORD}@127.0.0.1/name?a=b",
    f"postgresql://user@127.0.0.1/name?password={ESCAPED}&passwd={ESCAPED}",
    f"sqlite://user:{ESCAPED}@127.0.0.1/name.db?mode=x",
    PASSWORD,
)


def _url(target: Target, **changes: str | int) -> str:
    """The service's database URL, with the password in it and perhaps another user or port."""
    parts = urlsplit(target.database_url)
    user = changes.get("user", parts.username)
    port = changes.get("port", parts.port or 5432)
    return urlunsplit(parts._replace(netloc=f"{user}:{ESCAPED}@{parts.hostname}:{port}"))


def _assert_silent(text: str, secrets: tuple[str, ...] = PARTS) -> None:
    for secret in secrets:
        assert secret not in text, f"{secret!r} got out:\n{text}"


@contextmanager
def _served(target: Target, env: Mapping[str, str], *, ready: bool = True) -> Iterator[LiveService]:
    """Serve, and look afterwards at everything that was printed."""
    with serve(target.service, {**TALKATIVE, **env}, wait=ready) as live:
        if not ready:
            live.process.wait_for("/health/live answers 200", live.is_alive)
        yield live
    assert "sqlalchemy" in live.output or not ready, "its log does not show statements"
    _assert_silent(live.output)


def test_refused_settings_are_named_and_not_shown(target: Target) -> None:
    python = target.service.environment / "bin" / "python"
    for command, named in (
        (["-m", "uvicorn", "app.asgi:app", "--port", str(free_port())], ["CORS_ORIGINS", "DATABASE_URL"]),
        # Migrations read no other setting than those of the database and of logs.
        (["-m", "alembic", "current"], ["DATABASE_URL"]),
    ):
        env = {"DATABASE_URL": USELESS_URLS[0], "CORS_ORIGINS": "everyone", **TALKATIVE}
        result = run(python, *command, cwd=target.service.folder, env=env, expected=None)
        assert result.exit_code != 0
        assert re.findall(r"^  (\w+): ", result.output, re.MULTILINE) == named
        assert "Traceback" not in result.output
        _assert_silent(result.output)
    output = run(python, "-c", PRINT_REFUSALS, *USELESS_URLS, cwd=target.service.folder).output
    assert output.count("  DATABASE_URL: ") == len(USELESS_URLS), output
    _assert_silent(output)


def test_settings_can_be_printed(target: Target) -> None:
    url = _url(target) if target.uses_postgres else target.database_url
    # With rich installed, logs for people may show the local variables of a traceback.
    command = ("uv", "run", "--no-sync", "--with", "rich", "python", "-c", PRINT_SETTINGS)
    output = target.service.run(*command, env={"DATABASE_URL": url, **TALKATIVE}).output
    assert re.findall(r"'log_format': '(\w+)'", output) == ["json"] * 2 + ["console"] * 2, output
    assert output.count("Traceback") == 2
    _assert_silent(output)


def test_database_that_cannot_be_reached_is_reported_without_its_password(target: Target) -> None:
    if not target.uses_postgres:
        pytest.skip("SQLite has no password")
    for url in (_url(target, port=free_port()), _url(target, user="no-such-user"), f"{_url(target)}-which-is-missing"):
        with _served(target, {"DATABASE_URL": url}, ready=False) as live:
            for path in ("/health/ready", "/heroes", "/heroes/export"):
                answer = live.call("GET", path)
                assert answer.status == 503
                _assert_silent(answer.text + str(answer.headers))
            _assert_silent(live.call("GET", "/metrics").text)
        alembic = target.service.program("alembic")
        result = target.service.run(alembic, "upgrade", "head", env={"DATABASE_URL": url}, expected=None)
        assert result.exit_code != 0
        _assert_silent(result.output)


def test_log_of_every_statement_shows_no_value_and_no_password(target: Target) -> None:
    url = _url(target) if target.uses_postgres else target.database_url
    values = ("Nora Vega", "Kay Bright")
    with _served(target, {"DATABASE_URL": url}) as live:
        for name in values:
            hero = live.call("POST", "/heroes", {"name": "Lamplighter", "secret_name": name})
            assert hero.status == 201
        path = hero.headers["Location"]
        answers = [
            live.call("PATCH", path, {"secret_name": values[0]}),
            live.call("PATCH", path, {"team_id": 999_999_999}),
            live.call("POST", "/heroes/bulk", [{"name": "a", "secret_name": values[1]}] * 3),
            live.call("POST", "/heroes", {"name": "a", "secret_name": values[1], "team_id": 999_999_999}),
            live.call("POST", "/heroes", {"name": 1, "secret_name": [values[1]]}),
            live.call("DELETE", path),
            live.call("GET", "/metrics"),
        ]
        assert [answer.status for answer in answers] == [200, 409, 201, 409, 422, 204, 200]
        for answer in answers:
            _assert_silent(answer.text + str(answer.headers), (*PARTS, *values))
    _assert_silent(live.output, values)


def test_mistake_in_the_program_shows_no_value_and_no_password(target: Target) -> None:
    """A column is missing all of a sudden: the traceback is in the log, and tells the statement alone."""
    if not target.uses_postgres:
        pytest.skip("another connection can change the tables of PostgreSQL")
    secret = "Nora Vega"  # noqa: S105 - a name
    rename = "ALTER TABLE hero RENAME COLUMN {} TO {}"
    with psycopg.connect(target.database_url, autocommit=True) as connection:
        connection.execute(rename.format("secret_name", "renamed"))
        try:
            with _served(target, {"DATABASE_URL": _url(target)}) as live:
                answer = live.call("POST", "/heroes", {"name": "a", "secret_name": secret})
                assert answer.status == 500
                _assert_silent(answer.text, (*PARTS, secret, "hero", "INSERT", "Traceback"))
        finally:
            connection.execute(rename.format("renamed", "secret_name"))
    assert "Traceback" in live.output
    _assert_silent(live.output, (secret,))
