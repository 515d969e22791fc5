"""Checks of what goes in and out: columns against the types of rows, and the names of parameters and new values."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from decimal import Decimal
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from sqlalchemy import (
    ARRAY,
    JSON,
    BinaryExpression,
    BindParameter,
    Column,
    ColumnElement,
    FromClause,
    Null,
    Select,
    TextClause,
    inspect,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapper
from sqlalchemy.orm.context import FromStatement
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import ReturnsRows
from sqlalchemy.types import NullType, TypeEngine

_NUMBERS: Final = (int, float, Decimal)


def check_row(row: Callable[..., object], statement: ReturnsRows) -> None:
    """Raise TypeError unless names, order and Python types of the columns are those of what `row` takes.

    `row` is a named tuple, a dataclass, or a function. What is not known, such as the type of an expression without
    one, or what a built-in function takes, fits.
    """
    columns = list(columns_of(statement))
    target = get_origin(row) or row
    what = getattr(target, "__name__", repr(target))
    if not columns:
        raise TypeError(f"{what} has no columns to be made of: the statement needs `.returning(...)`.")
    try:
        parameters = signature(target).parameters
    except ValueError:
        return
    _check_names(what, parameters, [name_of(column) for column in columns])
    hints = _hints(target)
    for name, column in zip(parameters, columns, strict=False):
        _check_type(f"{what}.{name}", hints.get(name, Any), column, statement)


def check_scalar(statement: ReturnsRows) -> None:
    """Raise TypeError unless the statement has one column."""
    names = [name_of(column) for column in columns_of(statement)]
    if len(names) != 1:
        raise TypeError(
            f"The statement has the columns {', '.join(names) or '(none)'}: select one, or name the type of its rows."
        )


def check_new_row(row: object, names: Iterable[str], model: type[DeclarativeBase]) -> None:
    """Raise TypeError if a row that is to be inserted names something that is no column of the model."""
    columns = inspect(model).columns
    if unknown := next((name for name in names if name not in columns), None):
        raise TypeError(
            f"{unknown!r} of {type(row).__name__} is no column of {model.__name__}, "
            f"which has {', '.join(columns.keys())}."
        )


def maker_of(default: Any) -> Callable[[], Any] | None:
    """Return the function that makes a column's default, or None if it has to be told what the row has besides."""
    try:
        parameters = signature(default.arg).parameters.values()
    except ValueError:
        return None
    positional = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
    if any(each.kind in positional and each.default is Parameter.empty for each in parameters):
        return None
    # SQLAlchemy's own around it takes what it does not ask for.
    return lambda: default.arg(None)


def optional_fields(row: object) -> frozenset[str]:
    """Return the fields of a row whose type says that they may be None."""
    return frozenset(name for name, hint in _hints(row).items() if NoneType in get_args(hint))


def named_parameters(part: Any) -> list[BindParameter[Any]]:
    """Return the `bindparam`s of a statement or of a part of one, and not the values that are written into it."""
    return [each for each in visitors.iterate(part) if isinstance(each, BindParameter) and not each.unique]


def parameter_names(statement: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Return which parameters a statement needs, and which it knows."""
    named = named_parameters(statement)
    needed = frozenset(part.key for part in named if part.required)
    return needed, frozenset(part.key for part in named).union(_settable(statement))


def _settable(statement: Any) -> Iterable[str]:
    """Return the names of the columns that parameters may set, by which a session finds them."""
    if not (statement.is_insert or statement.is_update):
        return ()
    mapper = mapper_of(statement.table) if statement.is_insert else None
    names: Iterable[str] = statement.table.columns.keys() if mapper is None else mapper.columns.keys()
    return names


def mapper_of(table: Any) -> Mapper[Any] | None:
    """Return the mapper of the model that a statement names, or None for a plain table."""
    # relies on: `_annotations`, where the ORM notes which model a table is of.
    mapper: Mapper[Any] | None = table._annotations.get("parententity")  # noqa: SLF001 - see above
    return mapper


def columns_of(statement: ReturnsRows) -> Iterator[Any]:
    """Return what a statement selects or returns, without configuring models."""
    for part in _parts(statement):
        # Functions are columns and tables at once.
        if isinstance(part, (ColumnElement, TextClause)):
            yield part
        elif isinstance(part, FromClause):
            if (entity := mapper_of(part)) is not None:
                raise TypeError(f"{entity.class_.__name__} is an entity: name its columns, or load it in a session.")
            yield from part.c
        else:
            raise TypeError(f"{part} is no column: name the columns one by one.")


def _parts(statement: Any) -> Iterable[Any]:
    # relies on: `_returning` and `_raw_columns`. What is public for them configures all mappers, and when a query is
    # built not every model may be imported yet.
    if isinstance(statement, UpdateBase):
        return statement._returning  # noqa: SLF001 - see above
    if isinstance(statement, (Select, FromStatement)):
        return statement._raw_columns  # noqa: SLF001 - see above
    columns: Iterable[Any] = statement.selected_columns
    return columns


def name_of(column: Any) -> str:
    """Return the name by which rows have a column."""
    # relies on: `_proxy_key`, which is the name of a mapped attribute where the column's own is another.
    return getattr(column, "_proxy_key", None) or "(unnamed)"


def _check_names(what: str, parameters: Mapping[str, Parameter], names: list[str]) -> None:
    fields, optional, rest = [], 0, False
    for name, parameter in parameters.items():
        if parameter.kind in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}:
            fields.append(name)
            optional += parameter.default is not Parameter.empty
        elif parameter.kind is Parameter.VAR_POSITIONAL:
            rest = True
        elif parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is Parameter.empty:
            raise TypeError(f"{what} takes {name} by name only: rows are named tuples, dataclasses, or functions.")
    least, most = len(fields) - optional, len(names) if rest else len(fields)
    if not least <= len(names) <= most or any(one != other for one, other in zip(names, fields, strict=False)):
        raise TypeError(
            f"{what} has the fields {', '.join(fields)}, and its statement the columns {', '.join(names)}: "
            "give both the same names in the same order; `.label(...)` names an expression."
        )


def _hints(target: Any) -> Mapping[str, Any]:
    """Return the types of the fields; none where they are not known at run time, as names for the type checker are."""
    is_class = isinstance(target, type)
    has_fields = is_dataclass(target) or (is_class and issubclass(target, tuple))
    try:
        return get_type_hints(target.__init__ if is_class and not has_fields else target)
    except (AttributeError, NameError, TypeError):
        return {}


def _check_type(field: str, expected: Any, column: Any, statement: ReturnsRows) -> None:
    if getattr(column, "nullable", False) and not _fits(NoneType, expected) and not _excludes_null(statement, column):
        raise TypeError(
            f"{field} is {_show(expected)}, and its column can be NULL: add `| None`, or exclude NULL in the statement."
        )
    found = _python_type(column)
    if found is None or _fits(found, expected):
        return
    # What kind of number an expression is, such as a sum, the server decides.
    if isinstance(column, Column) or found not in _NUMBERS or not any(_fits(each, expected) for each in _NUMBERS):
        raise TypeError(f"{field} is {_show(expected)}, and its column holds {_show(found)}.")


def _excludes_null(statement: Any, column: Column[Any]) -> bool:
    """Return whether a condition of the statement mentions the column, as `IS NOT NULL` and an inner join do."""
    try:
        conditions = [
            part for part in visitors.iterate(statement) if isinstance(part, BinaryExpression) and not _is_null(part)
        ]
    except SQLAlchemyError:
        # It joins a model that is not imported yet.
        return True
    return any(part in column.proxy_set for condition in conditions for part in visitors.iterate(condition))


def _is_null(condition: BinaryExpression[Any]) -> bool:
    return condition.operator is operators.is_ and isinstance(condition.right, Null)


def _python_type(column: Any) -> type | None:
    """Return the type of a column's values, or None where SQLAlchemy does not know it."""
    kind: TypeEngine[Any] = getattr(column, "type", NullType())
    if isinstance(kind, (JSON, NullType)) or (isinstance(kind, ARRAY) and kind.as_tuple):
        return None
    try:
        found = kind.python_type
    except NotImplementedError:
        return None
    return None if found is object else found


def _fits(found: type, expected: Any) -> bool:
    """Return whether values of one type may be called values of the other."""
    origin = get_origin(expected)
    if origin in {Union, UnionType}:
        return any(_fits(found, option) for option in get_args(expected))
    if origin is Literal:
        return any(isinstance(option, found) for option in get_args(expected))
    # Of a NewType, and of a type alias.
    for alias in ("__supertype__", "__value__"):
        if not isinstance(expected, type) and hasattr(expected, alias):
            return _fits(found, getattr(expected, alias))
    plain = NoneType if expected is None else origin or expected
    if plain is Any or not isinstance(plain, type):
        return True
    try:
        return issubclass(found, plain) or (plain is float and found is int)
    except TypeError:
        # Some protocols cannot be asked.
        return True


def _show(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
