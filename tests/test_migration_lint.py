"""What requests would wait for in a migration is told with its line, and what is said to do instead works."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.servers import scratch_database
from tests.harness.running.services import Environments, Service
from tests.harness.updating.updates import replace

pytestmark = pytest.mark.slow

VERSIONS = "src/app/migrations/versions"

NEWEST = "0002_heroes_and_teams"

HURTS = {
    "index": ('op.create_index("ix_hero_age", "hero", ["age"])', "require-concurrent-index-creation"),
    "unique_index": (
        'op.create_index("ix_hero_name", "hero", ["name"], unique=True)',
        "require-concurrent-index-creation",
    ),
    "index_in_transaction": (
        'op.create_index("ix_hero_age", "hero", ["age"], postgresql_concurrently=True)',
        "ban-concurrent-index-creation-in-transaction",
    ),
    "required": ('op.add_column("hero", sa.Column("rank", sa.BigInteger(), nullable=False))', "adding-required-field"),
    "volatile_default": (
        'op.add_column("hero", sa.Column("code", sa.Uuid(), server_default=sa.text("gen_random_uuid()")))',
        "adding-field-with-default",
    ),
    "foreign_key": (
        'op.create_foreign_key("fk_team_id_hero", "team", "hero", ["id"], ["id"])',
        "adding-foreign-key-constraint",
    ),
    "check": ('op.create_check_constraint("age", "hero", "age >= 0")', "constraint-missing-not-valid"),
    "check_as_text": (
        'op.execute("ALTER TABLE hero ADD CONSTRAINT ck_hero_age CHECK (age >= 0)")',
        "constraint-missing-not-valid",
    ),
    "unique": ('op.create_unique_constraint(None, "hero", ["name"])', "disallowed-unique-constraint"),
    "type": ('op.alter_column("hero", "age", type_=sa.Integer())', "changing-column-type"),
    "not_null": ('op.alter_column("hero", "age", nullable=False)', "adding-not-nullable-field"),
    "column": ('op.alter_column("hero", "age", new_column_name="years")', "renaming-column"),
    "table": ('op.rename_table("team", "squad")', "renaming-table"),
    "column_that_goes": ('op.drop_column("hero", "age")', "ban-drop-column"),
    "table_that_goes": ('op.drop_table("team")', "ban-drop-table"),
    "wrong_option": ('op.execute("SELECT 3", postgresql_not_valid=True)', "broken-revision"),
    "misspelt": ('op.creat_index("ix_hero_age", "hero", ["age"])', "broken-revision"),
}
"""Statements on tables that are there, and the rule of Squawk that each breaks."""

MENDED = {
    "index": """\
    with op.get_context().autocommit_block():
        op.drop_index("ix_hero_age", "hero", postgresql_concurrently=True, if_exists=True)
        op.create_index("ix_hero_age", "hero", ["age"], postgresql_concurrently=True)
""",
    "required": """\
    op.add_column("hero", sa.Column("rank", sa.BigInteger(), server_default="0", nullable=False))
""",
    "volatile_default": """\
    op.add_column("hero", sa.Column("code", sa.Uuid(), nullable=True))
    op.alter_column("hero", "code", server_default=sa.text("gen_random_uuid()"))
""",
    "foreign_key": """\
    op.create_foreign_key("fk_team_id_hero", "team", "hero", ["id"], ["id"], postgresql_not_valid=True)
""",
    "foreign_key_validated": """\
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE team VALIDATE CONSTRAINT fk_team_id_hero")
""",
    "check": """\
    op.create_check_constraint("age", "hero", "age >= 0", postgresql_not_valid=True)
""",
    "check_as_text": """\
    op.execute("ALTER TABLE hero ADD CONSTRAINT ck_hero_older CHECK (age >= 1) NOT VALID")
""",
    "checks_validated": """\
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE hero VALIDATE CONSTRAINT ck_hero_age")
        op.execute("ALTER TABLE hero VALIDATE CONSTRAINT ck_hero_older")
""",
    "unique_index": """\
    with op.get_context().autocommit_block():
        op.create_index("uq_hero_name", "hero", ["name"], unique=True, postgresql_concurrently=True)
""",
    "unique": """\
    op.execute("ALTER TABLE hero ADD CONSTRAINT uq_hero_name UNIQUE USING INDEX uq_hero_name")
""",
    "not_null": """\
    op.create_check_constraint("age_is_known", "hero", "age IS NOT NULL", postgresql_not_valid=True)
""",
    "not_null_validated": """\
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE hero VALIDATE CONSTRAINT ck_hero_age_is_known")
    op.alter_column("hero", "age", nullable=False)
    op.drop_constraint(op.f("ck_hero_age_is_known"), "hero", type_="check")
""",
    "member_and_what_uses_it": """\
    op.execute("CREATE TYPE rank AS ENUM ('low')")
""",
    "member": """\
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE rank ADD VALUE IF NOT EXISTS 'high'")
    op.execute("ALTER TYPE rank RENAME TO ranks")
""",
    "new_table": """\
    op.create_table("villain", sa.Column("id", sa.BigInteger()), sa.Column("hero_id", sa.BigInteger()))
    op.create_index("ix_villain_hero_id", "villain", ["hero_id"])
    op.create_foreign_key("fk_villain_hero_id_hero", "villain", "hero", ["hero_id"], ["id"])
    op.create_check_constraint("id", "villain", "id > 0")
""",
    "end_of_it": """\
    op.drop_index("ix_hero_age", "hero")
    op.drop_column("hero", "code")  # squawk-ignore: ban-drop-column
    op.drop_table("villain")  # squawk-ignore: ban-drop-table
""",
}
"""What is harmless in one of the ways that are recommended."""


@pytest.fixture(scope="module")
def service(
    template: Template, environments: Environments, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with environments.borrow(f"asyncpg-{OWN_VERSION}") as environment:
        service = Service(template.render_to(tmp_path_factory.mktemp("lint") / "service", {}), environment)
        service.install()
        yield service


@pytest.fixture(autouse=True)
def no_others(service: Service) -> Iterator[None]:
    """Takes the revisions of a test away again."""
    versions = service.folder / VERSIONS
    before = {
        path: path.read_bytes() for path in (*versions.iterdir(), service.folder / "pyproject.toml") if path.is_file()
    }
    yield
    for path in versions.glob("*.py"):
        if path not in before:
            path.unlink()
    for path, content in before.items():
        path.write_bytes(content)


def add(service: Service, bodies: Mapping[str, str]) -> None:
    """Add a revision for each of these bodies of `upgrade`, one after the other."""
    previous = NEWEST
    for number, (name, body) in enumerate(bodies.items(), start=3):
        revision = f"{number:04}_{name}"
        text = service.folder.joinpath(VERSIONS, "0001_idempotency_keys.py").read_text(encoding="utf-8")
        start, end = text.index("    op.create_table"), text.index("\n\ndef downgrade")
        text = f"{text[:start]}{body}{text[end:]}".replace("= None", f'= "{previous}"', 1)
        service.folder.joinpath(VERSIONS, f"{revision}.py").write_text(
            text.replace('revision: str = "0001_idempotency_keys"', f'revision: str = "{revision}"'), encoding="utf-8"
        )
        previous = revision


def looked_at(service: Service, *names: str, expected: int = 0) -> str:
    return service.uv_run("poe", "--quiet", "migrations", *names, expected=expected).output


def found_in(output: str) -> list[tuple[str, str]]:
    """Where something was found, as file and line, and by which rule."""
    return re.findall(rf"^{VERSIONS}/(\S+:\d+): ([\w-]+): .+\n    \S", output, re.MULTILINE)


def test_what_hurts_is_told_with_its_line_and_what_to_write(service: Service) -> None:
    # Not the first statement, and in several lines.
    body = '    op.execute("SELECT 1")\n    {}\n    op.execute("SELECT 2")\n'
    add(
        service, {name: body.format(statement.replace("(", "(\n        ", 1)) for name, (statement, _) in HURTS.items()}
    )
    line = next(
        number
        for number, text in enumerate(service.folder.joinpath(VERSIONS, "0003_index.py").read_text().splitlines(), 1)
        if text.startswith("    op.create_index(")
    )
    assert found_in(looked_at(service, expected=1)) == [
        (f"{number:04}_{name}.py:{line}", rule) for number, (name, (_, rule)) in enumerate(HURTS.items(), start=3)
    ]
    # Or one of them alone.
    name = f"{VERSIONS}/0007_volatile_default.py"
    assert len(found_in(looked_at(service, name, expected=1))) == 1


def test_what_is_recommended_passes_and_can_be_run(service: Service) -> None:
    add(service, MENDED)
    assert looked_at(service) == ""
    with scratch_database() as database:
        service.uv_run("alembic", "upgrade", "head", env={"DATABASE_URL": database})


@pytest.mark.parametrize(
    ("before", "within", "after"),
    [
        (['op.add_column("hero", sa.Column("rank", sa.BigInteger()))'], ['op.execute("SELECT 1")'], []),
        ([], ['op.execute("CREATE INDEX CONCURRENTLY ix_hero_age ON hero (age)")'], ['op.execute("SELECT 1")']),
        ([], ['op.execute("ALTER TABLE hero RENAME age TO years")', 'op.execute("SELECT 1")'], []),
        (['op.drop_constraint("ck_hero_age", "hero")'], [], ['op.execute("SELECT 1")']),
        (['op.execute("alter table hero add column rank int")'], ['op.execute("SELECT 1")'], []),
    ],
    ids=[
        *("before", "within, and something after it", "within, and something else", "before, and something after it"),
        "in lower case",
    ],
)
def test_block_that_would_store_half_a_revision_is_found(
    service: Service, before: list[str], within: list[str], after: list[str]
) -> None:
    block = "    with op.get_context().autocommit_block():\n        " + "\n        ".join(within or ["pass"])
    lines = [*(f"    {each}" for each in before), block, *(f"    {each}" for each in after)]
    add(service, {"half": "\n".join(lines) + "  # squawk-ignore: renaming-column\n"})
    assert "unrepeatable-before-commit" in [rule for _, rule in found_in(looked_at(service, expected=1))]


def test_what_others_wait_for_is_told_beside_that(service: Service) -> None:
    statement, rule = HURTS["check"]
    block = '    with op.get_context().autocommit_block():\n        op.execute("SELECT 1")\n'
    add(service, {"both": f"    {statement}\n{block}"})
    found = [rule for _, rule in found_in(looked_at(service, expected=1))]
    assert sorted(found) == [rule, "unrepeatable-before-commit"]


def test_author_hears_of_it_when_the_revision_is_written(service: Service) -> None:
    with scratch_database() as database:
        told = {"DATABASE_URL": database}
        service.uv_run("alembic", "upgrade", "head", env=told)
        models = service.folder / "src/app/heroes/models.py"
        before = models.read_bytes()
        replace(models, "age: Mapped[int | None]", "age: Mapped[int | None] = mapped_column(index=True)")
        try:
            said = service.uv_run("poe", "--quiet", "revision", "look for ages", env=told).output
        finally:
            models.write_bytes(before)
    ((place, rule),) = found_in(said)
    assert "look_for_ages.py:" in place
    assert rule == "require-concurrent-index-creation"


def test_findings_can_be_accepted_one_by_one_or_up_to_a_revision(service: Service) -> None:
    hurting = {name: HURTS[name][0] for name in ("index", "column", "table")}
    comments = {
        "index": "  # squawk-ignore: require-concurrent-index-creation",
        "column": "  # squawk-ignore: renaming-table",
        "table": "  # squawk-ignore: changing-column-type, renaming-table - nobody reads it yet",
    }
    add(service, {name: f"    {statement}{comments[name]}\n" for name, statement in hurting.items()})
    ((place, rule),) = found_in(looked_at(service, expected=1))
    assert (place.partition(":")[0], rule) == ("0004_column.py", "renaming-column")

    project = service.folder / "pyproject.toml"
    replace(project, "[tool.alembic]\n", '[tool.alembic]\nlinted_after = "0003_index"\n')
    assert len(found_in(looked_at(service, expected=1))) == 1
    replace(project, "0003_index", "0004_column")
    assert looked_at(service) == ""
    replace(project, "0004_column", "0005_table")
    assert looked_at(service) == ""
    replace(project, "0005_table", "no_such")
    assert "linted_after in pyproject.toml names no revision" in looked_at(service, expected=1)


def test_rules_of_the_services_own_configuration_count(service: Service) -> None:
    add(service, {name: f"    {HURTS[name][0]}\n" for name in ("column", "table")})
    configuration = service.folder / ".squawk.toml"
    configuration.write_text('excluded_rules = ["renaming-table"]\n', encoding="utf-8")
    try:
        assert [rule for _, rule in found_in(looked_at(service, expected=1))] == ["renaming-column"]
    finally:
        configuration.unlink()


def test_what_needs_a_database_is_looked_at_as_far_as_it_goes(service: Service) -> None:
    statement, rule = HURTS["index"]
    read = '    count = op.get_bind().scalar(sa.text("SELECT count(*) FROM hero"))\n'
    add(service, {"reading": f'{read}    op.execute("SELECT 1")\n', "index": f"    {statement}\n{read}"})
    said = looked_at(service, expected=1)
    assert [each for _, each in found_in(said)] == [rule]
    assert re.findall(r"(\w+)\.py:\d+: not looked at from here on, as it needs a database: .+", said) == [
        "0004_index",
        "0003_reading",
    ]


def test_nothing_is_asked_of_a_platform_without_squawk(service: Service) -> None:
    code = "import shutil; shutil.which = lambda *_, **__: None; from devtools.migrations import main; main()"
    assert "no Squawk for this platform" in service.uv_run("python", "-c", code).output


def test_table_of_rules_has_what_squawk_knows(service: Service, tmp_path: Path) -> None:
    """A rule that Squawk calls by another name would never be found."""
    code = "from devtools.migrations import RULES; print(*RULES)"
    rules = service.uv_run("python", "-c", code).output.split()
    assert len(rules) > 10
    tmp_path.joinpath("harmless.sql").write_text("SELECT 1;\n", encoding="utf-8")
    service.run(service.program("squawk"), "--exclude", ",".join(rules), tmp_path / "harmless.sql")
