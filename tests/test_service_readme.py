"""What a service's README tells its owner to do works: a first domain is added, then the example is dropped."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import pytest

from tests.harness.rendering.questions import Answers
from tests.harness.rendering.snapshot import A_PERSON, TAG, git
from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.servers import scratch_database, server_url
from tests.harness.running.services import Environments, Service
from tests.harness.updating.copier_cli import run_copier
from tests.harness.updating.updates import begin_service, replace

pytestmark = pytest.mark.slow

FIRST_DOMAIN = "Add your first domain"
DROP_THE_EXAMPLE = "Drop the example"
FOLLOWS_THE_FIRST = 'down_revision: str | Sequence[str] | None = "0001_idempotency_keys"'
TABLES = ("hero_event", "hero", "team")
TABLE = r'"(hero_event|hero|team)"'
OWN = ("src/app/invoices", "tests/invoices")
"""What the owner has written."""


def section(readme: str, title: str) -> str:
    """One section of the README."""
    return readme.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(text: str) -> list[list[str]]:
    """The lines of each block of commands."""
    return [block.splitlines() for block in re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)]


def written(text: str) -> Iterator[tuple[str, str]]:
    """Each file that a numbered step names, and what the step writes into it."""
    steps = re.findall(r"^\d+\. [^\n]*?`([\w/.]+)`:?\n\n   ```python\n(.*?)^   ```$", text, re.DOTALL | re.MULTILINE)
    for path, block in steps:
        yield path, textwrap.dedent(block)


def order_tables(revision: Path) -> None:
    """Put the tables of the example into the order that the README gives."""
    text = revision.read_text(encoding="utf-8")
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    for function, direction in zip(reversed(functions), (-1, 1), strict=True):
        calls = [node for node in function.body[1:] if isinstance(node, ast.Expr)]
        found = [ast.get_source_segment(text, node) or "" for node in calls]
        ordered = sorted(found, key=lambda call: direction * TABLES.index(re.findall(TABLE, call)[0]))
        for old, new in zip(reversed(calls), reversed(ordered), strict=True):
            lines = text.splitlines(keepends=True)
            lines[old.lineno - 1 : old.end_lineno] = [f"    {new}\n"]
            text = "".join(lines)
    revision.write_text(text, encoding="utf-8")
    # Lines that trade places change no size, and within a second no time: Python would run the byte code of before.
    rmtree(revision.parent / "__pycache__", ignore_errors=True)


@dataclass
class Owner:
    """Someone who does what the README says."""

    service: Service
    environments: Environments
    variables: Mapping[str, str]

    def reads(self, title: str) -> str:
        return section(self.service.folder.joinpath("README.md").read_text(encoding="utf-8"), title)

    def types(self, lines: list[str]) -> None:
        for line in lines:
            if line.startswith("uvx copier "):
                ended = run_copier(shlex.split(line)[2:], self.service.folder, A_PERSON)
                assert ended.exit_code == 0, ended.output
                continue
            # One process at a time may use it, and only for the one that takes long without it.
            checks = line == "uv run poe check"
            with self.environments.mypy_cache() if checks else nullcontext() as cache:
                told = {"MYPY_CACHE_DIR": str(cache)} if checks else {}
                self.service.run("bash", "-c", line, env={**A_PERSON, **self.variables, **told})

    def adds_a_domain(self) -> None:
        text = self.reads(FIRST_DOMAIN)
        for path, content in written(text):
            file = self.service.folder / path
            if path.endswith("routers.py"):
                before = file.read_text(encoding="utf-8")
                imported = before.replace("\n\nROUTERS", f"\n{content}\nROUTERS")
                after = re.sub(
                    r"\(\)$|^\)$",
                    "(\n    invoices,\n)" if "= ()" in before else "    invoices,\n)",
                    imported,
                    flags=re.MULTILINE,
                )
                assert after.count("invoices") == 3
                file.write_text(after, encoding="utf-8")
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, encoding="utf-8")
        (lines,) = commands(text)
        self.types(lines)

    @property
    def work(self) -> dict[str, str]:
        """What the owner has written so far."""
        folder = self.service.folder
        files = [file for path in OWN for file in folder.joinpath(path).rglob("*.py")]
        return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in files}


@pytest.mark.parametrize(
    ("answers", "deployed"),
    [({}, True), ({"driver": "aiosqlite", "data_access": "direct"}, False)],
    ids=["postgres-repository-deployed", "sqlite-direct"],
)
def test_domain_is_added_and_the_example_dropped(
    template: Template, environments: Environments, tmp_path: Path, answers: Answers, deployed: bool
) -> None:
    folder = begin_service(template, tmp_path / "service", answers, TAG)
    driver = answers.get("driver", "asyncpg")
    postgres = driver != "aiosqlite"
    with (
        environments.borrow(f"{driver}-{OWN_VERSION}") as environment,
        scratch_database() if postgres else nullcontext("sqlite+aiosqlite:///./app.db") as database,
    ):
        service = Service(folder, environment, variables={"DATABASE_URL": database})
        owner = Owner(service, environments, {"TEST_DATABASE_URL": server_url()} if postgres else {})
        service.install()
        owner.adds_a_domain()
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", "Invoices")
        before = owner.work
        assert len(before) == (7 if postgres else 6)

        drop, keep, delete, finish = commands(owner.reads(DROP_THE_EXAMPLE))
        owner.types(drop)
        if deployed:
            owner.types(keep)
            (dropping,) = folder.glob("src/app/migrations/versions/*_drop_the_example.py")
            order_tables(dropping)
            (comment,) = re.findall(r"`(# squawk-ignore: .+?)`", owner.reads(DROP_THE_EXAMPLE))
            text = dropping.read_text(encoding="utf-8")
            text, found = re.subn(r"^( +op\.drop_table\(.*\))$", rf"\1  {comment}", text, flags=re.MULTILINE)
            assert found == len(TABLES)
            dropping.write_text(text, encoding="utf-8")
        else:
            owner.types(delete)
            (own,) = folder.glob("src/app/migrations/versions/*_add_invoices.py")
            replace(own, 'down_revision: str | Sequence[str] | None = "0002_heroes_and_teams"', FOLLOWS_THE_FIRST)
            folder.joinpath("app.db").unlink()
        owner.types(finish)

        assert owner.work == before
        assert git(folder, "status", "--porcelain") == ""
        assert git(folder, "ls-files", "*/heroes/*", "*/teams/*") == ""
        assert owner.reads(DROP_THE_EXAMPLE) == owner.reads("Try it") == ""
        assert "invoices" in folder.joinpath("src/app/routers.py").read_text(encoding="utf-8")
        owner.types(["uv run poe migrate", "uv run alembic check", "uv run poe check", "uv run pytest"])
