"""The schema: the revision that it is at, what differs from the models, and foreign keys without an index."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Column, String, text

from app.kit.database.search import add_search
from app.kit.database.sessions import open_database
from app.kit.settings import KitSettings
from devtools.doctor.check import Service
from kit_tests.support.doctor import about, assert_well, diagnosis, problem, service_of
from kit_tests.support.letters import with_letters
from kit_tests.support.migrations import add_migration, copy_migrations, state
from kit_tests.support.server import TestServer
from kit_tests.support.settings import settings_for
from kit_tests.support.suite import MakeSettings, Suite


async def run(settings: KitSettings, *statements: str) -> None:
    async with open_database(settings) as database:
        for statement in statements:
            await database.execute(text(statement))


async def test_database_at_the_newest_revision_is_well(make_settings: MakeSettings) -> None:
    assert "0001_items" in await assert_well(make_settings(), "revisions")


async def test_database_that_was_not_migrated_is_a_problem(server: TestServer) -> None:
    async with server.database() as name:
        settings = settings_for(server.url(name))
        await run(settings, "CREATE TABLE other (id int)")
        said = await problem(settings, "revisions")
    assert "is at revision none, and has yet to run 0001_items" in said
    assert "poe migrate" in said


async def test_revision_that_is_yet_to_run_is_a_problem(
    make_settings: MakeSettings, suite: Suite, tmp_path: Path
) -> None:
    copy = copy_migrations(suite, tmp_path)
    add_migration(copy, "pass")
    service = replace(service_of(make_settings()), versions=copy.versions)
    said = await problem(service, "revisions")
    assert "is at revision 0001_items, and has yet to run added" in said
    (copy.versions / "another.py").write_text('revision, down_revision = "another", "0001_items"\n')
    assert "There are 2 newest revisions" in await problem(service, "revisions")


async def test_revision_that_the_code_does_not_have_is_a_problem(make_settings: MakeSettings) -> None:
    settings = make_settings()
    await run(settings, "UPDATE alembic_version SET version_num = '4711'")
    assert "that this code does not have: 4711" in await problem(settings, "revisions")


def with_table(settings: KitSettings, suite: Suite, *parts: object) -> Service:
    metadata = with_letters(suite, *parts).metadata
    assert metadata is not None
    return service_of(settings, metadata=metadata)


async def test_schema_that_is_what_the_models_say_is_well(make_settings: MakeSettings) -> None:
    await assert_well(make_settings(), "drift")


async def test_table_that_is_searched_is_well(make_settings: MakeSettings, suite: Suite) -> None:
    settings = make_settings()
    models = with_table(settings, suite, Column("title", String))
    letters = models.metadata.tables["letter"]
    add_search(letters, "title")
    async with open_database(settings) as database, database.engines.write.begin() as connection:
        await connection.run_sync(letters.create)
    await assert_well(models, "drift")


async def test_each_difference_is_named_and_nothing_changed(make_settings: MakeSettings, suite: Suite) -> None:
    settings = make_settings()
    await run(
        settings,
        "CREATE TABLE letter (id integer NOT NULL PRIMARY KEY, title varchar DEFAULT 'none', old integer)",
        "CREATE INDEX ix_letter_old ON letter (old)",
        "CREATE TABLE unknown (id integer)",
    )
    url = settings.database_url.render_as_string(hide_password=False)
    before = await state(url)
    models = with_table(settings, suite, Column("title", String, server_default=text("'empty'")), Column("new", String))
    said = await problem(models, "drift")
    for difference in (
        "- remove table unknown",
        "- remove index ix_letter_old",
        "- add column letter.new",
        "- remove column letter.old",
        "- default title of letter: the models have 'empty'",
    ):
        assert difference in said
    assert await state(url) == before


async def test_drift_is_not_looked_for_before_the_migration(server: TestServer) -> None:
    async with server.database() as name:
        settings = settings_for(server.url(name))
        await run(settings, "CREATE TABLE other (id int)")
        assert (await diagnosis(settings, "drift")).id == "revisions"


async def test_foreign_key_without_an_index_is_a_problem(make_settings: MakeSettings) -> None:
    settings = make_settings()
    items = about(settings, "item")
    assert "item (parent_id)" in await problem(items, "foreign-keys")
    await run(settings, "CREATE INDEX of_some ON item (parent_id) WHERE parent_id > 0")
    await run(settings, "CREATE INDEX the_other_way ON item (name, parent_id)")
    assert "item (parent_id)" in await problem(items, "foreign-keys")
    await run(settings, "CREATE INDEX of_all ON item (parent_id, name)")
    await assert_well(items, "foreign-keys")


async def test_key_of_several_columns_has_an_index_in_any_order(make_settings: MakeSettings) -> None:
    settings = make_settings()
    pair = "FOREIGN KEY (one, two) REFERENCES pair (one, two)"
    await run(
        settings,
        "CREATE TABLE pair (one integer, two integer, PRIMARY KEY (one, two))",
        f"CREATE TABLE letter (id integer PRIMARY KEY, one integer, two integer, three integer, {pair})",
    )
    letters = about(settings, "letter")
    await run(settings, "CREATE INDEX too_short ON letter (one)")
    assert "letter (one, two)" in await problem(letters, "foreign-keys")
    await run(settings, "CREATE UNIQUE INDEX enough ON letter (two, one, three)")
    await assert_well(letters, "foreign-keys")
