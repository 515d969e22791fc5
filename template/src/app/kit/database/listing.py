"""Lists that clients sort and filter by what they are allowed, and nothing else."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar, Final, Generic, Literal, Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

from sqlalchemy import ColumnElement, Integer, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from app.kit.database.pagination import AnySelect, Keyset, Page, RowT
from app.kit.database.query import Executor, Query
from app.kit.database.rows import named_parameters

TOTAL_CAP: Final = 10_000
"""Where counting ends, because it takes the longer the more there is."""

_OF_EVERY_LIST: Final = {"limit", "cursor", "total", "sort"}
_KEPT: Final = 256
"""For how many sets of filters the statements are kept."""


class Params(Protocol):
    """What a client asks of a list. Each further attribute is the value of a filter, or None."""

    @property
    def limit(self) -> int:
        """How many items a page has at most."""

    @property
    def cursor(self) -> str | None:
        """Where the page begins."""


ParamsT = TypeVar("ParamsT", bound=Params)


class Listing(Generic[RowT, ParamsT]):
    """A query, the orders it can be listed in, and the conditions that can be asked for.

        LIST = Listing(
            Query(InvoiceRow, select(Invoice.id, Invoice.number, Invoice.status)),
            InvoiceListParams,
            orders={
                "number": Keyset(Invoice.number, types=tuple[str]),
                "-id": Keyset(Invoice.id.desc(), types=tuple[Identifier]),
            },
            filters={"status": Invoice.status == bindparam("status")},
        )

    The orders are those of the field `sort` of the parameters. Each further field has a filter of its name, which holds
    where the field is not None. So that neither is forgotten, this is checked when the listing is made.
    """

    def __init__(
        self,
        query: Query[RowT],
        params: type[ParamsT],
        *,
        orders: Mapping[str, Keyset],
        filters: Mapping[str, ColumnElement[bool]] | None = None,
    ) -> None:
        """Make a listing; raises TypeError unless there is an order for each `sort`, and a filter for each field."""
        self._query = query
        self._orders = dict(orders)
        self._filters = dict(filters or {})
        _check(params, set(self._orders), set(self._filters))
        for keyset in self._orders.values():
            keyset.check(query)
        for name, condition in self._filters.items():
            _check_filter(name, condition)
        self._usual = next(iter(self._orders))
        self._filtered = lru_cache(_KEPT)(self._filter)
        self._counts = lru_cache(_KEPT)(self._count)

    async def page(self, executor: Executor, params: ParamsT, /, **parameters: Any) -> Page[RowT]:
        """Return the page that is asked for; raises InvalidCursorError. Parameters are the query's own, by name."""
        values = self._values(params)
        keyset = self._orders[getattr(params, "sort", self._usual)]
        query = self._filtered(frozenset(values))
        return await keyset.page(executor, query, cursor=params.cursor, limit=params.limit, **parameters, **values)

    async def total(self, executor: Executor, params: ParamsT, /, **parameters: Any) -> int:
        """Return how many rows there are on all pages, or `TOTAL_CAP` where there are more."""
        values = self._values(params)
        return await self._counts(frozenset(values)).get(executor, **parameters, **values)

    def _values(self, params: ParamsT) -> dict[str, Any]:
        values = ((name, getattr(params, name)) for name in self._filters)
        return {name: value for name, value in values if value is not None}

    def _filter(self, names: frozenset[str]) -> Query[RowT]:
        if not names:
            return self._query
        # In one order, so that the database sees one text.
        conditions = [condition for name, condition in self._filters.items() if name in names]
        return Query(self._query.row, cast("AnySelect", self._query.statement).where(*conditions))

    def _count(self, names: frozenset[str]) -> Query[int]:
        statement = cast("AnySelect", self._filter(names).statement)
        rows = statement.with_only_columns(literal_column("1", Integer), maintain_column_froms=True)
        capped = rows.limit(TOTAL_CAP).subquery()
        return Query.of_values(select(func.count()).select_from(capped))


def has_value(
    column: InstrumentedAttribute[Any] | ColumnElement[Any], wanted: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Return the condition that a column is not NULL where the parameter is true, and NULL where it is false.

    No value of a filter stands for NULL, so this is one of its own, of a field `has_due: bool | None`:
    `filters={"has_due": has_value(Invoice.due, bindparam("has_due"))}`.
    """
    return column.is_not(None).self_group() == wanted


def _check(params: type[Any], orders: set[str], filters: set[str]) -> None:
    """Raise TypeError unless the fields of the parameters are those of every list, and have orders and filters."""
    name = params.__name__
    fields = {name: hint for name, hint in get_type_hints(params).items() if _is_field(name, hint)}
    if not orders:
        raise TypeError("A listing has at least one order.")
    if "sort" in fields:
        sorts = _options(fields["sort"])
        if not sorts:
            raise TypeError(f"{name}.sort is no `Literal[...]` and no StrEnum, so nothing says which orders there are.")
        _compare(f"{name}.sort", "order", sorts, orders)
    elif len(orders) > 1:
        raise TypeError(f"{name} has no field `sort`, and the listing more than one order.")
    _compare(name, "filter", fields.keys() - _OF_EVERY_LIST, filters)


def _compare(where: str, what: str, asked: AbstractSet[str], given: AbstractSet[str]) -> None:
    if missing := asked - given:
        raise TypeError(f"{where} has what the listing has no {what} for: {_show(missing)}.")
    if unknown := given - asked:
        raise TypeError(f"The listing has the {what} {_show(unknown)}, which {where} does not know.")


def _check_filter(name: str, condition: ColumnElement[bool]) -> None:
    """Raise TypeError unless the value of a filter is the only parameter of its condition."""
    names = {parameter.key for parameter in named_parameters(condition)}
    if names != {name}:
        raise TypeError(
            f"The condition of the filter {name} has the parameters {_show(names)}: it has one, "
            f'`bindparam("{name}")`, which holds what the client sends.'
        )


def _is_field(name: str, hint: Any) -> bool:
    return not name.startswith("_") and get_origin(hint) is not ClassVar


def _options(kind: Any) -> set[str]:
    """Return the values of a `Literal` or of an enum; none of another type."""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {member.value for member in kind}
    return set(get_args(kind)) if get_origin(kind) is Literal else set()


def _show(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "(none)"
