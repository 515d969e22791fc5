"""Keyset pagination: a page costs the same wherever it is, and rows that come or go do not shift it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Integer, Select, bindparam, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.database.rows import AnyRow
from app.database.statements import Executor

AnySelect = Select[*tuple[Any, ...]]
"""A query for whichever columns."""

__all__ = ["AnyRow", "AnySelect", "InvalidCursorError", "Keyset"]


class InvalidCursorError(ValueError):
    """The cursor is not one that this listing has handed out."""


class Keyset:
    """The columns by which a listing is ordered, ascending.

    Together they must be unique, and an index should have them in this order. `types` is a tuple of their Python
    types, with the bounds of what the database can store: a cursor comes from outside and is checked against it.
    """

    def __init__(self, *columns: InstrumentedAttribute[Any], types: Any) -> None:
        self._columns = columns
        self._names = [column.key for column in columns]
        self._last = [f"last_{name}" for name in self._names]
        self._values: TypeAdapter[tuple[Any, ...]] = TypeAdapter(types)
        self._pages: WeakKeyDictionary[AnySelect, tuple[AnySelect, AnySelect]] = WeakKeyDictionary()

    async def page(
        self,
        executor: Executor,
        statement: AnySelect,
        parameters: Mapping[str, Any] | None = None,
        *,
        cursor: str | None,
        limit: int,
    ) -> tuple[list[AnyRow], str | None]:
        """Return up to `limit` rows after the cursor, and the cursor of the next page or None at the end.

        The statement must select the keyset's columns, and is best built once, with a `bindparam` for what changes
        from request to request: `parameters` has the values. Raises InvalidCursorError.
        """
        first, further = self._pages.get(statement) or self._prepare(statement)
        # One row more than asked for tells whether there is a next page.
        values = {**(parameters or {}), "row_limit": limit + 1}
        if cursor is not None:
            values.update(zip(self._last, self._decode(cursor), strict=True))
        rows = list(await executor.execute(first if cursor is None else further, values))
        if len(rows) <= limit:
            return rows, None
        del rows[limit:]
        return rows, self._encode(rows[-1])

    def _prepare(self, statement: AnySelect) -> tuple[AnySelect, AnySelect]:
        """Return what fetches the first page and any further one, kept for as long as the statement is."""
        first = statement.order_by(*self._columns).limit(bindparam("row_limit", type_=Integer))
        last = (bindparam(name, type_=column.type) for name, column in zip(self._last, self._columns, strict=True))
        self._pages[statement] = first, first.where(tuple_(*self._columns) > tuple_(*last))
        return self._pages[statement]

    def _encode(self, row: AnyRow) -> str:
        values = self._values.dump_json(tuple(getattr(row, name) for name in self._names))
        return urlsafe_b64encode(values).decode().rstrip("=")

    def _decode(self, cursor: str) -> tuple[Any, ...]:
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            return self._values.validate_json(urlsafe_b64decode(padded))
        except (ValueError, ValidationError):
            raise InvalidCursorError("The cursor is not one that this listing has handed out.") from None
