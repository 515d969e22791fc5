"""Statements as lines of a revision."""

import re
from textwrap import wrap
from typing import Final, NamedTuple

LONGEST_LINE: Final = 100

# What SQLAlchemy would take for a parameter.
_PARAMETER: Final = re.compile(r"(?<![:\w\\]):(?=\w)")
_ESCAPED: Final = r"\\:"


class Mend(NamedTuple):
    """What leads from one side of a difference to the other."""

    lines: list[str]
    """Lines of a revision, or none where no statement keeps the data."""
    comes_first: bool = False
    """Whether what else changes may need it, and only after it is committed."""


def execution(statement: str) -> list[str]:
    """Write a statement as code, in lines that are not too long."""
    escaped = _PARAMETER.sub(_ESCAPED, statement)
    if "  " in escaped or "\n" in escaped:  # which may be in a string
        return ["op.execute(", repr(escaped), ")"]
    parts = wrap(escaped, LONGEST_LINE, break_long_words=False, break_on_hyphens=False)
    return ["op.execute(", *(repr(f"{part} ") for part in parts[:-1]), repr(parts[-1]), ")"]
