"""The order of a listing: its columns, and the conditions for what comes after a row."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Column, ColumnElement, UnaryExpression, and_, bindparam, or_, tuple_
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import operators

from app.kit.database.models import NULLS_ARE_LARGEST
from app.kit.database.rows import name_of

_MODIFIERS: Final = {operators.asc_op, operators.desc_op, operators.nulls_first_op, operators.nulls_last_op}


class OrderColumn(NamedTuple):
    """A column by which rows are ordered, and where its NULLs come."""

    name: str
    column: Column[Any]
    last: BindParameter[Any]
    """What the column holds in the row after which the next ones are asked for."""
    descends: bool
    nullable: bool
    nulls_last: bool

    @classmethod
    def of(cls, element: Any, *, nullable: bool) -> "OrderColumn":
        """Return what an attribute, or one with `.desc()`, `.nulls_first()` or `.nulls_last()`, orders by.

        Without such a word NULLs come where the database has them by itself, where a plain index has them, too.
        """
        modifiers = set()
        column = element
        while isinstance(column, UnaryExpression) and column.modifier in _MODIFIERS:
            modifiers.add(column.modifier)
            column = column.element
        if isinstance(column, InstrumentedAttribute):
            column = column.expression
        if not isinstance(column, Column):
            raise TypeError(f"A keyset has attributes of models, each as it is or with `.desc()`: {element} is none.")
        name = name_of(column)
        descends = operators.desc_op in modifiers
        nulls_last = _are_nulls_usually_last(descends=descends)
        if operators.nulls_first_op in modifiers:
            nulls_last = False
        elif operators.nulls_last_op in modifiers:
            nulls_last = True
        last = bindparam(f"keyset_{name}", type_=column.type)
        return cls(name, column, last, descends, nullable, nulls_last)

    @property
    def has_usual_nulls(self) -> bool:
        """Whether its NULLs come where the database has them by itself."""
        return self.nulls_last is _are_nulls_usually_last(descends=self.descends)

    @property
    def reversed(self) -> "OrderColumn":
        """The other way round."""
        return self._replace(descends=not self.descends, nulls_last=not self.nulls_last)

    @property
    def clause(self) -> ColumnElement[Any]:
        """What `ORDER BY` says of it."""
        clause = self.column.desc() if self.descends else self.column
        if not self.nullable or self.has_usual_nulls:
            return clause
        return clause.nulls_last() if self.nulls_last else clause.nulls_first()

    def __str__(self) -> str:
        nulls = "" if not self.nullable or self.has_usual_nulls else "~"
        return f"{'-' if self.descends else ''}{self.name}{nulls}"


def _are_nulls_usually_last(*, descends: bool) -> bool:
    return descends is not NULLS_ARE_LARGEST


class Stretch(NamedTuple):
    """Some of the rows, which come one after the other and can be read from an index as they are."""

    condition: ColumnElement[bool] | None
    order: tuple[ColumnElement[Any], ...]


def stretches(columns: Sequence[OrderColumn]) -> list[Stretch]:
    """Return all rows, as one stretch unless the NULLs of the first column come where no plain index has them."""
    head, rest = columns[0], columns[1:]
    if not head.nullable or head.has_usual_nulls:
        return [Stretch(None, _clauses(columns))]
    order = _clauses((_without_nulls(head), *rest))
    parts = [Stretch(head.column.is_not(None), order), Stretch(head.column.is_(None), order)]
    return parts if head.nulls_last else parts[::-1]


def stretches_after(columns: Sequence[OrderColumn], nulls: Sequence[bool]) -> list[Stretch]:
    """Return the rows after one of which it is known where it has NULLs. The other values are the columns' `last`."""
    head, rest = columns[0], columns[1:]
    if not head.nullable:
        return [Stretch(_after(columns, nulls), _clauses(columns))]
    present = _without_nulls(head)
    order = _clauses((present, *rest))
    if not nulls[0]:
        found = [Stretch(_after((present, *rest), nulls), order)]
        return [*found, Stretch(head.column.is_(None), order)] if head.nulls_last else found
    follows = _after(rest, nulls[1:])
    found = [] if follows is None else [Stretch(and_(head.column.is_(None), follows), order)]
    return found if head.nulls_last else [*found, Stretch(head.column.is_not(None), order)]


def _without_nulls(column: OrderColumn) -> OrderColumn:
    return column._replace(nullable=False)


def _clauses(columns: Sequence[OrderColumn]) -> tuple[ColumnElement[Any], ...]:
    return tuple(column.clause for column in columns)


def _after(columns: Sequence[OrderColumn], nulls: Sequence[bool]) -> ColumnElement[bool] | None:
    """Return the condition for what comes after a row, or None if nothing can."""
    if not columns:
        return None
    head, rest = columns[0], columns[1:]
    if not any(column.nullable or column.descends is not head.descends for column in columns):
        # One comparison of all, for which the database needs one look into an index.
        own, found = tuple_(*(column.column for column in columns)), tuple_(*(column.last for column in columns))
        return own < found if head.descends else own > found
    follows = _after(rest, nulls[1:])
    if nulls[0]:
        inside = None if follows is None else and_(head.column.is_(None), follows)
        if head.nulls_last:
            return inside
        beyond = head.column.is_not(None)
        return beyond if inside is None else or_(beyond, inside)
    column, last = head.column, head.last
    condition = column < last if head.descends else column > last
    if follows is not None:
        # The first part says again what follows from the second, because it is what an index can be asked.
        condition = and_(column <= last if head.descends else column >= last, or_(condition, follows))
    return or_(condition, column.is_(None)) if head.nullable and head.nulls_last else condition
