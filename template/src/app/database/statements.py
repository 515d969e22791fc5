"""Statements about rows of columns: who runs them, and the one that loses no change."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import Executable, Update, bindparam, inspect, update
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm.exc import StaleDataError

from app.database.rows import AnyRow, as_dicts


class Executor(Protocol):
    """What runs a statement: the database, where it stands alone, or a session, in its transaction."""

    async def execute(self, statement: Executable, parameters: Mapping[str, Any] | None = None, /) -> Iterable[AnyRow]:
        """Run a statement and return its rows."""


async def change_row(
    executor: Executor, model: type[DeclarativeBase], row: AnyRow, values: Mapping[str, Any]
) -> AnyRow:
    """Change a row of a `Versioned` model, and return the columns that were read as they are now.

    The row must have the columns `id` and `version`. Where nothing changes, nothing is sent and the row is returned.
    Raises StaleDataError if someone else has changed the row since it was read.
    """
    # As attributes, columns called `count` or `index` would be methods of tuples.
    (read,) = as_dicts([row])
    changed = {name: value for name, value in values.items() if name not in read or read[name] != value}
    if not changed:
        return row
    statement = _change(model, row._fields)
    for now in await executor.execute(statement, {**changed, "id_read": row.id, "version_read": row.version}):
        return now
    raise StaleDataError(f"{model.__name__} {row.id} was changed since it was read.")


@lru_cache(maxsize=256)
def _change(model: type[DeclarativeBase], fields: tuple[str, ...]) -> Update:
    """Build the statement once: which columns it sets, the parameters tell."""
    columns = inspect(model).columns
    return (
        update(model)
        .where(columns.id == bindparam("id_read"), columns.version == bindparam("version_read"))
        .values(version=columns.version + 1)
        .returning(*(columns[name] for name in fields))
    )
