"""What a session that only reads refuses: every statement that writes, whatever it is made of."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar, Final

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.orm import ORMExecuteState, Session

from app.kit.database.failures import ReadOnlySessionError

READ_ONLY: Final = "This session only reads: use a `WriteSession` or `Database.transaction()` to write."

READS: Final = "only_reads"
"""The execution option of the statements of a session that only reads."""

ALONE: Final = "runs_alone"
"""The execution option of statements that are a transaction each."""

_QUOTED: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | \$((?:[a-z_]\w*)?)\$.*?\$\1\$ | --[^\n]* | /\*.*?\*/""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)

# What a read-only transaction would refuse. What writes may follow a WITH, or be in it.
_WRITES: Final = re.compile(
    r"""(?: ^ | [();] | \banalyze\b ) \s*
          (?: (?: insert | merge | replace ) \s+ (?: into | or ) \b | delete \s+ from \b | update \s [^();]* \b set \b )
      | (?: ^ | ; ) \s* (?: alter | call | comment | copy | create | drop | grant | revoke | truncate ) \s
      | \b for \s+ (?: (?: no \s+ key \s+ )? update | (?: key \s+ )? share ) \b""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


class ReadOnlySession(Session):
    """A session that refuses to write, because without a transaction a write could be half done."""

    options: ClassVar[Mapping[str, bool]] = {READS: True, ALONE: True}


class SnapshotSession(ReadOnlySession):
    """One that reads in a transaction."""

    options = {READS: True}


@event.listens_for(ReadOnlySession, "do_orm_execute")
def _refuse_dml(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        raise ReadOnlySessionError(READ_ONLY)
    if isinstance(state.session, ReadOnlySession):
        state.update_execution_options(**state.session.options)


@event.listens_for(ReadOnlySession, "before_flush")
def _refuse_flush(_session: Session, _context: object, _instances: object) -> None:
    raise ReadOnlySessionError(READ_ONLY)


def refuse_writes(
    _connection: Connection,
    _cursor: object,
    statement: str,
    _parameters: object,
    context: ExecutionContext,
    _executemany: bool,
) -> None:
    """Raise ReadOnlySessionError for text and common table expressions that write: they are known by the final SQL."""
    if only_reads(context) and _writes(statement):
        raise ReadOnlySessionError(READ_ONLY)


def only_reads(context: ExecutionContext | None) -> bool:
    """Return whether a statement is one of a session that only reads."""
    return context is not None and READS in context.execution_options


@lru_cache(maxsize=1000)
def _writes(statement: str) -> bool:
    return _WRITES.search(without_quotes(statement)) is not None


def without_quotes(statement: str) -> str:
    """Return a statement without what is in quotes or a comment."""
    return _QUOTED.sub(" ", statement)
