"""What is checked, one thing at a time, and what comes of it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError

from app.kit.database.errors import code_of
from app.kit.database.failures import DatabaseError, origin
from app.kit.settings import KitSettings
from devtools.doctor.asking import Ask

Outcome: TypeAlias = Literal["ok", "problem", "not checked"]


class Options(NamedTuple):
    """What is asked on the command line."""

    production: bool = False
    """Hold the database to what production needs, also where it is on this machine."""
    workers: int = 1
    """Processes of each replica."""
    replicas: int = 1


@dataclass(frozen=True)
class Service:
    """What is examined."""

    root: Path
    """The folder of its `pyproject.toml`, and of its `.env`."""
    settings: type[KitSettings]
    load: Callable[[], KitSettings]
    """Reads the settings, or ends the process with a message."""
    versions: Path
    """The folder of its revisions."""
    metadata: MetaData
    """The tables of its models."""


@dataclass
class Examination:
    """A service under examination, and what the checks so far have made available to those that need them."""

    service: Service
    options: Options
    today: date
    stack: AsyncExitStack
    """What is open until the end of the examination."""
    settings: KitSettings = field(init=False)
    """Set by the check `settings`."""
    ask: Ask = field(init=False)
    """Set by it, too: asks the database."""


class Finding(NamedTuple):
    """What a check has found. A problem has an advice, and nothing else does."""

    message: str
    advice: str | None = None


@dataclass(frozen=True)
class Check:
    """One thing that is checked."""

    id: str
    """Its name for scripts, which stays."""
    title: str
    run: Callable[[Examination], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    """Without which it could not tell anything: checks that come before."""


class Result(NamedTuple):
    """What came of a check."""

    id: str
    title: str
    outcome: Outcome
    message: str
    advice: str | None


def summary(problems: Iterable[Finding], *, otherwise: str) -> Finding:
    """Return several problems as one finding, or what is said if there are none."""
    found = list(problems)
    if not found:
        return Finding(otherwise)
    advice = dict.fromkeys(each.advice for each in found if each.advice)
    return Finding(" ".join(each.message for each in found), "\n".join(advice))


async def examine(checks: Sequence[Check], examination: Examination) -> list[Result]:
    """Run checks in their order. Those that need one with a problem are left out."""
    results: list[Result] = []
    blocked: dict[str, str] = {}
    for check in checks:
        cause = next((blocked[need] for need in check.needs if need in blocked), None)
        if cause is not None:
            blocked[check.id] = cause
            results.append(Result(check.id, check.title, "not checked", f"Not checked, because of `{cause}`.", None))
            continue
        message, advice = await _found(check, examination)
        if advice is not None:
            blocked[check.id] = check.id
        results.append(Result(check.id, check.title, "ok" if advice is None else "problem", message, advice))
    return results


async def _found(check: Check, examination: Examination) -> Finding:
    try:
        return await check.run(examination)
    except (SQLAlchemyError, DatabaseError, OSError) as error:
        cause = origin(error)
        name = " ".join(filter(None, (type(cause).__name__, code_of(error))))
        return Finding(
            f"This could not be checked: {name}: {' '.join(str(cause).split())}",
            "Mend what the message names, and run `uv run poe doctor` again.",
        )
