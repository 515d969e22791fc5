"""One statement by itself, which is a transaction of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row, event

from app.kit.database.reading import refuse_writes
from app.kit.database.scopes import refuse_effects


class SingleStatements:
    """Runs statements, each on a connection of its own. It is called on SQLAlchemy's synchronous side."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.guarded = engine.execution_options()
        """A view of it, so that who listens to the engine itself is somebody else."""
        guard(self.guarded)

    def execute(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Sequence[Row[*tuple[Any, ...]]]:
        """Run a statement, store what it writes, and return its rows."""
        with self.guarded.begin() as connection:
            return rows_of(connection, statement, parameters)


def guard(engine: Engine) -> None:
    """Refuse what no session runs, and what those that only read do not."""
    for refuse in (refuse_effects, refuse_writes):
        event.listen(engine, "before_cursor_execute", refuse)


def rows_of(
    connection: Connection,
    statement: Executable,
    parameters: Mapping[str, Any] | None,
    options: Mapping[str, bool] | None = None,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Run a statement on a connection, and return its rows."""
    result = connection.execute(statement, parameters, execution_options=options)
    return result.all() if result.returns_rows else []
