"""SQL is written out, with parameters for what varies: a string put together from others can hold anything."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.harness.rendering.combinations import Combination, combinations
from tests.harness.rendering.template import Template
from tests.harness.running.commands import run

RUFF = Path(sys.executable).with_name("ruff")

QUERIES = {
    "f-string": "text(f\"SELECT id FROM hero WHERE name = '{name}'\")",
    "percent sign": "text(\"SELECT id FROM hero WHERE name = '%s'\" % name)",
    "format": "text(\"SELECT id FROM hero WHERE name = '{}'\".format(name))",
    "concatenation": 'text("SELECT id FROM hero WHERE name = \'" + name + "\'")',
    "DELETE": "text(f\"DELETE FROM hero WHERE name = '{name}'\")",
    "UPDATE": "text(f\"UPDATE hero SET name = '{name}'\")",
    "INSERT": "text(f\"INSERT INTO hero (name) VALUES ('{name}')\")",
}

FRAGMENTS = (
    'text(f"{column} DESC")',
    'sa.text("name = \'" + name + "\'")',
    'text("name = %s" % name)',
    'literal_column("{}".format(name))',
    'op.execute(", ".join(names))',
    'cursor.execute(f"SET x = {x}")',
)
"""What Ruff does not take for a query."""

TAKES_SQL = {"DDL", "exec_driver_sql", "execute", "literal_column", "text"}
PUTS_TOGETHER = {"format", "join", "replace"}

MODULE = '''"""A search."""

from sqlalchemy import TextClause, text


def search(name: str) -> TextClause:
    """Return a statement."""
    return {}
'''


@pytest.mark.parametrize("how", QUERIES)
def test_lint_of_a_service_refuses_a_query_put_together(template: Template, tmp_path: Path, how: str) -> None:
    service = template.render_to(tmp_path / "service", {})
    run(RUFF, "check", ".", cwd=service)
    service.joinpath("src/app/search.py").write_text(MODULE.format(QUERIES[how]), encoding="utf-8")
    output = run(RUFF, "check", ".", cwd=service, expected=1).output
    assert "S608" in output


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_fragment_put_together_is_found(fragment: str) -> None:
    assert _offences(fragment) == [1]


@pytest.mark.parametrize("combination", combinations(), ids=str)
def test_service_puts_no_sql_together(template: Template, combination: Combination) -> None:
    folder = template.render(combination.answers)
    source = folder / "src" / "app"
    found = {file.relative_to(source): _offences(file.read_text("utf-8")) for file in source.rglob("*.py")}
    assert {file: lines for file, lines in found.items() if lines} == {}


def _offences(source: str) -> list[int]:
    """The lines in which SQL is put together from strings."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        call.lineno
        for call in calls
        if _name(call.func) in TAKES_SQL and any(_is_put_together(sql) for sql in call.args[:1])
    ]


def _name(function: ast.expr) -> str | None:
    match function:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return None


def _is_put_together(sql: ast.expr) -> bool:
    if isinstance(sql, ast.JoinedStr | ast.BinOp):
        return True
    return isinstance(sql, ast.Call) and _name(sql.func) in PUTS_TOGETHER
