"""What a team has made of its service in the first months stays as it is, and goes on working, when it is updated."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.harness.rendering.combinations import Combination
from tests.harness.rendering.releases import starting_points
from tests.harness.rendering.snapshot import TAG, commit
from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.servers import server_url
from tests.harness.running.services import Environments, Service
from tests.harness.updating.copier_cli import run_copier
from tests.harness.updating.first_months import delete_folders_of_example, work_for_months
from tests.harness.updating.next_releases import NEXT_TAGS, with_next_releases
from tests.harness.updating.updates import Tree, assert_updated, begin_service, tree

TEAMS = [
    pytest.param(Combination("asyncpg", "queue", "repository", example=True), True, id="example-kept"),
    pytest.param(Combination("psycopg", "pgbouncer", "direct", example=True), False, id="example-deleted"),
    pytest.param(Combination("aiosqlite", "null", "repository", example=False), True, id="no-example"),
]
"""Services, and whether their owners keep the example."""


@pytest.mark.parametrize(("combination", "keep_example"), TEAMS)
@pytest.mark.updates
def test_work_on_any_release_is_what_it_would_be_on_a_new_service(
    combination: Combination, keep_example: bool, template: Template, tmp_path: Path
) -> None:
    expected = _expected(template, tmp_path, combination, TAG, keep_example=keep_example)
    for tag in starting_points():
        service = _worked_on(template, tmp_path / tag, combination, tag, keep_example=keep_example)
        template.update(service)
        if not keep_example:
            delete_folders_of_example(service)
        assert_updated(service, expected)


@pytest.mark.parametrize(("combination", "keep_example"), TEAMS)
@pytest.mark.updates
def test_releases_that_change_the_same_files_merge_one_after_the_other(
    combination: Combination, keep_example: bool, template: Template, tmp_path: Path
) -> None:
    future = with_next_releases(template, tmp_path)
    service = _worked_on(future, tmp_path / "service", combination, TAG, keep_example=keep_example)
    for tag in NEXT_TAGS:
        future.update(service, tag)
        assert_updated(service, _expected(future, tmp_path, combination, tag, keep_example=keep_example))
        commit(service, f"Update to {tag}")


@pytest.mark.parametrize(("combination", "keep_example"), TEAMS)
@pytest.mark.updates
@pytest.mark.slow
def test_suite_of_a_service_with_work_in_it_passes_after_the_update(
    combination: Combination, keep_example: bool, template: Template, environments: Environments, tmp_path: Path
) -> None:
    future = with_next_releases(template, tmp_path)
    folder = _worked_on(future, tmp_path / "service", combination, starting_points()[0], keep_example=keep_example)
    future.update(folder, NEXT_TAGS[-1])
    if not keep_example:
        delete_folders_of_example(folder)
    with environments.borrow(f"{combination.driver}-{OWN_VERSION}") as environment:
        service = Service(folder, environment)
        service.install()
        service.uv_run("ruff", "check")
        with environments.mypy_cache() as cache:
            service.uv_run("mypy", "--cache-dir", str(cache))
        own_server = {"TEST_DATABASE_URL": server_url()} if combination.uses_postgres else {}
        service.uv_run("pytest", env=own_server)


@pytest.mark.updates
def test_new_files_of_an_example_that_was_deleted_come_once(template: Template, tmp_path: Path) -> None:
    """To a service that did not tell of it: they are deleted once, as docs/updating.md says, and stay away."""
    future = with_next_releases(template, tmp_path)
    combination = Combination("asyncpg", "null", "direct", example=True)
    service = _worked_on(future, tmp_path / "service", combination, starting_points()[0], keep_example=False)
    future.update(service, TAG)
    delete_folders_of_example(service)
    commit(service, "Update without what is new of the example")
    future.update(service, NEXT_TAGS[-1])
    assert_updated(service, _expected(future, tmp_path, combination, NEXT_TAGS[-1], keep_example=False))


@pytest.mark.updates
def test_what_a_bot_has_raised_stays_in_releases_to_come(template: Template, tmp_path: Path) -> None:
    future = with_next_releases(template, tmp_path)
    combination = Combination("psycopg", "pgbouncer", "direct", example=True)
    for bot in ("dependabot", "renovate"):
        answers = combination.answers | {"dependency_bot": bot}
        service = begin_service(future, tmp_path / bot, answers, TAG)
        _raise_all(service, bot)
        commit(service, "What the bot has raised")
        for tag in NEXT_TAGS:
            future.update(service, tag)
            expected = future.render_to(tmp_path / f"{bot}-{tag}", answers, tag)
            _raise_all(expected, bot)
            assert_updated(service, tree(expected))
            commit(service, f"Update to {tag}")


@pytest.mark.parametrize("combination", [team.values[0] for team in TEAMS[:2]], ids=str)
@pytest.mark.updates
def test_example_goes_as_the_readme_says_and_nothing_of_the_owners_with_it(
    combination: Combination, template: Template, tmp_path: Path
) -> None:
    """With the command that tells later updates of it, and these bring no part of it, old or new."""
    future = with_next_releases(template, tmp_path)
    began = starting_points()[0]
    service = _worked_on(future, tmp_path / "service", combination, began, keep_example=False)
    (line,) = re.findall(
        r"^uvx (copier update .*example=false.*)$", service.joinpath("README.md").read_text("utf-8"), re.MULTILINE
    )
    ended = run_copier(shlex.split(line)[1:], service)
    assert ended.exit_code == 0, ended.output
    blank = Combination(combination.driver, combination.pool, combination.data_access, example=False)
    for tag in dict.fromkeys((began, TAG, NEXT_TAGS[-1])):
        if tag != began:
            commit(service, "Update without the example")
            future.update(service, tag)
        assert_updated(service, _expected(future, tmp_path, blank, tag, keep_example=True))


def _raise_all(service: Path, bot: str) -> None:
    """What a bot makes of a service in time: newer actions, and newer images or their digests."""
    image = r"\1@sha256:" + "2" * 64 if bot == "renovate" else r"\1.99"
    names = r"(FROM \w+:\S+|--from=\S+:\S+|image: \S+:\S+)"
    for files, pattern, new in (
        (".github/workflows/*.yml", r"@[0-9a-f]{40} # v\S+", f"@{'2' * 40} # v99.0.0"),
        ("Dockerfile", names, image),
        ("compose.yaml", names, image),
    ):
        for file in service.glob(files):
            text, found = re.subn(pattern, new, file.read_text(encoding="utf-8"))
            assert found, f"{file.name} has nothing to raise"
            file.write_text(text, encoding="utf-8")


def _worked_on(template: Template, folder: Path, combination: Combination, tag: str, *, keep_example: bool) -> Path:
    service = begin_service(template, folder, combination.answers, tag)
    work_for_months(service, keep_example=keep_example)
    commit(service, "The first months")
    return service


def _expected(template: Template, folder: Path, combination: Combination, tag: str, *, keep_example: bool) -> Tree:
    """The same work on a service that is made of the release at hand."""
    new = template.render_to(folder / f"new-{tag}", combination.answers, tag)
    work_for_months(new, keep_example=keep_example)
    return tree(new)
