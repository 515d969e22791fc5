"""The models that the service has already: what a resource refers to, and what only the rest is generated for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    inspect,
)
from sqlalchemy.orm import DeclarativeBase, Mapper
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.kit.database.models import Base, Timestamped, Versioned, import_models
from app.kit.database.search import search_of
from devtools.generator import GeneratorError
from devtools.generator.fields import BASIC, Field, Kind, decimal_field, enum_kind, reference_kind
from devtools.generator.naming import Names, with_article

_BY_THEMSELVES: Final = {"id", "version", "created_at", "updated_at", "deleted_at"}


@dataclass(frozen=True)
class Sample:
    """How a test stores a row of a table that another refers to."""

    resource: str
    """The package that has its model."""
    model: str
    variable: str
    values: Mapping[str, str]
    """Expressions by attribute; `number` tells rows apart."""
    needs: Mapping[str, str]
    """Which attribute is the id of which other row: by the name of that row's variable."""
    imports: Sequence[str]

    @property
    def a(self) -> str:
        """Return how sentences call it, with its article."""
        return with_article(self.variable.replace("_", " "))


def models() -> list[type[DeclarativeBase]]:
    """Return the service's own models; raises GeneratorError if they cannot be imported."""
    try:
        import_models()
    except Exception as error:
        raise GeneratorError(f"The models cannot be imported: {type(error).__name__}: {error}") from error
    classes = [mapper.class_ for mapper in Base.registry.mappers]
    return [each for each in classes if not each.__module__.startswith("app.kit.")]


def model_of(names: Names) -> type[DeclarativeBase] | None:
    """Return the model of a resource, if there is one."""
    module = f"app.{names.plural}.models"
    return next((each for each in models() if each.__module__ == module and each.__name__ == names.model), None)


def table_taken(names: Names) -> type[DeclarativeBase] | None:
    """Return the model that has the table of this name."""
    return next((each for each in models() if _table(each).name == names.singular), None)


def fields_of(model: type[DeclarativeBase]) -> list[Field]:
    """Return the fields of a model that is there; raises GeneratorError for one that cannot be generated for."""
    if not issubclass(model, Versioned) or not issubclass(model, Timestamped):
        raise GeneratorError(
            f"{model.__name__} has no version and times: let it inherit from Versioned and Timestamped, with a "
            "migration, and generate the rest then."
        )
    mapper = inspect(model)
    _check_key(mapper)
    return [_field(model, name, column) for name, column in mapper.columns.items() if name not in _BY_THEMSELVES]


def tables_of(plurals: Sequence[str], own: Names) -> dict[str, str]:
    """Return the tables of these resources; raises GeneratorError for one that is not there."""
    return {plural: own.singular if plural == own.plural else _table(target(plural)).name for plural in plurals}


def samples_of(plurals: Sequence[str], own: Names) -> list[Sample]:
    """Return how to store a row of each of these resources, and before it of what they need; raises GeneratorError."""
    found: dict[str, Sample] = {}
    for plural in plurals:
        if plural != own.plural:
            _sample(target(plural), found, ())
    return list(found.values())


def target(plural: str) -> type[DeclarativeBase]:
    """Return the model of a resource that is referred to; raises GeneratorError."""
    here = [each for each in models() if each.__module__ == f"app.{plural}.models"]
    if not here:
        known = sorted({each.__module__.split(".")[1] for each in models()})
        raise GeneratorError(
            f"There is no resource {plural} that could be referred to. There are: {', '.join(known) or '(none)'}."
        )
    # The package may have tables beside that which it is named after.
    model = min(here, key=lambda each: len(_table(each).name))
    _check_key(inspect(model))
    return model


def _check_key(mapper: Mapper[Any]) -> None:
    keys = [str(column.key) for column in mapper.primary_key]
    if keys != ["id"] or not isinstance(mapper.primary_key[0].type, Integer):
        name = mapper.class_.__name__
        raise GeneratorError(f"The primary key of {name} is {', '.join(keys)}, and not a number `id`.")


def _table(model: type[DeclarativeBase]) -> Table:
    return cast("Table", inspect(model).local_table)


def _sample(model: type[DeclarativeBase], found: dict[str, Sample], outer: tuple[str, ...]) -> str:
    """Note how a row is stored, and return its variable."""
    table = _table(model)
    variable = table.name
    if variable in outer:
        raise GeneratorError(f"{' and '.join({*outer})} need each other's rows: make one of the references nullable.")
    if variable in found:
        return variable
    values: dict[str, str] = {}
    needs: dict[str, str] = {}
    imports = [f"from {model.__module__} import {model.__name__}"]
    for name, column in inspect(model).columns.items():
        if column.nullable or column.default is not None or column.server_default is not None or name == "id":
            continue
        if name == "version":
            continue
        if column.foreign_keys:
            referred = next(iter(column.foreign_keys)).column.table
            needs[name] = _sample(_model_of_table(referred), found, (*outer, variable))
        else:
            values[name] = _expression(model, name, column, imports)
    found[variable] = Sample(model.__module__.split(".")[1], model.__name__, variable, values, needs, imports)
    return variable


def _model_of_table(table: Table) -> type[DeclarativeBase]:
    return next(each for each in models() if _table(each) is table)


_EXPRESSIONS: Final[Sequence[tuple[type[TypeEngine[Any]], str, str]]] = (
    (Boolean, "False", ""),
    (Integer, "number", ""),
    (Float, "float(number)", ""),
    (Numeric, "Decimal(number)", "from decimal import Decimal"),
    (Date, "date(2026, 1, 1) + timedelta(number)", "from datetime import date, timedelta"),
    (DateTime, "datetime(2026, 1, 1, tzinfo=UTC) + timedelta(number)", "from datetime import UTC, datetime, timedelta"),
    (Uuid, "UUID(int=number)", "from uuid import UUID"),
    (JSON, "{}", ""),
)


def _expression(model: type[DeclarativeBase], name: str, column: Column[Any], imports: list[str]) -> str:
    """Return an expression for a value of a column."""
    kind = _plain(column.type)
    if isinstance(kind, Enum) and kind.enum_class is not None:
        first = next(iter(kind.enum_class))
        imports.append(f"from {kind.enum_class.__module__} import {kind.enum_class.__name__}")
        return f"{kind.enum_class.__name__}.{first.name}"
    if isinstance(kind, String):
        return f'f"{name} {{number}}"' if kind.length is None or kind.length > len(name) + 3 else 'f"{number}"'
    for known, expression, needed in _EXPRESSIONS:
        if isinstance(kind, known):
            imports.append(needed)
            return expression
    raise GeneratorError(
        f"{model.__name__}.{name} has the type {kind!r}, of which no value is known for tests: give the column a "
        "default, or add the reference by hand."
    )


def _plain(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.impl_instance if isinstance(kind, TypeDecorator) else kind


def _field(model: type[DeclarativeBase], name: str, column: Column[Any]) -> Field:
    table = _table(model)
    field = replace(
        _plain_field(model, name, column),
        nullable=bool(column.nullable),
        unique=_is_unique(table, column),
        index=any(index.columns[0] is column for index in table.indexes if len(index.columns)),
        search=_is_searched(table, column),
        members=_members(column),
        enum=_enum(column),
    )
    if column.foreign_keys:
        referred = _model_of_table(next(iter(column.foreign_keys)).column.table)
        return replace(field, kind=reference_kind(), refers_to=referred.__module__.split(".")[1])
    return field


def _plain_field(model: type[DeclarativeBase], name: str, column: Column[Any]) -> Field:
    kind = _plain(column.type)
    if isinstance(kind, Numeric) and not isinstance(kind, Float) and kind.precision is not None:
        return decimal_field(name, kind.precision, kind.scale or 0, model.__name__)
    return Field(name, _kind(model, name, column))


def _is_unique(table: Table, column: Column[Any]) -> bool:
    constraints = [each.columns for each in table.constraints if isinstance(each, UniqueConstraint)]
    indexes = [each.columns for each in table.indexes if each.unique]
    return any([*columns] == [column] for columns in (*constraints, *indexes))


def _is_searched(table: Table, column: Column[Any]) -> bool:
    search = search_of(table)
    return search is not None and column.name in search.columns


def _members(column: Column[Any]) -> tuple[str, ...]:
    kind = _plain(column.type)
    return tuple(str(member.value) for member in kind.enum_class) if isinstance(kind, Enum) and kind.enum_class else ()


def _enum(column: Column[Any]) -> str:
    kind = _plain(column.type)
    return kind.enum_class.__name__ if isinstance(kind, Enum) and kind.enum_class else ""


def _kind(model: type[DeclarativeBase], name: str, column: Column[Any]) -> Kind:
    kind = _plain(column.type)
    if column.foreign_keys:
        return reference_kind()
    if isinstance(kind, Enum) and kind.enum_class is not None:
        return enum_kind(kind.enum_class.__name__, name, _members(column))
    for known, basic in _KINDS:
        if isinstance(kind, known):
            return BASIC[basic]
    raise GeneratorError(
        f"{model.__name__}.{name} has the type {kind!r}, for which nothing can be generated: write the rest by hand."
    )


_KINDS: Final[Sequence[tuple[type[TypeEngine[Any]], str]]] = (
    (Boolean, "bool"),
    (Integer, "int"),
    (String, "str"),
    (DateTime, "datetime"),
    (Date, "date"),
    (Uuid, "uuid"),
    (JSON, "json"),
)
