"""The service's settings, read from the environment and from `.env`."""

import sys

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from app.database.settings import DatabaseSettings
from app.http.settings import HttpSettings
from app.logs import LogSettings


class Settings(DatabaseSettings, HttpSettings, LogSettings):
    """Every setting of the service. A field `some_name` is read from the variable `SOME_NAME`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        # A refused URL may hold a password, and the error ends up in a log.
        hide_input_in_errors=True,
    )


def load_settings() -> Settings:
    """Read the settings, or end the process with one message that names every variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        problems = "\n".join(
            f"  {'_'.join(map(str, item['loc'])).upper()}: {_explain(item['type'], item['msg'])}"
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        )
        sys.exit(f"The service cannot start, because its settings are not usable:\n{problems}")


def _explain(kind: str, message: str) -> str:
    if kind == "missing":
        return "not set. `.env.example` shows what it looks like."
    return message.removeprefix("Value error, ")
