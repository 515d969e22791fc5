"""What a service's pages show is true of its code: blocks of Python, paths, links and anchors."""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.rendering.combinations import Combination, combinations
from tests.harness.rendering.questions import Answers
from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.servers import server_url
from tests.harness.running.services import Environments, Service

SERVICES: dict[str, Answers] = {
    "postgres": {},
    "sqlite": {"driver": "aiosqlite", "data_access": "direct"},
    "auth and cluster": {"auth": "oidc-and-keys", "deploy": "kubernetes"},
}

LIBRARIES = {
    *("Annotated", "Literal", "NamedTuple", "TypedDict", "asynccontextmanager", "partial", "pytest", "sha256"),
    *("Depends", "FastAPI", "HTTPException", "HTTPConnection", "Request", "Response", "httpx2"),
    *(
        "ForeignKey",
        "Index",
        "Mapped",
        "bindparam",
        "func",
        "insert",
        "mapped_column",
        "op",
        "relationship",
        "select",
        "text",
    ),
    *("Field", "SettingsConfigDict", "postgresql", "sa"),
}
"""Names of libraries that the pages use without importing them."""

STORY = {
    *("router", "session", "database", "response", "invoice_id", "tenant_id", "invoice", "created", "rows", "refused"),
    *("client", "INVOICE"),
    *("Invoice", "InvoiceCreate", "InvoiceLine", "InvoiceRead", "InvoiceRow", "FIND", "FIND_TENANT", "LINES"),
    *("User", "UserRow", "CurrentUser"),
    *("Job", "carry_out", "legacy_report"),
    *("ROUTERS", "Settings", "VALUES", "VERSIONS", "create_app", "open_resources"),
}
"""Names of the service that the pages tell of, and of its owner's files."""


CHAPTERS = ("Insert or update", "Tags: many with many")
"""Of the recipes, those whose code is run."""

BEFORE = """
from typing import NamedTuple

from sqlalchemy import ForeignKey, Index, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column

from app.kit.database.models import Base, PrimaryKey, Timestamped, Versioned
from app.kit.database.sessions import Database


class Invoice(Versioned, Timestamped, Base):
    __tablename__ = "invoice"

    id: Mapped[PrimaryKey]
    number: Mapped[str] = mapped_column(unique=True)
    paid: Mapped[bool] = mapped_column(default=False)


class InvoiceRow(NamedTuple):
    id: int
    number: str


"""
AFTER = """

async def test_recipes(database: Database) -> None:
    async with database.transaction() as session:
        connection = await session.connection()
        tables = [model.__table__ for model in (Invoice, Tag, InvoiceTag)]
        await connection.run_sync(Base.metadata.create_all, tables)
        session.add(Invoice(number="1"))
    assert await mark_as_paid(database, ["2", "1"]) == ["2"]
    assert await mark_as_paid(database, ["1", "2"]) == []
    async with database.read() as session:
        invoices = {each.number: each for each in await session.scalars(select(Invoice))}
    assert [(invoices[number].paid, invoices[number].version) for number in "12"] == [(True, 2), (True, 1)]
    one, two = invoices["1"].id, invoices["2"].id
    async with database.transaction() as session:
        await tag_invoice(session, one, {"red", "blue"})
        await tag_invoice(session, two, {"red"})
    assert await tags_of(database, [one, two]) == {one: ["blue", "red"], two: ["red"]}
    async with database.transaction() as session:
        await tag_invoice(session, one, {"blue", "new"})
    assert await tags_of(database, [one]) == {one: ["blue", "new"]}
    tagged = Query(InvoiceRow, select(Invoice.id, Invoice.number).where(IS_TAGGED))
    assert await tagged.all(database, tag="red") == [(two, "2")]
"""


def pages(folder: Path) -> list[Path]:
    """Every page of a service that people read."""
    return [
        *sorted(folder.glob("*.md")),
        *sorted(folder.glob("docs/*.md")),
        *sorted(folder.glob("src/app/kit/*.md")),
    ]


def blocks(page: Path) -> Iterator[str]:
    """The blocks of Python in a page."""
    text = page.read_text(encoding="utf-8")
    for indent, block in re.findall(r"^( *)```python\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE):
        yield textwrap.dedent(block) if indent else block


def tree_of(block: str) -> ast.Module:
    """Parse a block, which may await outside of a function, as a part of one would."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile(block, "a page", "exec", flags)
    assert isinstance(tree, ast.Module)
    return tree


def defined(tree: ast.AST) -> set[str]:
    """Every name that code gives to something."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.Import(names=imported) | ast.ImportFrom(names=imported):
                names.update(alias.asname or alias.name for alias in imported)
    return names


def problems_of_imports(folder: Path, tree: ast.Module) -> Iterator[str]:
    """What a block imports from the service that is not there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(("app.kit", "kit_tests")):
            root = folder / "src" if node.module.startswith("app") else folder
            module = root.joinpath(*node.module.split(".")).with_suffix(".py")
            if not module.exists():
                yield f"there is no module {node.module}"
                continue
            names = defined(ast.parse(module.read_text(encoding="utf-8")))
            yield from (f"{node.module} has no {alias.name}" for alias in node.names if alias.name not in names)


def service(name: str, template: Template) -> Path:
    """A service with the example."""
    return template.render(SERVICES[name])


@pytest.mark.parametrize("name", SERVICES)
def test_blocks_of_python_use_what_there_is(template: Template, name: str) -> None:
    folder = service(name, template)
    problems: list[str] = []
    for page in pages(folder):
        trees = [tree_of(block) for block in blocks(page)]
        known = {*dir(builtins), *LIBRARIES, *STORY}.union(*map(defined, trees))
        for tree in trees:
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            found = [
                *problems_of_imports(folder, tree),
                *(f"nothing says what {unknown} is" for unknown in used - known),
            ]
            problems.extend(f"{page.name}: {problem}" for problem in found)
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVICES)
def test_recipes_of_upserts_and_links_do_what_they_say(
    template: Template, environments: Environments, tmp_path: Path, name: str
) -> None:
    answers = SERVICES[name]
    driver = answers.get("driver", "asyncpg")
    folder = template.render_to(tmp_path / "service", answers)
    text = folder.joinpath("docs/recipes.md").read_text(encoding="utf-8")
    chapters = [re.split(r"^## ", text.partition(f"## {chapter}\n")[2], flags=re.MULTILINE)[0] for chapter in CHAPTERS]
    code = "\n\n".join(re.findall(r"```python\n(.*?)```", "".join(chapters), re.DOTALL))
    folder.joinpath("tests/test_recipes.py").write_text(BEFORE + code + AFTER, encoding="utf-8")
    with environments.borrow(f"{driver}-{OWN_VERSION}") as environment:
        variables = {} if driver == "aiosqlite" else {"TEST_DATABASE_URL": server_url()}
        service = Service(folder, environment, variables=variables)
        service.install()
        service.uv_run("pytest", "tests/test_recipes.py")


@pytest.mark.parametrize("name", SERVICES)
def test_layers_of_the_kit_are_in_the_order_that_its_page_shows(template: Template, name: str) -> None:
    kit = service(name, template) / "src" / "app" / "kit"
    shown = kit.joinpath("README.md").read_text(encoding="utf-8").partition("## Layers")[2]
    lines = shown.partition("```text\n")[2].partition("```")[0].splitlines()
    level = {name: number for number, line in enumerate(lines) for name in re.findall(r"(\w+)(?:/|\.py)", line[:30])}
    assert {path.stem for path in kit.iterdir() if path.suffix in {"", ".py"}} - {"__init__"} == set(level)
    for file in sorted(kit.rglob("*.py")):
        layer = file.relative_to(kit).parts[0].removesuffix(".py")
        for imported in re.findall(r"^from app\.kit\.(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE):
            assert imported == layer or level[imported] > level[layer], f"{file.relative_to(kit)} imports {imported}"


@pytest.mark.parametrize("name", SERVICES)
def test_page_of_the_kit_names_every_module(template: Template, name: str) -> None:
    kit = service(name, template) / "src" / "app" / "kit"
    page = kit.joinpath("README.md").read_text(encoding="utf-8")
    modules = [path.relative_to(kit).as_posix() for path in kit.rglob("*.py") if path.name != "__init__.py"]
    folders = [f"`{folder}/`" for folder in ("idempotency", "migrations")]
    assert [name for name in modules if f"`{name}`" not in page and f"`{name.partition('/')[0]}/`" not in folders] == []
    assert [folder for folder in folders if folder not in page] == []


@pytest.mark.parametrize("name", SERVICES)
def test_paths_that_pages_name_are_there(template: Template, name: str) -> None:
    folder = service(name, template)
    named = {
        (page.name, path)
        for page in pages(folder)
        for path in re.findall(r"`((?:src|tests|kit_tests|docs|devtools)/[\w/.]*)`", page.read_text(encoding="utf-8"))
    }
    assert [(page, path) for page, path in named if "invoices" not in path and not folder.joinpath(path).exists()] == []


@pytest.mark.parametrize("combination", combinations(), ids=str)
def test_paths_that_agents_are_told_are_there(template: Template, combination: Combination) -> None:
    folder = template.render(combination.answers)
    text = folder.joinpath("AGENTS.md").read_text(encoding="utf-8")
    if not combination.example:
        # What a domain will have, once there is one.
        text = re.sub(r"^- `src/app/<domain>/`.*?(?=^- )", "", text, flags=re.DOTALL | re.MULTILINE)
    paths = {*re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|md|toml)|(?:[\w.-]+/)+)`", text)} - {"service.py"}
    assert {"src/app/kit/", "tests/", "settings.py"} <= paths
    assert [
        path
        for path in paths
        if not (folder / path).exists()
        and not [*folder.rglob(f"src/app/{path}")]
        and not (combination.example and "/" not in path and [*folder.rglob(path)])
    ] == []
    assert folder.joinpath("CLAUDE.md").read_text(encoding="utf-8") == "@AGENTS.md\n"


@pytest.mark.parametrize("combination", combinations(), ids=str)
def test_links_and_anchors_lead_somewhere(template: Template, combination: Combination) -> None:
    folder = template.render(combination.answers)
    problems: list[str] = []
    for page in pages(folder):
        text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            if ":" in path:
                continue
            other = page.parent.joinpath(path).resolve() if path else page
            if not other.exists():
                problems.append(f"{page.name}: {target} is not there")
            elif anchor and anchor not in anchors(other):
                problems.append(f"{page.name}: {target} has no such heading")
    assert not problems, "\n".join(problems)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
