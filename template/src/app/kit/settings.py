"""The settings of everything in `app.kit`, and how settings are read from the environment and from `.env`."""

import sys
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.kit.database.settings import DatabaseSettings
from app.kit.http.settings import HttpSettings
from app.kit.logs import LogSettings

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class KitSettings(DatabaseSettings, HttpSettings, LogSettings):
    """A field `some_name` is read from the variable `SOME_NAME`; a variable goes before its line in `.env`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        # A refused URL may hold a password, and the error ends up in a log.
        hide_input_in_errors=True,
    )


class MigrationSettings(DatabaseSettings, LogSettings):
    """What migrations need: they run where no other setting of the service is known."""

    model_config = KitSettings.model_config


def load(settings: type[SettingsT]) -> SettingsT:
    """Read settings, or end the process with one message that names every variable that is wrong."""
    try:
        return settings()
    except ValidationError as error:
        prefix = settings.model_config.get("env_prefix", "")
        delimiter = settings.model_config.get("env_nested_delimiter") or "_"
        problems = "\n".join(
            f"  {(prefix + delimiter.join(map(str, item['loc']))).upper()}: {_explain(item['type'], item['msg'])}"
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        )
        sys.exit(f"The service cannot start, because its settings are not usable:\n{problems}")


def _explain(kind: str, message: str) -> str:
    if kind == "missing":
        return "not set, neither in the environment nor in `.env`. `.env.example` shows what it looks like."
    return message.removeprefix("Value error, ")
