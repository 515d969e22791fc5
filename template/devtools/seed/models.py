"""What is filled: models, and tables that only link others, with the columns that get a value and what these obey."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_type_hints

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    inspect,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.schema import sort_tables_and_constraints
from sqlalchemy.sql import visitors

from devtools.seed import SeedError

_OF_THE_KIT = "app.kit."


@dataclass(frozen=True)
class Reference:
    """A foreign key: which attributes hold the values of which columns."""

    attributes: tuple[str, ...]
    columns: tuple[Column[Any], ...]
    nullable: frozenset[str]
    """Those of the attributes that may be null."""

    @property
    def table(self) -> Table:
        """Return the table that is referred to."""
        table = self.columns[0].table
        assert isinstance(table, Table)  # noqa: S101 - columns of foreign keys are those of tables
        return table


@dataclass(frozen=True)
class Filled:
    """A model that gets rows, or a table without one."""

    table: Table
    model: type[DeclarativeBase] | None

    @classmethod
    def of(cls, model: type[DeclarativeBase]) -> "Filled":
        """Return what is known of a model."""
        table = inspect(model).local_table
        assert isinstance(table, Table)  # noqa: S101 - what is filled is no query
        return cls(table, model)

    @property
    def name(self) -> str:
        """Return what it is called: as its table is, or where that has others, too, as its class is."""
        return self.model.__name__.lower() if self.model and inspect(self.model).single else self.table.name

    @property
    def package(self) -> str:
        """Return the package that has the model."""
        return "" if self.model is None else self.model.__module__.split(".")[-2]

    @property
    def tables(self) -> Sequence[Table]:
        """Return its tables: of a model that inherits from another, that of the other, too."""
        found = [self.table] if self.model is None else inspect(self.model).tables
        return [table for table in found if isinstance(table, Table)]

    @cached_property
    def columns(self) -> Mapping[str, Column[Any]]:
        """Return its columns by their attributes."""
        columns: Mapping[str, Any] = dict((self.table if self.model is None else inspect(self.model)).columns.items())
        # A model may have expressions among its columns.
        return {name: column for name, column in columns.items() if isinstance(column, Column)}

    @cached_property
    def references(self) -> Sequence[Reference]:
        """Return the foreign keys, those of several columns first: they leave the others no choice."""
        names = {column: name for name, column in self.columns.items()}
        found = [
            Reference(
                tuple(names[column] for column in key.columns),
                tuple(element.column for element in key.elements),
                frozenset(names[column] for column in key.columns if column.nullable),
            )
            for table in self.tables
            for key in sorted(table.foreign_key_constraints, key=_columns_of)
            if all(column in names and not _is_given(names[column], column, self.model) for column in key.columns)
        ]
        return sorted(found, key=lambda reference: -len(reference.attributes))

    @cached_property
    def own(self) -> Mapping[str, Column[Any]]:
        """Return the columns that get a value of their own, and not that of another row or a default.

        The models to which this one refers need not be imported yet.
        """
        return {
            name: column
            for name, column in self.columns.items()
            if not column.foreign_keys and not _is_given(name, column, self.model)
        }

    def keys_among(self, names: Iterable[str]) -> Sequence[tuple[str, ...]]:
        """Return the sets of these attributes of which no two rows have the same values."""
        attributes = {column: name for name, column in self.columns.items()}
        given = {*names}
        found: set[tuple[str, ...]] = set()
        for table in self.tables:
            for part in (*table.constraints, *(index for index in table.indexes if index.unique)):
                columns = _unique_columns(part)
                key = tuple(attributes.get(column, "") for column in columns)
                # A value of these is several, and in no set.
                if any(isinstance(column.type, (ARRAY, JSON)) for column in columns):
                    continue
                if key and given.issuperset(key):
                    found.add(key)
        return sorted(found)

    @property
    def refers_to_itself(self) -> bool:
        """Tell whether rows refer to others of their kind."""
        return any(reference.table in self.tables for reference in self.references)

    def where(self, *names: str) -> str:
        """Return how messages call attributes of it."""
        return f"{self.table.name}.{', '.join(self.columns[name].name for name in names)}"

    @cached_property
    def annotations(self) -> Mapping[str, Any]:
        """Return what the model says of its attributes; nothing where it names what only type checkers import."""
        try:
            hints = get_type_hints(self.model) if self.model else {}
        except NameError:
            return {}
        return {name: next(iter(get_args(hint)), None) for name, hint in hints.items()}


def all_filled(models: Iterable[type[DeclarativeBase]], metadata: MetaData) -> list[Filled]:
    """Return what a service has to fill, each after those that it refers to."""
    mappers = [inspect(model) for model in models]
    mapped = {table for mapper in mappers for table in mapper.tables}
    mappers = [
        mapper
        for mapper in mappers
        if not mapper.class_.__module__.startswith(_OF_THE_KIT)
        # What only others inherit from has no rows of its own.
        and (mapper.polymorphic_on is None or mapper.polymorphic_identity is not None)
    ]
    # Where tables refer to each other in a circle, the foreign keys that may be null do not count.
    in_order = sort_tables_and_constraints(metadata.tables.values())  # type: ignore[no-untyped-call]  # SQLAlchemy's
    places = {table: place for place, (table, _) in enumerate(in_order)}
    found = [Filled.of(mapper.class_) for mapper in mappers if isinstance(mapper.local_table, Table)]
    found += [Filled(table, None) for table in metadata.tables.values() if table not in mapped]
    return sorted(found, key=lambda each: places[each.table])


def named(name: str, among: Sequence[Filled]) -> Filled:
    """Return what is called so: by its table, in the plural, too, by its class, or by its package. Raises SeedError."""
    wanted = name.lower().replace("-", "_")
    for each in among:
        table = each.name.lower()
        plurals = {f"{table}s", f"{table}es", f"{table[:-1]}ies"}
        if wanted in {table, *plurals, each.model and each.model.__name__.lower()}:
            return each
    # Of several in a package, the one of which the others are parts, as `order_line` is of `order`.
    if found := [each for each in among if each.package == wanted]:
        return min(found, key=lambda each: len(each.name))
    known = ", ".join(sorted(each.name for each in among)) or "none yet"
    raise SeedError(f"There is no model {name}. There are: {known}.")


def _is_given(name: str, column: Column[Any], model: type[DeclarativeBase] | None) -> bool:
    """Tell whether the server, a default or the mapper gives a column its value."""
    if column.computed is not None or column.identity is not None:
        return True
    if column.default is not None or column.server_default is not None:
        return True
    mapper = None if model is None else inspect(model)
    if mapper is not None:
        if column in {mapper.version_id_col, mapper.polymorphic_on}:
            return True
        if mapper.inherits is not None and column.primary_key:
            # The key is that of the model that it inherits from.
            return _is_given(name, mapper.inherits.columns[name], mapper.inherits.class_)
    return column.table.autoincrement_column is column


def _columns_of(key: ForeignKeyConstraint) -> list[str]:
    return list(key.column_keys)


def _unique_columns(part: Any) -> list[Column[Any]]:
    if isinstance(part, (UniqueConstraint, PrimaryKeyConstraint)):
        return list(part.columns)
    if isinstance(part, Index):
        # Of an expression such as `lower(name)`, the columns.
        return list(_columns_in(part.expressions))
    return []


def _columns_in(expressions: Iterable[Any]) -> Iterator[Column[Any]]:
    for expression in expressions:
        yield from (each for each in visitors.iterate(expression) if isinstance(each, Column))
