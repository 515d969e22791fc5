"""Foreign keys that no index helps: the server reads the whole table for each row that others refer to."""

from collections.abc import Collection, Iterator

from sqlalchemy import Connection, Inspector, inspect

from devtools.doctor.check import Examination, Finding


async def foreign_keys(examination: Examination) -> Finding:
    """Look for an index whose leading columns are those of each foreign key."""
    tables = [table.name for table in examination.service.metadata.sorted_tables if table.schema is None]
    found = await examination.ask(lambda connection: [*_without_index(connection, tables)])
    if not found:
        return Finding("Each has an index.")
    return Finding(
        f"No index begins with the columns of {', '.join(found)}: to delete a row that it may refer to, or to find "
        "what refers to one, the whole table is read.",
        'Give the column index=True, or the model an Index of these columns, and run `uv run poe revision "..."`.',
    )


def _without_index(connection: Connection, tables: Collection[str]) -> Iterator[str]:
    schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    inspector = inspect(connection)
    for table in sorted(set(tables) & set(inspector.get_table_names(schema))):
        indexes = [*_indexes(inspector, table, schema)]
        for key in inspector.get_foreign_keys(table, schema):
            columns = key["constrained_columns"]
            # Equal to each of its columns at once, whatever their order.
            if not any({*index[: len(columns)]} == {*columns} for index in indexes):
                yield f"{table} ({', '.join(columns)})"


def _indexes(inspector: Inspector, table: str, schema: str | None) -> Iterator[list[str | None]]:
    """Go through the columns of the indexes that have all rows; an expression is no column."""
    yield [*inspector.get_pk_constraint(table, schema)["constrained_columns"]]
    for constraint in inspector.get_unique_constraints(table, schema):
        yield [*constraint["column_names"]]
    for index in inspector.get_indexes(table, schema):
        if not any(option.endswith("_where") for option in index.get("dialect_options", {})):
            yield index["column_names"]
