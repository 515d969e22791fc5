"""Rows of columns, and how they get to JSON."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row

AnyRow = Row[*tuple[Any, ...]]
"""A row of whichever columns."""


def as_dicts(rows: Iterable[AnyRow]) -> list[dict[str, Any]]:
    """Return rows as dicts by column: pydantic takes three times as long for attributes of rows."""
    return [dict(zip(row._fields, row, strict=True)) for row in rows]
