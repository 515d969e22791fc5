"""Rows of columns on their way to JSON."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row


def as_dicts(rows: Iterable[Row[*tuple[Any, ...]]]) -> list[dict[str, Any]]:
    """Return rows as dicts by column: pydantic takes three times as long for attributes of rows."""
    return [dict(zip(row._fields, row, strict=True)) for row in rows]
