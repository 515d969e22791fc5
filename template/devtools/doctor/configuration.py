"""The settings, as the service itself reads them, and names in `.env` that it does not know."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from dotenv import dotenv_values
from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from devtools.doctor.asking import asking
from devtools.doctor.check import Examination, Finding, summary

_FILE: Final = ".env"

# What a setting's name may begin with alone, so that others of that beginning are mistyped.
_OWN: Final = ("DATABASE_",)

_SIMILAR: Final = 0.85


async def settings(examination: Examination) -> Finding:
    """Read the settings. What needs them, and the database that they name, is available from here on."""
    try:
        examination.settings = examination.service.load()
    except SystemExit as refusal:
        return Finding(
            "\n".join(line.strip() for line in str(refusal.code).splitlines()),
            "Set what is named in the environment or in `.env`; `.env.example` shows every setting."
            "\nWithout a DATABASE_URL, the database is that of `uv run poe dev`, as long as it runs.",
        )
    examination.ask = await examination.stack.enter_async_context(asking(examination.settings))
    known = frozenset(_names(examination.service.settings))
    written = frozenset(name.upper() for name in dotenv_values(examination.service.root / _FILE))
    return summary(_mistyped(written, known), otherwise="They can be used.")


def _mistyped(written: frozenset[str], known: frozenset[str]) -> Iterator[Finding]:
    nested = tuple(name for name in known if name.endswith("_"))
    for name in sorted(written - known):
        if name.startswith(nested):
            continue
        similar = get_close_matches(name, known - written, n=1, cutoff=_SIMILAR)
        if similar:
            yield Finding(f"{_FILE} sets {name}, which nothing reads.", f"Is it {similar[0]}? Else remove the line.")
        elif name.startswith(_OWN):
            yield Finding(f"{_FILE} sets {name}, which nothing reads.", "`.env.example` shows every setting.")


def _names(settings: type[BaseSettings], prefix: str = "") -> Iterator[str]:
    """Go through the variables that settings are read from; of nested ones, through what their names begin with."""
    config = settings.model_config
    prefix = config.get("env_prefix") or prefix
    delimiter = config.get("env_nested_delimiter")
    for name, field in settings.model_fields.items():
        for each in [prefix + name, *_aliases(field)]:
            yield each.upper()
            if delimiter:
                yield f"{each}{delimiter}".upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseSettings):
            yield from _names(field.annotation)


def _aliases(field: FieldInfo) -> Iterator[str]:
    alias = field.validation_alias
    for each in alias.choices if isinstance(alias, AliasChoices) else [alias]:
        if each is not None:
            yield str(each.path[0]) if isinstance(each, AliasPath) else each
