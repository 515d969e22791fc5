"""`poe new` makes a resource that is as good as the example, or says in one sentence why not and writes nothing."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.rendering.combinations import Combination
from tests.harness.rendering.questions import Answers
from tests.harness.rendering.snapshot import TAG, commit, git
from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.servers import scratch_database, server_url
from tests.harness.running.services import Environments, Service
from tests.harness.updating.next_releases import NEXT_TAGS, with_next_releases
from tests.harness.updating.updates import begin, begin_service, signs_of_a_conflict, tree


def _with_uuids(driver: str, pool: str, data_access: str, auth: str, *, example: bool) -> Combination:
    answers: Answers = {"driver": driver, "pool": pool, "data_access": data_access, "example": example}
    return Combination.of(answers | {"keys": "uuidv7", "auth": auth})


SERVICES = [
    Combination("asyncpg", "queue", "repository", example=True),
    _with_uuids("psycopg", "pgbouncer", "direct", "oidc", example=False),
    Combination("aiosqlite", "null", "direct", example=True),
    _with_uuids("aiosqlite", "queue", "repository", "oidc-and-keys", example=False),
]
"""Each driver, style, database and `auth`; with either style and database both kinds of keys. None knows the pool."""

NAMES_AN_ISSUER = {"OIDC_ISSUER": "https://issuer.test", "OIDC_AUDIENCE": "tests"}

OF_EVERY_TYPE = (
    *(
        "number:str:unique",
        "title:str?:search",
        "note:text?:search",
        "amount:int:index",
        "score:int?:index",
        "total:decimal(12,2):index",
    ),
    *("rate:decimal=5,4", "paid:bool", "checked:bool?", "due:date?:index", "issued:date", "sent_at:datetime:index"),
    *(
        "key:uuid:unique",
        "details:json",
        "extra:json?",
        "status:enum(draft,sent,paid)",
        "channel:enum=mail,post:optional",
    ),
    *("customer:ref(customers)", "billed_to:ref=customers:optional", "replaces:ref(invoices)?"),
)
ON_POSTGRES = ("tags:str[]", "days:date[]?", "sizes:int[]", "prices:decimal(6,2)[]", "marks:enum(red,green)[]")

UNUSABLE = {
    "a name that is taken": (["heroes", "name:str"], "leave out the fields"),
    "a part of the service": (["settings", "name:str"], "src/app/settings is a part of the service itself"),
    "a table that is taken": (["hero_events", "name:str"], "app.heroes.models has a table hero_event already"),
    "a keyword": (["classes", "name:str", "--singular", "class"], "class is a keyword of Python"),
    "a name of another spelling": (["Invoices", "name:str"], "write lower-case letters"),
    "a singular": (["invoice", "name:str"], "name the resource in the plural"),
    "the same twice": (["sheep", "name:str", "--singular", "sheep"], "its own singular"),
    "a very long name": (["x" * 41 + "s", "name:str"], "keep names to 40"),
    "no fields": (["invoices"], "What does an invoice have?"),
    "no type": (["invoices", "name"], "'name' cannot be read as a field"),
    "an unknown type": (["invoices", "name:varchar"], "there is no type varchar"),
    "an unknown mark": (["invoices", "name:str:primary"], "which is none of unique, index, search, optional"),
    "a keyword as a field": (["invoices", "from:str"], "from is a keyword of Python"),
    "a column that is there": (["invoices", "version:int"], "version is a column that models get by themselves"),
    "a word of SQLAlchemy": (["invoices", "metadata:json"], "metadata means something else"),
    "a word of pydantic": (["invoices", "model_name:str"], "model_name means something else"),
    "a field twice": (["invoices", "name:str", "name:int"], "two fields called name"),
    "a decimal without digits": (["invoices", "total:decimal"], "how many digits"),
    "a decimal of nothing": (["invoices", "total:decimal(2,12)"], "how many digits"),
    "an enum of nothing": (["invoices", "status:enum"], "an enum names its values"),
    "an enum with a value twice": (["invoices", "status:enum(a,a)"], "each of its values once"),
    "arguments of a type without": (["invoices", "name:str(20)"], "takes nothing in brackets"),
    "a reference to nothing": (["invoices", "customer:ref(customers)"], "There is no resource customers"),
    "a reference that the first row cannot have": (["invoices", "next:ref(invoices)"], "let it be null"),
    "an index of what has no order": (["invoices", "data:json:index"], "have no order"),
    "a search of what has no words": (["invoices", "total:int:search"], "only str and text have words"),
    "a search of lists": (["invoices", "tags:str[]:search"], "have words to search for, and lists do not"),
    "nothing to undo": (["invoices", "--undo"], "Nothing is known of a resource invoices"),
}


ALL_IN_ONE = """
import json, sys
from devtools.generator.__main__ import main
said = {}
for what, arguments in json.loads(sys.argv.pop()).items():
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        said[what] = str(end.code)
print(json.dumps(said))
"""

READS_AN_INDEX = """
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import ClauseElement, Executable, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from app.invoices.queries import FIND, LIST
from app.invoices.schemas import InvoiceListParams
from kit_tests.support.application import Running
from tests.invoices.test_invoices import create, fields_of

OF_EVERY_LIST = ("limit", "cursor", "total", "sort", "search")
FILTERS = [name for name in InvoiceListParams.model_fields if name not in OF_EVERY_LIST]


class Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, statement: Any) -> None:
        self.statement = statement


@compiles(Explain)
def explain(explained: Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"{explain} {{compiler.process(explained.statement, **options)}}"


async def assert_unsorted(service: Running, query: Any, order: str, **filtered: Any) -> None:
    async with service.database.transaction() as session:
        connection = await session.connection()
        if connection.dialect.name == "postgresql":
            for way in ("sort", "incremental_sort", "seqscan"):
                await session.execute(text(f"SET LOCAL enable_{{way}} = off"))
        for part in LIST._orders[order]._parts_of(query, None):
            statement = part.statement.params(keyset_limit=1, **filtered)
            literal = statement.compile(dialect=connection.dialect, compile_kwargs={{"literal_binds": True}})
            plan = str((await connection.exec_driver_sql(f"{explain} {{literal}}")).all())
            assert "Sort" not in plan and "TEMP B-TREE" not in plan, plan
            assert any(way in plan for way in ("Index", "USING INDEX", "PRIMARY KEY", "SCAN invoice")), plan


@pytest.mark.parametrize("order", LIST._orders)
async def test_every_order_is_read_from_an_index(shared_service: Running, order: str) -> None:
    await assert_unsorted(shared_service, LIST._query, order)


@pytest.mark.parametrize("name", FILTERS)
async def test_every_filter_goes_with_the_order_by_id(
    client: httpx2.AsyncClient, shared_service: Running, name: str
) -> None:
    path = await create(client, await fields_of(shared_service.database))
    invoice = await FIND.get(shared_service.database, id={key}(path.rpartition("/")[2]))
    value = name.startswith("has_") if name not in invoice._fields else getattr(invoice, name)
    await assert_unsorted(
        shared_service, LIST._filtered(frozenset([name])), "id", **{{name: invoice.id if value is None else value}}
    )


async def test_search_is_read_from_its_index(shared_service: Running) -> None:
    counted = LIST._counts(frozenset(["search"])).statement
    async with shared_service.database.transaction() as session:
        connection = await session.connection()
        is_postgres = connection.dialect.name == "postgresql"
        if is_postgres:
            await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = str((await connection.execute(Explain(counted), {{"search": "fox"}})).all())
        assert ("ix_invoice_search_vector" if is_postgres else "invoice_fts VIRTUAL TABLE INDEX") in plan, plan
"""
"""A test that an owner has no need of: how the database reads the lists."""


SERVES_WHAT_WAS_SEEDED = """
import asyncio
from app.main import create_app
from app.settings import load_settings
from kit_tests.support.application import running

async def main():
    async with running(create_app(load_settings())) as service:
        for path in ("/customers", "/invoices"):
            page = await service.client.get(path, params={"limit": 100})
            print(path, page.status_code, len(page.json()["items"]))

asyncio.run(main())
"""


@dataclass(frozen=True)
class Owned:
    """A service under git."""

    service: Service

    def new(self, *arguments: str, expected: int = 0) -> str:
        """Call `poe new`, and return what it says."""
        return self.service.uv_run("poe", "--quiet", "new", *arguments, expected=expected).output

    def status(self) -> list[str]:
        """Return what git says has changed."""
        return git(self.service.folder, "status", "--porcelain", "--untracked-files=all").splitlines()


@pytest.fixture(scope="module")
def future(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The template with releases to come."""
    return with_next_releases(template, tmp_path_factory.mktemp("future"))


@pytest.fixture(scope="module", params=SERVICES, ids=str)
def owned(
    request: pytest.FixtureRequest,
    future: Template,
    environments: Environments,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Owned]:
    """A service with its environment, under git."""
    combination: Combination = request.param
    folder = begin_service(future, tmp_path_factory.mktemp("generator") / "service", combination.answers, TAG)
    with environments.borrow(f"{combination.driver}-{OWN_VERSION}") as environment:
        variables = {"TEST_DATABASE_URL": server_url()} if combination.uses_postgres else {}
        service = Service(folder, environment, variables=variables, answers=combination.answers)
        service.install()
        commit(folder, "Lock what it needs")
        yield Owned(service)


@pytest.mark.slow
def test_resource_of_every_type_is_as_good_as_the_rest(owned: Owned, environments: Environments) -> None:
    service = owned.service
    on_postgres = service.answers["driver"] != "aiosqlite"
    fields = (*OF_EVERY_TYPE, *(ON_POSTGRES if on_postgres else ()))
    owned.new("customers", "name:str:unique", "--soft-delete")
    shown = owned.new("invoices", *fields, "--dry-run")
    assert "+class Invoice(" in shown
    assert not any("invoices" in line for line in owned.status())
    owned.new("invoices", *fields)
    made = {line.split()[-1] for line in owned.status()}
    assert {"src/app/invoices/models.py", "tests/invoices/test_invoices.py", "src/app/routers.py"} <= made

    service.uv_run("ruff", "format", "--check")
    service.uv_run("ruff", "check")
    if on_postgres:
        service.uv_run("poe", "migrations")
    with environments.mypy_cache() as cache:
        service.uv_run("mypy", "--cache-dir", str(cache))
    plans = service.folder / "tests/invoices/test_plans.py"
    explain = "EXPLAIN" if on_postgres else "EXPLAIN QUERY PLAN"
    key = "UUID" if service.answers["keys"] == "uuidv7" else "int"
    plans.write_text(READS_AN_INDEX.format(explain=explain, key=key))
    service.uv_run("pytest", "--cov", "--cov-report=term-missing")
    plans.unlink()
    with scratch_database() if on_postgres else nullcontext("sqlite+aiosqlite:///./seeded.db") as url:
        database = {"DATABASE_URL": url, **(NAMES_AN_ISSUER if service.answers["auth"] != "none" else {})}
        service.uv_run("poe", "migrate", env=database)
        service.uv_run("poe", "seed", "--rows", "30", env=database)
        served = service.uv_run("python", "-c", SERVES_WHAT_WAS_SEEDED, env=database).output
        assert "/customers 200 30\n" in served
        assert "/invoices 200 30\n" in served

    (migration,) = service.folder.glob("src/app/migrations/versions/*_invoices.py")
    said = owned.new("customers", "--undo", expected=1)
    assert f"The migration {migration.name} comes after" in said
    assert "by `uv run poe new invoices --undo`." in said
    for resource in ("invoices", "customers"):
        assert "left:" not in owned.new(resource, "--undo")
    assert owned.status() == []
    assert not any(service.folder.joinpath(where, "invoices").exists() for where in ("src/app", "tests"))


@pytest.mark.slow
def test_model_that_is_there_gets_the_rest_and_updates_keep_it(owned: Owned, future: Template) -> None:
    service = owned.service
    owned.new("parcels", "number:str:unique", "weight:decimal(9,3):index", "kind:enum(letter,box)", "sent:date?")
    commit(service.folder, "Parcels")
    package, tests = (service.folder / where / "parcels" for where in ("src/app", "tests"))
    generated = {path: path.read_text() for path in (*package.glob("*.py"), *tests.glob("*.py"))}
    for path in generated:
        if path.name != "models.py" and path != package / "__init__.py":
            path.unlink()
    git(service.folder, "checkout", "--quiet", "HEAD~1", "--", "src/app/routers.py")
    commit(service.folder, "Only the model")
    owned.new("parcels")
    assert {path: path.read_text() for path in generated} == generated
    assert "src/app/migrations" not in "".join(owned.status())
    assert " M src/app/routers.py" in owned.status()
    commit(service.folder, "All of it")

    # What a later release brings meets what was made, and takes nothing of it.
    future.update(service.folder, NEXT_TAGS[-1])
    assert signs_of_a_conflict(service.folder, tree(service.folder)) == []
    assert {path: path.read_text() for path in generated} == generated
    assert "parcels," in service.folder.joinpath("src/app/routers.py").read_text()


@pytest.fixture(scope="module")
def asked(template: Template, environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owned]:
    """A service of which nothing is made."""
    folder = template.render_to(tmp_path_factory.mktemp("asked") / "service", SERVICES[0].answers)
    with environments.borrow(f"{SERVICES[0].driver}-{OWN_VERSION}") as environment:
        service = Service(folder, environment, answers=SERVICES[0].answers)
        service.install()
        begin(folder)
        yield Owned(service)


@pytest.fixture(scope="module")
def said(asked: Owned) -> dict[str, str]:
    """What `poe new` says where it refuses, all of it by one process, as each start of Python costs a second."""
    arguments = json.dumps({what: words for what, (words, _) in UNUSABLE.items()})
    output = asked.service.uv_run("python", "-c", ALL_IN_ONE, arguments).output
    found: dict[str, str] = json.loads(output)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("what", UNUSABLE)
def test_what_cannot_be_made_is_one_message_and_no_file(asked: Owned, said: dict[str, str], what: str) -> None:
    assert UNUSABLE[what][1] in said[what]
    assert len(said[what].splitlines()) == 1
    assert asked.status() == []


@pytest.mark.slow
def test_change_that_is_not_committed_is_not_touched(asked: Owned) -> None:
    routers = asked.service.folder / "src/app/routers.py"
    routers.write_text(f"{routers.read_text()}# mine\n")
    assert "src/app/routers.py has changes that are not committed" in asked.new("notes", "text_of_it:str", expected=1)
    assert asked.status() == [" M src/app/routers.py"]
    git(asked.service.folder, "checkout", "--quiet", "--", "src/app/routers.py")


@pytest.mark.slow
def test_filter_that_a_list_cannot_have_is_told(asked: Owned) -> None:
    fields = ("cursor:str:index", "total:int", "due:date?:index", "has_due:bool", "sent:date?:index")
    said = asked.new("rests", *fields, "--dry-run").splitlines()
    assert said[-2:] == [
        "Lists have no filter for cursor, as a parameter of that name means something else.",
        "has_due asks for the field of that name, and not for due.",
    ]


@pytest.mark.slow
def test_undo_leaves_what_was_edited_and_says_so(asked: Owned) -> None:
    asked.new("notes", "title:str")
    edited = asked.service.folder / "src/app/notes/endpoints.py"
    edited.write_text(f"{edited.read_text()}# mine\n")
    said = asked.new("notes", "--undo")
    assert "left: src/app/notes/endpoints.py: was edited since" in said
    assert asked.status() == ["?? src/app/notes/endpoints.py"]
    shutil.rmtree(edited.parent)


@pytest.mark.slow
def test_migration_that_cannot_be_written_leaves_nothing_behind(asked: Owned) -> None:
    versions = asked.service.folder / "src/app/migrations/versions"
    broken = versions / "9999_broken.py"
    (newest,) = versions.glob("0002_*.py")
    broken.write_text(
        newest.read_text()
        .replace("0002_heroes_and_teams", "9999_broken")
        .replace('"0001_idempotency_keys"', '"0002_heroes_and_teams"')
    )
    commit(asked.service.folder, "A migration that fails")
    said = asked.new("notes", "title:str", expected=1)
    assert "`alembic upgrade head` failed on an empty database" in said
    assert asked.status() == []
    broken.unlink()
    commit(asked.service.folder, "Without it")


SAME_AS_IN_THE_EXAMPLE = {
    "endpoints.py": {"read_hero", "list_heroes"},
    "repository.py": {"HeroRepository.add", "HeroRepository.get", "HeroRepository.page", "HeroRepository.total"}
    | {"HeroRepository.change", "HeroRepository.delete", "HeroRepository.__init__"},
    "queries.py": {"FIND", "LIST", "CREATE", "CHANGE", "_VISIBLE"},
    "schemas.py": {"HeroListParams.sort", "HeroListParams.total", "HeroListParams.team_id", "HeroRead.team_id"},
    "models.py": {f"Hero.{name}" for name in ("__tablename__", "id", "name", "age", "team_id", "deleted_at")},
}
"""What the example has exactly as it would be generated. The rest has more: events, a secret, bounds of its own."""


@pytest.mark.slow
@pytest.mark.parametrize("style", ["repository", "direct"])
def test_example_could_have_been_made_by_it(
    style: str, template: Template, environments: Environments, tmp_path: Path
) -> None:
    blank = Combination("asyncpg", "queue", style, example=False)
    example = template.render(Combination("asyncpg", "queue", style, example=True).answers)
    with environments.borrow(f"asyncpg-{OWN_VERSION}") as environment:
        service = Service(template.render_to(tmp_path / "service", blank.answers), environment)
        service.install()
        owned = Owned(service)
        owned.new("teams", "name:str:unique", "headquarters:str")
        owned.new("heroes", "name:str", "secret_name:str", "age:int?", "team:ref(teams)?", "--soft-delete")
    for file, names in SAME_AS_IN_THE_EXAMPLE.items():
        made, written = (folder / "src/app/heroes" / file for folder in (service.folder, example))
        if not written.exists():
            assert (file, style) == ("repository.py", "direct")
            continue
        ours, theirs = definitions(made), definitions(written)
        assert {name: ours.get(name) for name in names} == {name: theirs.get(name) for name in names}
        assert None not in {theirs.get(name) for name in names}


def definitions(file: Path) -> dict[str, str]:
    """What a module defines, and the classes in it, by name and as code."""
    found: dict[str, str] = {}

    def look(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            match node:
                case ast.ClassDef(name=name, body=inner):
                    look(inner, f"{name}.")
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    found[prefix + name] = ast.unparse(node)
                case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                    found[prefix + name] = ast.unparse(node)

    look(ast.parse(file.read_text(encoding="utf-8")).body, "")
    return found
