"""Two releases that this template does not have yet: each changes the files that owners change most."""

from __future__ import annotations

import re
from pathlib import Path

from tests.harness.rendering.snapshot import commit_everything, git
from tests.harness.rendering.template import Template

NEXT_TAGS = ("v9999.1.0", "v9999.2.0")

_CHANGES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "README.md.jinja": (
        (r"\A(# .*\n)", r"\1\nRead this first.\n"),
        (r"^## Licence$", "## The licence"),
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
        (r"/uv:0\.13 ", "/uv:{{ '0.14' if dependency_bot == 'none' else '0.13' }} "),
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
    "docs/operations.md.jinja": (
        (r"\A(# .*\n)", r"\1\nRead this before the first incident.\n"),
        (r"^Read this before the first incident\.$", "Read this before the first deployment."),
    ),
    "src/app/settings.py": (
        (r"\A.*\n", '"""The settings of the service, read from the environment and from `.env`: add yours."""\n'),
        (r"that names every variable that is wrong", "that names what is wrong"),
    ),
    # Owners change these lines by line: what is above them is all that a release may change.
    **dict.fromkeys(
        ("src/app/main.py", "src/app/resources.py", "tests/values.py"),
        ((r'\A"""', '"""To begin with: '), (r'\A"""To begin with: ', '"""By the owners: ')),
    ),
    # Nobody but the template changes these.
    **dict.fromkeys(
        (
            *("src/app/kit/logs.py", "src/app/kit/database/sessions.py.jinja", "src/app/kit/http/problems.py"),
            *("kit_tests/test_logs.py", "kit_tests/support/problems.py", "conftest.py", "tests/conftest.py.jinja"),
            *("src/app/{% if example %}heroes{% endif %}/queries.py.jinja", "devtools/supervisor.py"),
        ),
        ((r"\Z", "\n# The next release.\n"), (r"^# The next release\.$", "# The release after the next.")),
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
    "{% if ci == 'github' %}.github{% endif %}/workflows/kit.yml.jinja": (
        # Where there is a bot, it is the bot's to raise.
        (
            r"actions/checkout@(.*)$",
            rf"actions/checkout@{{{{ '{'1' * 40} # v7.0.0' if dependency_bot == 'none' else '\1' }}}}",
        ),
        (r"^    timeout-minutes: 20$", "    timeout-minutes: 25"),
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
