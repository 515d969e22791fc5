"""The settings of everything in `app.kit`, and how settings are read from the environment and from `.env`."""

import os
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import TypeVar

from dotenv.parser import parse_stream
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from app.kit.database.settings import ENV_FILES, DatabaseSettings
from app.kit.http.settings import HttpSettings
from app.kit.logs import LogSettings

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class KitSettings(DatabaseSettings, HttpSettings, LogSettings):
    """A field `some_name` is read from the variable `SOME_NAME`; a variable goes before its line in `.env`."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILES,
        # As some editors save it, with a mark at the beginning.
        env_file_encoding="utf-8-sig",
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
    """Read settings, or end the process with one message that names every variable, or file, that is wrong."""
    problems = list(_unreadable_files(settings))
    if not problems:
        try:
            return settings()
        except SettingsError as error:
            # A setting with parts, such as a list, is written as JSON.
            problems = [f"{error}. Expected JSON."]
        except ValidationError as error:
            prefix = settings.model_config.get("env_prefix", "")
            delimiter = settings.model_config.get("env_nested_delimiter") or "_"
            problems = [
                f"{(prefix + delimiter.join(map(str, item['loc']))).upper()}: {_explain(item['type'], item['msg'])}"
                for item in error.errors(include_url=False, include_context=False, include_input=False)
            ]
    lines = "".join(f"\n  {problem}" for problem in problems)
    sys.exit(f"The service cannot start, because its settings are not usable:{lines}")


def _unreadable_files(settings: type[BaseSettings]) -> Iterator[str]:
    """Say of each file with settings that is there and cannot be read what is wrong: pydantic does without it."""
    config = settings.model_config
    named = config.get("env_file") or ()
    for file in (named,) if isinstance(named, str | os.PathLike) else named:
        path = Path(file).expanduser()
        if path.is_fifo():
            continue  # which can be read once
        try:
            text = path.read_bytes().decode(config.get("env_file_encoding") or "utf-8")
        except FileNotFoundError:
            continue
        except OSError as error:
            yield f"{file}: cannot be read: {error.strerror}."
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            yield f"{file}: is not UTF-8, from line {line} on. Save it as UTF-8."
        else:
            if "\0" in text:
                yield f"{file}: has a NUL in line {text.count(chr(10), 0, text.index(chr(0))) + 1}. Save it as UTF-8."
            else:
                yield from _unreadable_lines(file, text)


def _unreadable_lines(file: str | os.PathLike[str], text: str) -> Iterator[str]:
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            statement = binding.original.string
            # Empty lines before a statement are counted as its own.
            line = binding.original.line + statement[: -len(statement.lstrip())].count("\n")
            yield f"{file}: line {line} is no NAME=value. Is a quote not closed?"


def _explain(kind: str, message: str) -> str:
    if kind == "missing":
        return "not set, neither in the environment nor in `.env`. `.env.example` shows what it looks like."
    return message.removeprefix("Value error, ")
