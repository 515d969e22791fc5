"""SQL is written out, with parameters for what varies: a string put together from others can hold anything.

Ruff finds this in what looks like a whole query (S608). This also looks at fragments, such as a column to order by.
"""

import ast
from pathlib import Path

import pytest

import app

TAKES_SQL = {"DDL", "exec_driver_sql", "execute", "literal_column", "text"}
PUTS_TOGETHER = {"format", "join", "replace"}


def name_of(function: ast.expr) -> str | None:
    match function:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return None


def is_put_together(sql: ast.expr) -> bool:
    if isinstance(sql, ast.JoinedStr | ast.BinOp):
        return True
    return isinstance(sql, ast.Call) and name_of(sql.func) in PUTS_TOGETHER


def offences(source: str) -> list[int]:
    """Return the lines in which SQL is put together from strings."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        call.lineno
        for call in calls
        if name_of(call.func) in TAKES_SQL and any(is_put_together(sql) for sql in call.args[:1])
    ]


def test_no_sql_is_put_together_from_strings() -> None:
    package = Path(app.__path__[0])
    found = {str(file.relative_to(package)): offences(file.read_text()) for file in package.rglob("*.py")}
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        'text(f"{column} DESC")',
        'sa.text("name = \'" + name + "\'")',
        'text("name = %s" % name)',
        'literal_column("{}".format(name))',
        'op.execute(", ".join(names))',
        'cursor.execute(f"SET x = {x}")',
    ],
)
def test_sql_put_together_is_found(source: str) -> None:
    assert offences(source) == [1]


@pytest.mark.parametrize("source", ['text("name = :name")', "execute(select(x + y))", "text(WRITTEN)", "text()"])
def test_sql_written_out_is_left_alone(source: str) -> None:
    assert offences(source) == []
