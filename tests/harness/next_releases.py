"""Two releases that this template does not have yet: each changes the files that owners change most."""

from __future__ import annotations

import re
from pathlib import Path

from tests.harness.rendering import Template
from tests.harness.snapshot import commit_everything, git

NEXT_TAGS = ("v9999.1.0", "v9999.2.0")

_CHANGES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "README.md.jinja": (
        (r"^\| migrate \|.*\n", r"\g<0>| see what would be migrated | `uv run alembic upgrade head --sql` |\n"),
        (r"^Then open <http.*\n", r"Then open <http://127.0.0.1:8000/docs> in a browser.\n"),
    ),
    "pyproject.toml.jinja": (
        (r'^    "structlog>=25\.5",$', '    "structlog>=25.5.1",'),
        (r'^    "sqlalchemy\[asyncio\]>=2\.1\.7",$', '    "sqlalchemy[asyncio]>=2.1.8",'),
    ),
    "compose.yaml.jinja": (
        (r"^      start_period: 20s$", "      start_period: 30s"),
        (r"^      retries: 12$", "      retries: 24"),
    ),
    "Dockerfile.jinja": (
        (r"/uv:0\.13 ", "/uv:0.14 "),
        (r'"--timeout-graceful-shutdown", "20"', '"--timeout-graceful-shutdown", "25"'),
    ),
    ".env.example.jinja": (
        (r"^# Log every SQL statement: .*$", "# Log every SQL statement, without its values: true or false."),
        (
            r"^# The least severe level that is logged: .*$",
            "# What is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
        ),
    ),
    ".gitignore.jinja": (
        (r"\A", "# What is made, and not written.\n"),
        (r"\A.*\n", "# What programs make.\n"),
    ),
    ".pre-commit-config.yaml": (
        (r"^        name: mypy$", "        name: types"),
        (r"^        name: ruff format$", "        name: format"),
    ),
    "docs/database.md.jinja": (
        (r"^## What to watch$", "## What to watch, and why"),
        (r"\A(# .*\n)", r"\1\nRead this before the first incident.\n"),
    ),
    "src/app/settings.py": (
        (r"^        frozen=True,$", '        frozen=True,\n        env_file_encoding="utf-8",'),
        (r"because its settings are not usable:", "because these settings are not usable:"),
    ),
    **dict.fromkeys(
        ("src/app/{% if example %}routers.py{% endif %}", "src/app/{% if not example %}routers.py{% endif %}"),
        (
            (r"serves: add yours", "serves, in this order: add yours"),
            (r"\A.*\n\n", '"""Every router that the application serves. Add yours."""\n\n'),
        ),
    ),
    "{% if ci == 'github' %}.github{% endif %}/workflows/ci.yml.jinja": (
        (r"^    timeout-minutes: 20$", "    timeout-minutes: 25"),
        (r'^    - cron: "17 4', '    - cron: "19 5'),
    ),
}


def with_next_releases(template: Template, folder: Path) -> Template:
    """Make the releases in a clone of the template's repository."""
    clone = folder / "next"
    git(folder, "clone", "--quiet", str(template.repository), str(clone))
    for number, tag in enumerate(NEXT_TAGS):
        for name, changes in _CHANGES.items():
            file = clone / "template" / name
            before = file.read_text(encoding="utf-8")
            after = re.sub(*changes[number], before, flags=re.MULTILINE)
            if before == after:
                raise ValueError(
                    f"{name} has nothing that {changes[number][0]!r} matches: choose another line to change"
                )
            file.write_text(after, encoding="utf-8")
        commit_everything(clone, tag, tag)
    return Template(folder, clone)
