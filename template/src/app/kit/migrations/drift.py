"""What Alembic does not compare becomes part of a revision, and of what `alembic check` reports."""

from collections.abc import Callable, Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from textwrap import wrap

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations.ops import (
    AddColumnOp,
    AddConstraintOp,
    AlterColumnOp,
    CreateIndexOp,
    CreateTableOp,
    DropColumnOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableOp,
    MigrateOperation,
    MigrationScript,
    OpContainer,
)
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Dialect, MetaData

from app.kit.migrations.catalogue import differences
from app.kit.migrations.difference import Difference, Item
from app.kit.migrations.lines import LONGEST_LINE, Mend
from app.kit.migrations.mends import mend


class MendOp(MigrateOperation):
    """What leads from one side of a difference to the other."""

    def __init__(self, difference: Difference, mend: Mend) -> None:
        self.difference = difference
        self.mend = mend

    def to_diff_tuple(self) -> tuple[str, str]:
        """Return what `alembic check` reports."""
        return "differs", str(self.difference)


@renderers.dispatch_for(MendOp)
def _render(_context: AutogenContext, operation: MendOp) -> list[str]:
    if operation.mend.lines:
        return operation.mend.lines
    difference = operation.difference
    advice = f"By hand: {difference.part} becomes {difference.models}, and was {difference.database}."
    return [f"# {line}" for line in wrap(advice, LONGEST_LINE)]


def is_left_alone(name: str, config: Config) -> bool:
    """Tell whether `leave_alone` in the project's configuration of Alembic has a pattern for a name."""
    patterns: list[str] = config.toml_alembic_config.get("leave_alone", [])
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def mend_differences(context: MigrationContext, _revision: object, scripts: Iterable[MigrationScript]) -> None:
    """Add to a revision what leads from the database to the models, and back, where Alembic has seen nothing."""
    connection = context.connection
    if connection is None:
        return
    metadata: MetaData = context.opts["target_metadata"]
    is_of_models: Callable[[str, str, object], bool] = context.opts["include_name"]
    found = [
        each
        for each in differences(connection, metadata)
        if is_of_models(each.item.table, "table", {}) and is_of_models(each.item.name, each.item.kind, {})
    ]
    bound = {*_bound_to_types(metadata, connection.dialect)}
    for script in scripts:
        for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
            seen = {*_seen(upgrade.ops)}
            seen |= {(table, check) for table, column, check in bound if (table, column) in seen}
            left = [each for each in found if not _is_seen(each.item, seen)]
            mends = [MendOp(each, mend(each, metadata)) for each in left]
            first = [each for each in mends if each.mend.comes_first]
            others = [each for each in mends if not each.mend.comes_first]
            upgrade.ops = [*first, *upgrade.ops, *others]
            back = [each._replace(models=each.database, database=each.models) for each in left]
            downgrade.ops = [*(MendOp(each, mend(each)) for each in back), *downgrade.ops]


def _is_seen(item: Item, seen: Collection[tuple[str | None, str | None]]) -> bool:
    # The indexes of a new table are made one by one.
    of_table = (item.table, "") in seen and item.kind != "index"
    return of_table or (item.table, item.name) in seen


def _seen(operations: Iterable[MigrateOperation]) -> Iterator[tuple[str | None, str | None]]:
    """Go through what Alembic itself changes: whole tables, or parts of them by name."""
    for operation in operations:
        if isinstance(operation, CreateTableOp | DropTableOp):
            yield operation.table_name, ""
        elif isinstance(operation, AddColumnOp):
            yield operation.table_name, operation.column.name
        elif isinstance(operation, AlterColumnOp | DropColumnOp):
            yield operation.table_name, operation.column_name
        elif isinstance(operation, CreateIndexOp | DropIndexOp):
            yield operation.table_name, operation.index_name
        elif isinstance(operation, AddConstraintOp):
            constraint = operation.to_constraint()
            yield constraint.table.name, str(constraint.name)
        elif isinstance(operation, DropConstraintOp):
            yield operation.table_name, str(operation.constraint_name)
        elif isinstance(operation, OpContainer):
            yield from _seen(operation.ops)


def _bound_to_types(metadata: MetaData, dialect: Dialect) -> Iterator[tuple[str, str, str]]:
    """Go through the CHECKs that come with the type of a column, such as an enum that is stored as text, by its name.

    relies on: `_type_bound`, by which Alembic tells them, too.
    """
    for table in metadata.tables.values():
        for constraint in table.constraints:
            if isinstance(constraint, CheckConstraint) and constraint._type_bound:  # noqa: SLF001
                for column in constraint.columns:
                    yield table.name, column.name, str(dialect.identifier_preparer.format_constraint(constraint))
