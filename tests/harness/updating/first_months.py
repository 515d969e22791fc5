"""What a team does to its service in the first months. ``tests/first_months/`` has the files that it adds.

Each edit sits where a developer would put it. One that finds no place for itself raises, because a later release that
has no such place any more would leave owners without one.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.harness.rendering.questions import ROOT
from tests.harness.running.commands import run

_FILES = ROOT / "tests" / "first_months"


def work_for_months(service: Path, *, keep_example: bool) -> None:
    """Add a domain with its table, query, endpoints, migration and tests, and change what comes with that.

    Args:
        service: A service's folder.
        keep_example: Whether heroes and teams stay; a service without them has none to keep.
    """
    if not keep_example:
        _delete_example(service)
    _add_domain(service)
    _register_router(service)
    _add_dependencies(service)
    for name, edit in _EDITS.items():
        _edit(service / name, edit)
    if service.joinpath(".github").exists():
        _edit(service / ".github/workflows/ci.yml", _appended(_CI_JOB))


def delete_folders_of_example(service: Path) -> None:
    """Delete what is there of them: an update can bring a new file for an example that it was not told is gone."""
    for folder in ("src/app/heroes", "src/app/teams", "tests/heroes", "tests/teams"):
        shutil.rmtree(service / folder, ignore_errors=True)


def _delete_example(service: Path) -> None:
    """Delete what the README of a service says, where no database has run the example's revision."""
    delete_folders_of_example(service)
    service.joinpath("src/app/migrations/versions/0002_heroes_and_teams.py").unlink()
    _edit(
        service / "src/app/routers.py",
        lambda text: re.sub(r"^\nfrom app\..*\n(?:from app\..*\n)*", "", text, flags=re.MULTILINE).replace(
            "(\n    heroes,\n    teams,\n)", "()"
        ),
    )


def _edit(file: Path, edit: Callable[[str], str]) -> None:
    before = file.read_text(encoding="utf-8")
    after = edit(before)
    if after == before:
        raise ValueError(f"{file.name} has no place for the edit any more")
    file.write_text(after, encoding="utf-8")


def _appended(text: str) -> Callable[[str], str]:
    return lambda before: f"{before}{text}"


def _after(anchor: str, text: str) -> Callable[[str], str]:
    return lambda before: re.sub(anchor, lambda found: f"{found[0]}{text}", before, count=1, flags=re.MULTILINE)


def _before(anchor: str, text: str) -> Callable[[str], str]:
    return lambda before: re.sub(anchor, lambda found: f"{text}{found[0]}", before, count=1, flags=re.MULTILINE)


def _replaced(pattern: str, text: str) -> Callable[[str], str]:
    return lambda before: re.sub(pattern, text, before, flags=re.MULTILINE)


def _all(*edits: Callable[[str], str]) -> Callable[[str], str]:
    """Edits, each of which has to find a place for itself."""

    def edit(before: str) -> str:
        for each in edits:
            after = each(before)
            if after == before:
                raise ValueError("one of several edits has no place any more")
            before = after
        return before

    return edit


_CI_JOB = """
  licences:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@v6
      - run: uvx pip-licenses --from=mixed
"""

_EDITS: dict[str, Callable[[str], str]] = {
    "README.md": _before(
        r"^## Run it in production$",
        "## Orders\n\nCustomers place orders; nothing deletes them. See [docs/orders.md](docs/orders.md).\n\n",
    ),
    "src/app/settings.py": _before(
        r"^\n\ndef load_settings",
        '\n    clerks: int\n    """How many read orders at once."""\n'
        '\n    greeting: str = "Good morning"\n    """What the first line of a confirmation says."""\n',
    ),
    "tests/values.py": _replaced(r"= \{\}$", '= {"clerks": 2}'),
    "src/app/resources.py": _all(
        _after(r"^from contextlib .*\nfrom typing .*\n", "\nfrom anyio import CapacityLimiter\n"),
        _after(r'^    """Each entry .*"""\n', "\n    clerks: CapacityLimiter\n"),
        _replaced("_settings:", "settings:"),
        _replaced("yield {}", 'yield {"clerks": CapacityLimiter(settings.clerks)}'),
    ),
    "src/app/main.py": _all(
        _after(
            r"^from fastapi .*\n",
            "from starlette.middleware import Middleware\nfrom starlette.middleware.gzip import GZipMiddleware\n",
        ),
        _replaced(
            r"^( +return build_application)\((.*)\)$",
            r"\1(\n        \2, middleware=[Middleware(GZipMiddleware)]\n    )",
        ),
    ),
    ".env.example": _appended(
        "\n# How many read orders at once.\n#CLERKS=2\n"
        "\n# What the first line of a confirmation says.\n#GREETING=Good morning\n"
    ),
    ".gitignore": _appended("\n# What the warehouse sends.\n/deliveries/\n"),
    "Dockerfile": _after(
        r"^FROM python:\S+ AS base\n",
        "\nRUN apt-get update \\\n    && apt-get install --yes --no-install-recommends tini \\\n"
        "    && rm -rf /var/lib/apt/lists/*\n",
    ),
    "compose.yaml": _all(
        _before(
            r"^volumes:$",
            "  mail:\n    image: axllent/mailpit:v1.27\n    volumes:\n      - letters:/data\n"
            '    ports:\n      - "127.0.0.1:8025:8025"\n\n',
        ),
        _appended("  letters:\n"),
    ),
    "docs/operations.md": _appended("\n## Orders\n\nAn order is written once, so its table needs no locks.\n"),
    "pyproject.toml": _before(
        r"^\n\[tool\.alembic\]$",
        'report = { cmd = "python -m app.orders.report", help = "Print the orders of today" }\n',
    ),
    ".pre-commit-config.yaml": _appended(
        "\n      - id: no-deliveries\n        name: no deliveries\n        entry: deliveries are not committed\n"
        "        language: fail\n        files: ^deliveries/\n"
    ),
}


def _add_domain(service: Path) -> None:
    shutil.copytree(_FILES, service, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    sqlite = "aiosqlite" in service.joinpath("pyproject.toml").read_text(encoding="utf-8")
    words = {
        "PREVIOUS": f'"{sorted(service.glob("src/app/migrations/versions/*.py"))[-2].stem}"',
        "PRIMARY_KEY": "sa.Integer()" if sqlite else "sa.BigInteger(), sa.Identity()",
        "INTEGER": "sa.Integer()" if sqlite else "sa.BigInteger()",
        "TIMESTAMP": "sa.DateTime()" if sqlite else "sa.DateTime(timezone=True)",
        "NOW()": "sa.text(\"(strftime('%Y-%m-%d %H:%M:%f', 'now'))\")" if sqlite else "sa.func.now()",
    }
    _edit(
        service / "src/app/migrations/versions/0003_orders.py",
        lambda text: re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text),
    )


def _register_router(service: Path) -> None:
    routers = service / "src/app/routers.py"
    imported = "from app.orders.endpoints import router as orders\n"
    if "app.heroes" in routers.read_text(encoding="utf-8"):
        _edit(routers, _after(r"^from app\.heroes\.endpoints .*\n", imported))
        _edit(routers, _after(r"^    heroes,\n", "    orders,\n"))
    else:
        _edit(routers, _after(r"^from fastapi import APIRouter\n", f"\n{imported}"))
        _edit(routers, lambda text: text.replace("= ()", "= (orders,)"))


def _add_dependencies(service: Path) -> None:
    """As a developer does, who leaves to uv where the line goes."""
    run("uv", "add", "--frozen", "anyio>=4.8", cwd=service)
    run("uv", "add", "--frozen", "--dev", "freezegun>=1.5", cwd=service)
