"""What Alembic does not compare becomes part of a revision, and of what `alembic check` reports."""

import warnings
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
    ModifyTableOps,
    OpContainer,
)
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Dialect, MetaData

from app.kit.migrations.catalogue import differences
from app.kit.migrations.difference import BESIDE, Difference, Item
from app.kit.migrations.lines import LONGEST_LINE, Mend
from app.kit.migrations.mends import mend, restore


class MendOp(MigrateOperation):
    """What leads from one side of a difference to the other."""

    def __init__(self, difference: Difference, mend: Mend) -> None:
        self.difference = difference
        self.mend = mend

    def to_diff_tuple(self) -> tuple[str, str]:
        """Return what `alembic check` reports."""
        return "differs", str(self.difference)


class LinesOp(OpContainer):
    """Lines of a revision that are no difference of their own, but what others need before or after them."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self.lines = [*lines]


@renderers.dispatch_for(MendOp)
def _render(_context: AutogenContext, operation: MendOp) -> list[str]:
    if any(operation.mend):
        return [*operation.mend.lines]
    difference = operation.difference
    advice = f"By hand: {difference.part} becomes {difference.models}, and was {difference.database}."
    return [f"# {line}" for line in wrap(advice, LONGEST_LINE)]


@renderers.dispatch_for(LinesOp)
def _render_lines(_context: AutogenContext, operation: LinesOp) -> list[str]:
    return operation.lines


def is_compared(name: str | None, kind: str, config: Config, others: Container[str]) -> bool:
    """Tell whether a table, or a part of one, is compared with the models.

    Not compared are tables that are made by others than migrations, and what `leave_alone` names in the project's
    configuration of Alembic.
    """
    if name is None:
        return True
    patterns: list[str] = config.toml_alembic_config.get("leave_alone", [])
    return not (kind == "table" and name in others) and not any(fnmatchcase(name, pattern) for pattern in patterns)


@contextmanager
def comparing() -> Iterator[None]:
    """Say nothing of parts that SQLAlchemy does not reflect, for the time of the block: they are compared by others."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*expression-based index")
        # A CHECK that is NOT VALID.
        warnings.filterwarnings("ignore", "Can't validate argument 'dialect_options'")
        yield


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
            seen, altered = {*_seen(upgrade.ops)}, {*_altered(upgrade.ops)}
            seen |= {(table, check) for table, column, check in bound if (table, column) in seen | altered}
            left = [each for each in found if not _is_seen(each.item, seen, altered)]
            back = [each._replace(models=each.database, database=each.models) for each in left]
            mends = _commits_first(MendOp(each, mend(each, metadata)) for each in left)
            mends_back = _commits_first(MendOp(each, mend(each)) for each in back)
            _order_computed(upgrade.ops)
            _order_computed(downgrade.ops)
            ways = (upgrade, [*upgrade.ops, *mends]), (downgrade, [*mends_back, *downgrade.ops])
            for way, operations in ways:
                around = [each.mend for each in operations if isinstance(each, MendOp)]
                around += _restored(metadata, operations)
                first = [LinesOp(each.first) for each in around if each.first]
                way.ops = [*first, *operations, *(LinesOp(each.last) for each in around if each.last)]


def _commits_first(operations: Iterable[MendOp]) -> list[MendOp]:
    """Put what commits before the rest, so that nothing else is committed with it."""
    return sorted(operations, key=lambda each: not each.mend.commits)


def _order_computed(operations: Iterable[MigrateOperation]) -> None:
    """Have columns come before those that are computed of them, and go after them: Alembic drops in any order."""

    def place(operation: MigrateOperation) -> int:
        if isinstance(operation, AddColumnOp):
            return 1 if operation.column.computed is not None else 0
        if isinstance(operation, DropColumnOp):
            return 3 if operation.to_column().computed is not None else 4
        return 2

    for operation in operations:
        if isinstance(operation, ModifyTableOps):
            operation.ops.sort(key=place)


def _restored(metadata: MetaData, operations: Iterable[MigrateOperation]) -> Iterator[Mend]:
    """Go through what tables need to stay searchable that operations alter."""
    altered: dict[str, list[MigrateOperation]] = {}
    mended: dict[str, list[Difference]] = {}
    for operation in operations:
        if isinstance(operation, MendOp):
            mended.setdefault(operation.difference.item.table, []).append(operation.difference)
        elif isinstance(operation, ModifyTableOps):
            altered.setdefault(operation.table_name, []).extend(operation.ops)
    for table in metadata.sorted_tables:
        yield restore(table, altered.get(table.name, []), mended.get(table.name, []))


def _flat(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    for operation in operations:
        if isinstance(operation, OpContainer):
            yield from _flat(operation.ops)
        else:
            yield operation


_Names = tuple[str | None, str | None]
"""Those of a table and of a part of it."""


def _is_seen(item: Item, seen: Collection[_Names], altered: Collection[_Names]) -> bool:
    # What is made by statements of its own is seen by its own name.
    of_table = (item.table, "") in seen and item.kind not in BESIDE
    # Of a column that stays, Alembic compares the type, and not the default.
    is_altered = item.kind != "default" and (item.table, item.name) in altered
    return of_table or is_altered or (item.table, item.name) in seen


def _altered(operations: Iterable[MigrateOperation]) -> Iterator[_Names]:
    """Go through the columns that Alembic alters."""
    for operation in _flat(operations):
        if isinstance(operation, AlterColumnOp):
            yield operation.table_name, operation.column_name


def _seen(operations: Iterable[MigrateOperation]) -> Iterator[_Names]:
    """Go through what else Alembic itself changes: whole tables, or parts of them by name."""
    for operation in _flat(operations):
        if isinstance(operation, CreateTableOp | DropTableOp):
            yield operation.table_name, ""
        elif isinstance(operation, AddColumnOp):
            yield operation.table_name, operation.column.name
        elif isinstance(operation, DropColumnOp):
            yield operation.table_name, operation.column_name
        elif isinstance(operation, CreateIndexOp | DropIndexOp):
            yield operation.table_name, operation.index_name
        elif isinstance(operation, AddConstraintOp):
            constraint = operation.to_constraint()
            yield constraint.table.name, str(constraint.name)
        elif isinstance(operation, DropConstraintOp):
            yield operation.table_name, str(operation.constraint_name)


def _bound_to_types(metadata: MetaData, dialect: Dialect) -> Iterator[tuple[str, str, str]]:
    """Go through the CHECKs that come with the type of a column, such as an enum that is stored as text, by its name.

    relies on: `_type_bound`, by which Alembic tells them, too.
    """
    for table in metadata.tables.values():
        for constraint in table.constraints:
            if isinstance(constraint, CheckConstraint) and constraint._type_bound:  # noqa: SLF001
                for column in constraint.columns:
                    yield table.name, column.name, str(dialect.identifier_preparer.format_constraint(constraint))
