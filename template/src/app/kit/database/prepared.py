"""Statements that are run again and again, without what SQLAlchemy does anew for each run.

SQLAlchemy compiles a statement, says how its values are converted, and tells what an error means. What it says about a
statement stays the same for each run, so it is kept, and the driver is called with it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias
from weakref import WeakKeyDictionary

from sqlalchemy import CompoundSelect, Connection, Engine, Executable, PoolProxiedConnection, Row, Select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.sql.dml import UpdateBase

# relies on: `await_only`, by which SQLAlchemy's own dialects call a driver; `_row_getter`, which makes rows of records,
# and `_safe_for_cache`, which says whether it may be kept; `_has_events`, which says that somebody listens; and
# `_handle_exception`, `_handle_dbapi_exception` and `_handle_dbapi_exception_noconnection`, which say what an error
# means, for a `Connection` that is made of one from the pool.
from sqlalchemy.util import await_only

from app.kit.database.arguments import names_in, packed
from app.kit.database.calls import fetch
from app.kit.database.rows import maker_of
from app.kit.database.scopes import effect_of
from app.kit.database.single import SingleStatements

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
Convert: TypeAlias = Callable[[Any], Any]

_VARIANTS: Final = 64
"""For how many sets of parameters a statement is kept prepared."""

_NOTHING: Final[Mapping[str, Any]] = {}


class _Argument(NamedTuple):
    """A value that is sent: where it is given, or else is known, and how it is converted."""

    given_as: str | None
    value: Any
    convert: Convert | None


class _Prepared(NamedTuple):
    """A compiled statement, and how values become its arguments."""

    text: str
    names: Sequence[str]
    arguments: Sequence[_Argument]


class _Known(NamedTuple):
    """What makes rows of records, if there are any, and the statement as it is compiled for sets of parameters."""

    rows: Callable[[Sequence[Any]], Sequence[AnyRow]] | None
    prepared: dict[frozenset[str], _Prepared | None]


class PreparedStatements(SingleStatements):
    """Runs statements, those that are run again by what SQLAlchemy has said about them when they were run first.

    A statement is known again as the same object. Whatever is not certain to be the same for each run is left to
    SQLAlchemy: lists for `IN`, defaults that are made of the row, execution options. So is everything while the engine
    logs statements, or somebody listens to its events, such as a tracer.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._known: WeakKeyDictionary[Executable, _Known] = WeakKeyDictionary()

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Sequence[AnyRow]:
        """Run a statement, store what it writes, and return its rows; raises what SQLAlchemy would."""
        if _is_watched(self.engine):
            return super().execute(statement, parameters)
        known = self._known.get(statement)
        if known is None:
            return self._execute_first(statement, parameters)
        given = parameters or _NOTHING
        prepared = self._prepared(statement, known, frozenset(given))
        if prepared is None:
            return super().execute(statement, parameters)
        records = self._fetch(prepared, given)
        return [] if known.rows is None else known.rows(records)

    def _execute_first(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Sequence[AnyRow]:
        with self.guarded.begin() as connection:
            result = connection.execute(statement, parameters)
            if isinstance(statement, Select | CompoundSelect | UpdateBase):
                self._note(statement, result)
            return result.all() if result.returns_rows else []

    def _note(self, statement: Executable, result: Any) -> None:
        if not result.returns_rows:
            self._known[statement] = _Known(None, {})
        elif result._metadata._safe_for_cache:  # noqa: SLF001 - see the top
            _, rows, _ = result._row_getter  # noqa: SLF001 - see the top
            self._known[statement] = _Known(rows, {})

    def _prepared(self, statement: Executable, known: _Known, names: frozenset[str]) -> _Prepared | None:
        if names not in known.prepared:
            if len(known.prepared) == _VARIANTS:
                return None
            known.prepared[names] = _prepare(self.engine, statement, names)
        return known.prepared[names]

    def _fetch(self, prepared: _Prepared, given: Mapping[str, Any]) -> Sequence[Any]:
        pooled = self._checked_out()
        driver: Any = pooled.driver_connection
        sent = None
        try:
            sent = packed(prepared.names, [_value(argument, given) for argument in prepared.arguments])
            records: Sequence[Any] = await_only(fetch(driver, prepared.text, sent))
        except BaseException as error:
            with Connection(self.engine, pooled) as connection:
                _fail(connection, prepared.text, given, sent, error)
        pooled.close()
        return records

    def _checked_out(self) -> PoolProxiedConnection:
        """Take a connection from the pool: SQLAlchemy's own around it is of use for failures only."""
        try:
            return self.engine.raw_connection()
        except self._error as error:
            Connection._handle_dbapi_exception_noconnection(error, self.engine.dialect, self.engine)  # noqa: SLF001


def _value(argument: _Argument, given: Mapping[str, Any]) -> Any:
    name, value, convert = argument
    if name is not None:
        value = given[name]
    return value if convert is None else convert(value)


def _is_watched(engine: Engine) -> bool:
    """Return whether somebody listens to what statements do, or reads of them in the log."""
    return (
        engine._has_events  # noqa: SLF001 - see the top
        or engine.logger.isEnabledFor(logging.INFO)
        or bool(engine.dialect.dispatch.do_execute)
    )


def _fail(connection: Connection, text: str, given: Mapping[str, Any], sent: Any, error: BaseException) -> NoReturn:
    """Raise what SQLAlchemy makes of an error, and end the connection if it is of no use any more."""
    fail = connection._handle_dbapi_exception  # noqa: SLF001 - see the top
    if sent is None:
        # A value could not be converted.
        fail(error, text, [given], None, None)
    driver: Any = connection.connection.dbapi_connection
    try:
        driver._handle_exception(error)  # noqa: SLF001 - see the top
    except BaseException as translated:
        error = translated
    try:
        fail(error, text, sent, None, None)
    except StatementError as raised:
        if raised.orig is not error:
            # It rolls back where there is no transaction of its own. That has failed, and the connection is given up.
            fail(error, text, sent, None, None)
        if isinstance(raised, DBAPIError):
            raise
    # Without an execution context, as here, SQLAlchemy wraps also what is no error of the driver's own.
    raise error


def _prepare(engine: Engine, statement: Any, given: frozenset[str]) -> _Prepared | None:
    """Compile a statement for these parameters, or return None if runs of it may differ in more than their values."""
    dialect = engine.dialect
    schemas = engine.get_execution_options().get("schema_translate_map")
    try:
        compiled = statement.compile(
            dialect=dialect,
            column_keys=sorted(given),
            schema_translate_map=schemas,
            render_schema_translate=schemas is not None,
        )
    except SQLAlchemyError:
        return None
    text = str(compiled)
    if (
        statement.get_execution_options()
        or compiled.post_compile_params
        or compiled.literal_execute_params
        or effect_of(text) is not None
    ):
        return None
    values: dict[str, Any] = {}
    makers: dict[str, Callable[[], Any]] = {}
    defaults = [(column.key, column.default) for column in compiled.insert_prefetch]
    for name, default in defaults + [(column.key, column.onupdate) for column in compiled.update_prefetch]:
        maker = maker_of(default) if default is not None and default.is_callable else None
        if maker is not None:
            makers[name] = maker
        elif default is not None and default.is_scalar:
            values[name] = default.arg
        else:
            return None
    names = tuple(names_in(compiled))
    arguments = []
    for name in names:
        bind = compiled.binds[name]
        given_as = next((each for each in (bind.key, name) if each in given), None)
        convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if name in makers:
            arguments.append(_Argument(None, None, _making(makers[name], convert)))
            continue
        if given_as is None and name not in values and (bind.required or bind.callable):
            return None
        arguments.append(_Argument(given_as, values.get(name, bind.value), convert))
    return _Prepared(text, [compiled.escaped_bind_names.get(name, name) for name in names], arguments)


def _making(make: Callable[[], Any], convert: Convert | None) -> Convert:
    """Return what makes the value of an argument anew each time, whatever it is called with."""
    return lambda _: make() if convert is None else convert(make())
