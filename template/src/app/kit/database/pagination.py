"""Keyset pagination: a page costs the same wherever it is, and rows that come or go do not shift it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)
from weakref import WeakKeyDictionary

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Integer, Select, bindparam
from sqlalchemy.orm import InstrumentedAttribute

from app.kit.database.order import OrderColumn, Stretch, stretches, stretches_after
from app.kit.database.query import Executor, Query
from app.kit.database.rows import columns_of, name_of, named_parameters, optional_fields, parameter_names

AnySelect = Select[*tuple[Any, ...]]
"""An untyped SELECT."""

RowT = TypeVar("RowT")

_LIMIT: Final = "keyset_limit"
"""What statements call the number of rows that are fetched."""

_BACKWARDS: Final = "<"
"""What a cursor begins with whose page lies before it."""


class InvalidCursorError(ValueError):
    """The cursor is not one that this listing has handed out."""


@dataclass(frozen=True)
class Page(Generic[RowT]):
    """Some rows, and the cursors with which those after and before them are asked for."""

    # As a response model, `Page[InvoiceRead]`, it converts its rows.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(from_attributes=True, revalidate_instances="always")

    items: list[RowT]
    next_cursor: str | None
    previous_cursor: Annotated[str | None, Field(exclude=True)] = None
    """Not in the body of a response: the header `Link` has it."""


class _Position(NamedTuple):
    """Where a page begins, and whether its rows are those before."""

    backwards: bool
    values: tuple[Any, ...]


class _Part(NamedTuple):
    """The statement of a stretch of the listing, and the values of the position that it needs."""

    statement: AnySelect
    needs: frozenset[str]


class Keyset:
    """The order of a listing: columns that ascend, or descend with `.desc()`.

    Together they must be unique, and an index should have them in this order. `types` is a tuple of their Python types,
    with the bounds of what the database can store: a cursor comes from outside and is checked against it. A column that
    may be NULL has `| None` there. Its NULLs come where the database has them by itself, unless `.nulls_first()` or
    `.nulls_last()` says where.
    """

    def __init__(self, *columns: InstrumentedAttribute[Any] | ColumnElement[Any], types: Any) -> None:
        """Make a keyset; raises TypeError for what is no column, and unless there is a type for each."""
        declared = get_args(types)
        if not columns or get_origin(types) is not tuple or len(declared) != len(columns) or Ellipsis in declared:
            raise TypeError(f"A keyset of {len(columns)} columns has a tuple of as many types: {types} is none.")
        self._columns = [
            OrderColumn.of(column, nullable=_may_be_none(each)) for column, each in zip(columns, declared, strict=True)
        ]
        self._names = [column.name for column in self._columns]
        self._last = [column.last.key for column in self._columns]
        self._order = ",".join(map(str, self._columns))
        # A cursor says which order it is of, because a place in one is none in another.
        mark: Any = Literal[self._order, _BACKWARDS + self._order]
        kind: Any = tuple.__class_getitem__((mark, *declared))
        self._cursors: TypeAdapter[tuple[Any, ...]] = TypeAdapter(kind)
        self._parts: WeakKeyDictionary[Query[Any], dict[tuple[bool, ...], Sequence[_Part]]] = WeakKeyDictionary()

    async def page(
        self, executor: Executor, query: Query[RowT], /, *, cursor: str | None, limit: int, **parameters: Any
    ) -> Page[RowT]:
        """Return up to `limit` rows from the cursor on, and the cursors of the pages around them.

        The rows must have the keyset's columns. Parameters are the query's, by name. Raises InvalidCursorError, and
        TypeError for a query that cannot be listed in pages.
        """
        query.check_parameters(parameters)
        position = None if cursor is None else self._decode(cursor)
        last = {} if position is None else dict(zip(self._last, position.values, strict=True))
        backwards = position is not None and position.backwards
        make = query.row
        rows: list[RowT] = []
        for statement, needs in self._parts_of(query, position):
            values = {**parameters, **{name: last[name] for name in needs}}
            # One row more than asked for tells whether there is a next page.
            values[_LIMIT] = limit + 1 - len(rows)
            rows += [make(*row) for row in await executor.execute(statement, values)]
            if len(rows) > limit:
                break
        has_more = len(rows) > limit
        del rows[limit:]
        if not rows:
            return Page(rows, None)
        if backwards:
            rows.reverse()
        has_next = has_more or backwards
        has_previous = position is not None and (has_more or not backwards)
        return Page(
            rows,
            self._encode(self._order, rows[-1]) if has_next else None,
            self._encode(_BACKWARDS + self._order, rows[0]) if has_previous else None,
        )

    def _parts_of(self, query: Query[Any], position: _Position | None) -> Sequence[_Part]:
        """Return the statements of a page, which are kept for as long as the query is."""
        kept = self._parts.get(query)
        if kept is None:
            self.check(query)
            kept = self._parts[query] = {}
        # What they are depends on where the page lies, and on which of the values are NULL.
        kind = () if position is None else (position.backwards, *(value is None for value in position.values))
        if kind not in kept:
            kept[kind] = [_part(query, stretch) for stretch in self._stretches(kind)]
        return kept[kind]

    def check(self, query: Query[Any]) -> None:
        """Raise TypeError for a query that cannot be listed in pages of this order."""
        statement = cast("AnySelect", query.statement)
        # relies on: these two, which have no public counterpart.
        if statement._order_by_clauses or statement._has_row_limiting_clause:  # noqa: SLF001 - see above
            raise TypeError("The statement has an order or a limit of its own: a page has that of its keyset.")
        selected = {name_of(column) for column in columns_of(statement)}
        if missing := [name for name in self._names if name not in selected]:
            raise TypeError(f"The rows have no {missing[0]}, by which the keyset orders them: select it, too.")
        optional = optional_fields(query.row)
        if lost := [column.name for column in self._columns if column.name in optional and not column.nullable]:
            raise TypeError(
                f"{lost[0]} may be NULL, and pages would lack those rows: add `| None` to its type in the keyset, or "
                "exclude them by a condition."
            )
        _, known = parameter_names(statement)
        if taken := sorted(known.intersection([*self._last, _LIMIT])):
            raise TypeError(f"{taken[0]} is a parameter of the page itself: give that of the statement another name.")

    def _stretches(self, kind: tuple[bool, ...]) -> list[Stretch]:
        if not kind:
            return stretches(self._columns)
        backwards, *nulls = kind
        return stretches_after([column.reversed if backwards else column for column in self._columns], nulls)

    def _encode(self, mark: str, row: object) -> str:
        return self._text((mark, *(getattr(row, name) for name in self._names)))

    def _text(self, values: tuple[Any, ...]) -> str:
        return urlsafe_b64encode(self._cursors.dump_json(values)).decode().rstrip("=")

    def _decode(self, cursor: str) -> _Position:
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            values = self._cursors.validate_json(urlsafe_b64decode(padded))
        except (ValueError, ValidationError):
            values = None
        # Both steps are lenient: they pass over characters that are none of base64's, and take "1" for a number.
        if values is None or self._text(values) != cursor:
            raise InvalidCursorError("The cursor is not one that this listing has handed out in this order.")
        return _Position(values[0] != self._order, values[1:])


def _part(query: Query[Any], stretch: Stretch) -> _Part:
    statement = cast("AnySelect", query.statement).order_by(*stretch.order)
    statement = statement.limit(bindparam(_LIMIT, type_=Integer))
    if stretch.condition is None:
        return _Part(statement, frozenset())
    needs = frozenset(parameter.key for parameter in named_parameters(stretch.condition))
    return _Part(statement.where(stretch.condition), needs)


def _may_be_none(kind: Any) -> bool:
    """Return whether None is a value of a type."""
    if get_origin(kind) is Annotated:
        return _may_be_none(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        return any(_may_be_none(each) for each in get_args(kind))
    return kind in {None, NoneType}
