"""Keyset pagination: a page costs the same wherever it is, and rows that come or go do not shift it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from pydantic import ConfigDict, TypeAdapter, ValidationError
from sqlalchemy import Integer, Select, bindparam, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.kit.database.query import Executor, Query
from app.kit.database.rows import optional_fields

AnySelect = Select[*tuple[Any, ...]]
"""An untyped SELECT."""

RowT = TypeVar("RowT")


class InvalidCursorError(ValueError):
    """The cursor is not one that this listing has handed out."""


@dataclass(frozen=True)
class Page(Generic[RowT]):
    """Some rows, and the cursor with which the next ones are asked for."""

    # As a response model, `Page[InvoiceRead]`, it converts its rows.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(from_attributes=True, revalidate_instances="always")

    items: list[RowT]
    next_cursor: str | None


class Keyset:
    """The columns by which a listing is ordered, ascending.

    Together they must be unique, none may be NULL, and an index should have them in this order. `types` is a tuple of
    their Python types, with the bounds of what the database can store: a cursor comes from outside and is checked
    against it.
    """

    def __init__(self, *columns: InstrumentedAttribute[Any], types: Any) -> None:
        """Make a keyset; raises TypeError for what is no attribute of a model, such as one with `.desc()`."""
        for column in columns:
            if not isinstance(column, InstrumentedAttribute):
                raise TypeError(f"A keyset has attributes of models, and ascends: {column} is none.")
        self._columns = columns
        self._names = [column.key for column in columns]
        self._last = [f"last_{name}" for name in self._names]
        self._values: TypeAdapter[tuple[Any, ...]] = TypeAdapter(types)
        self._pages: WeakKeyDictionary[Query[Any], tuple[AnySelect, AnySelect]] = WeakKeyDictionary()

    async def page(
        self, executor: Executor, query: Query[RowT], /, *, cursor: str | None, limit: int, **parameters: Any
    ) -> Page[RowT]:
        """Return up to `limit` rows after the cursor, and the cursor of the next page or None at the end.

        The rows must have the keyset's columns. Parameters are the query's, by name. Raises InvalidCursorError, and
        TypeError for a query that cannot be listed in pages.
        """
        query.check_parameters(parameters)
        first, further = self._pages.get(query) or self._prepare(query)
        # One row more than asked for tells whether there is a next page.
        values = {**parameters, "row_limit": limit + 1}
        if cursor is not None:
            values.update(zip(self._last, self._decode(cursor), strict=True))
        make = query.row
        rows = [make(*row) for row in await executor.execute(first if cursor is None else further, values)]
        if len(rows) <= limit:
            return Page(rows, None)
        del rows[limit:]
        return Page(rows, self._encode(tuple(getattr(rows[-1], name) for name in self._names)))

    def _prepare(self, query: Query[Any]) -> tuple[AnySelect, AnySelect]:
        """Return the statements of the first page and of any further one, kept for as long as the query is."""
        statement = cast("AnySelect", query.statement)
        # relies on: these two, which have no public counterpart.
        if statement._order_by_clauses or statement._has_row_limiting_clause:  # noqa: SLF001 - see above
            raise TypeError("The statement has an order or a limit of its own: a page has that of its keyset.")
        if optional := [name for name in self._names if name in optional_fields(query.row)]:
            raise TypeError(f"{optional[0]} may be NULL, and pages would lack those rows: exclude them by a condition.")
        first = statement.order_by(*self._columns).limit(bindparam("row_limit", type_=Integer))
        last = (bindparam(name, type_=column.type) for name, column in zip(self._last, self._columns, strict=True))
        self._pages[query] = first, first.where(tuple_(*self._columns) > tuple_(*last))
        return self._pages[query]

    def _encode(self, values: tuple[Any, ...]) -> str:
        return urlsafe_b64encode(self._values.dump_json(values)).decode().rstrip("=")

    def _decode(self, cursor: str) -> tuple[Any, ...]:
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            values = self._values.validate_json(urlsafe_b64decode(padded))
        except (ValueError, ValidationError):
            values = None
        # Both steps are lenient: they pass over characters that are none of base64's, and take "1" for a number.
        if values is None or self._encode(values) != cursor:
            raise InvalidCursorError("The cursor is not one that this listing has handed out.")
        return values
