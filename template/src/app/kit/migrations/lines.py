"""Statements as lines of a revision."""

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Final, Literal, NamedTuple

from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Computed

LONGEST_LINE: Final = 100

BLOCK: Final = "with op.get_context().autocommit_block():"

# What SQLAlchemy would take for a parameter.
_PARAMETER: Final = re.compile(r"(?<![:\w\\]):(?=\w)")
_ESCAPED: Final = r"\\:"


class Mend(NamedTuple):
    """What leads from one side of a difference to the other: lines of a revision.

    There are none where no statement keeps the data.
    """

    lines: Sequence[str] = ()
    """What comes after the rest of a revision that is applied, and before that of one that is taken back."""
    first: Sequence[str] = ()
    """What comes before everything else: what is dropped, as it may be about columns that go."""
    last: Sequence[str] = ()
    """What comes after everything else: what is created, as it may be about columns that come."""

    @property
    def commits(self) -> bool:
        """Whether what comes first is committed by itself."""
        return BLOCK in self.first


def execution(statement: str) -> list[str]:
    """Write a statement as code, in lines that are not too long."""
    return ["op.execute(", *literals(_PARAMETER.sub(_ESCAPED, statement)), ")"]


def literals(text: str) -> list[str]:
    """Write a text as string literals, one after the other, that are not too long."""
    if "  " in text or "\n" in text:  # which may be in a string
        return [repr(text)]
    parts = wrap(text, LONGEST_LINE, break_long_words=False, break_on_hyphens=False)
    return [*(repr(f"{part} ") for part in parts[:-1]), repr(parts[-1])]


def render_computed(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    """Write a computed column with its expression in lines that are not too long; False for what is none."""
    if kind != "server_default" or not isinstance(item, Computed):
        return False
    expression = context.migration_context.impl.render_ddl_sql_expr(item.sqltext)
    persisted = "" if item.persisted is None else f", persisted={item.persisted}"
    return f"sa.Computed({' '.join(literals(expression))}{persisted})"
