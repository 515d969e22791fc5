"""Whoever puts SQL together from strings in a service is stopped: by its linter, or by its tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.harness.commands import run
from tests.harness.rendering import Template
from tests.harness.servers import server_url
from tests.hostile.conftest import Target

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

FRAGMENTS = {
    "order": 'text(f"{name} DESC")',
    "condition": 'text("name = \'" + name + "\'")',
    "setting": 'text("SET LOCAL search_path = %s" % name)',
}

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


@pytest.mark.slow
def test_suite_of_a_service_refuses_a_fragment_put_together(target: Target) -> None:
    added = target.service.folder / "src" / "app" / "search.py"
    env = {"TEST_DATABASE_URL": server_url()} if target.uses_postgres else {}
    suite = ("pytest", "--no-cov", "-q", "tests/test_sql.py")
    target.service.uv_run(*suite, env=env)
    added.write_text("\n\n".join(MODULE.format(code) for code in FRAGMENTS.values()), encoding="utf-8")
    try:
        output = target.service.uv_run(*suite, env=env, expected=1).output
    finally:
        added.unlink()
    assert "'search.py': [8, 18, 28]" in output
