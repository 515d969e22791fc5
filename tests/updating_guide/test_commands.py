"""Every command of the guide does what the guide says of it."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.rendering.snapshot import A_PERSON, git
from tests.harness.running.services import OWN_INTERPRETER, Environments, Service
from tests.harness.updating.updates import tree
from tests.updating_guide.owner import ANSWERS_FILE, GUIDE, WRONG_PAIR, Owner, edit_answers, follows
from tests.updating_guide.sources import FIRST, SECOND, THIRD, URL, move, reachable

UPDATE = "uvx copier update --defaults"
UNDO = ("git reset --hard", "git clean --force -d")
COMMIT = ("git add --all", 'git commit --message "Update from the template"')
BRING_BACK = (
    "git log --oneline -- .copier-answers.yml",
    "git restore --source=HEAD~1 .copier-answers.yml",
    'git commit --message "Bring the answers back" .copier-answers.yml',
)


@pytest.mark.slow
@follows(
    "git switch --create template-update",
    UPDATE,
    "git status --short",
    "git diff",
    "uv sync",
    "uv run poe check",
    "uv run pytest",
    "uv run poe test-kit",
    *COMMIT,
    "uvx copier check-update",
    "uv run poe switch-guard pool=null",
)
def test_update_with_nothing_substituted(
    begin: Callable[..., None], environments: Environments, tmp_path: Path, owner: Owner
) -> None:
    """The real uvx and uv, on the service that has the least to install and to check."""
    owner.service = tmp_path / "small-service"
    begin(owner.service, driver="aiosqlite", data_access="direct", example=False)
    name = f"aiosqlite-{sys.version_info.major}.{sys.version_info.minor}"
    with environments.borrow(name) as environment:
        service = Service(owner.service, environment, OWN_INTERPRETER, variables=A_PERSON)

        def types(line: str, **variables: str) -> str:
            owner.typed.append(line)
            return service.run("bash", "-c", line, env=variables).output

        assert "latest version is 1.2.0" in types("uvx copier check-update")
        assert owner.status == []
        types("git switch --create template-update")
        types(UPDATE)
        assert types("git status --short").splitlines() == [
            *(f" M {name}" for name in (ANSWERS_FILE, ".dockerignore", "Dockerfile")),
            *(" D compose.yaml", "?? docs/news.md"),
        ]
        assert "+LABEL release=third" in types("git diff")
        types("uv sync")
        with environments.mypy_cache() as cache:
            types("uv run poe check", MYPY_CACHE_DIR=str(cache))
        for line in ("uv run pytest", "uv run poe test-kit", *COMMIT):
            types(line)
        assert owner.status == []
        assert git(owner.service, "log", "-1", "--format=%D %s").strip() == (
            "HEAD -> template-update Update from the template"
        )
        assert "None of your edits is at stake" in types("uv run poe switch-guard pool=null")


@follows("uvx copier update --defaults --vcs-ref=:current: --data pool=null")
def test_switch_changes_nothing_else(owner: Owner) -> None:
    owner.types("uvx copier update --defaults --vcs-ref=:current: --data pool=null")
    assert (owner.answers["pool"], owner.answers["_commit"]) == ("null", FIRST)
    assert "DATABASE_MAX_CONNECTIONS" in owner.reads(".env.example")
    assert not owner.service.joinpath("docs", "news.md").exists()


@follows("uvx copier update --defaults --vcs-ref=:current: --data dependency_bot=renovate")
def test_bot_is_set_up_later_and_nothing_else_with_it(owner: Owner) -> None:
    before = tree(owner.service)
    owner.types("uvx copier update --defaults --vcs-ref=:current: --data dependency_bot=renovate")
    assert tree(owner.service).keys() - before.keys() == {"renovate.json"}
    assert owner.status == [f" M {ANSWERS_FILE}", " M README.md", "?? renovate.json"]


def test_answers_edited_by_hand_switch_nothing(owner: Owner) -> None:
    """What the guide warns of."""
    owner.edits(ANSWERS_FILE, "pool: queue", "pool: 'null'")
    owner.commits()
    before = tree(owner.service)
    owner.types("uvx copier update --defaults --vcs-ref=:current:")
    assert tree(owner.service).keys() == before.keys()
    assert "DATABASE_MAX_CONNECTIONS" not in owner.reads(".env.example")


def test_pretending_names_the_release_and_no_file(owner: Owner) -> None:
    """Otherwise the guide could advise it."""
    printed = owner.types("uvx copier update --defaults --pretend")
    assert "1.2.0" in printed
    assert "Dockerfile" not in printed
    assert owner.status == []


# --- Conflicts, undoing, leaving out ------------------------------------------------------------------------------


@follows(
    "git add Dockerfile",
    "git checkout --ours Dockerfile",
    "git checkout --theirs Dockerfile",
    "git checkout --merge Dockerfile",
)
def test_conflict_shows_both_sides_and_either_can_be_taken(owner: Owner) -> None:
    owner.edits("Dockerfile", "-slim-trixie AS base", "-alpine AS base")
    owner.commits()
    mine = owner.reads("Dockerfile")
    owner.types(f"{UPDATE} --vcs-ref v1.1.0")
    assert "UU Dockerfile" in owner.status
    marks = [
        line.strip() for line in re.findall(r"^    (?:<|=|>){7}.*$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    both = owner.reads("Dockerfile")
    assert [line for line in both.splitlines() if line in marks] == marks
    assert owner.runs_hook("no_conflict_markers.py") == 1

    owner.types("git checkout --theirs Dockerfile")
    assert "-trixie AS base" in owner.reads("Dockerfile")
    assert "-alpine" not in owner.reads("Dockerfile")
    owner.types("git checkout --merge Dockerfile")
    assert re.sub("ours|theirs", "", owner.reads("Dockerfile")) == re.sub("(before|after) updating", "", both)
    owner.types("git checkout --ours Dockerfile")
    assert owner.reads("Dockerfile") == mine

    owner.types("git add Dockerfile")
    assert git(owner.service, "ls-files", "--unmerged") == ""
    assert owner.runs_hook("no_conflict_markers.py") == 0


@follows(*UNDO)
def test_undoing_brings_every_byte_back_and_keeps_what_git_ignores(begin: Callable[..., None], owner: Owner) -> None:
    """Even a database that the updated ``.gitignore`` does not know: a switch of the driver has its own."""
    owner.service = owner.service.with_name("with-database")
    begin(owner.service, driver="aiosqlite")
    owner.edits("Dockerfile", "-slim-trixie AS base", "-alpine AS base")
    owner.commits()
    for name in (".env", "app.db", ".venv/bin/python"):
        owner.service.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        owner.service.joinpath(name).write_text("precious", encoding="utf-8")
    before = tree(owner.service)

    owner.types(f"{UPDATE} --data driver=asyncpg")
    assert "UU Dockerfile" in owner.status
    assert "?? app.db" in owner.status
    owner.types(*UNDO)
    assert tree(owner.service) == before
    assert owner.status == []


@follows("uvx copier update --defaults --vcs-ref v1.1.0", "git restore Dockerfile")
def test_change_that_was_taken_back_stays_out_of_later_updates(owner: Owner) -> None:
    before = owner.reads("Dockerfile")
    owner.types("uvx copier update --defaults --vcs-ref v1.1.0")
    assert owner.answers["_commit"] == SECOND
    assert owner.service.joinpath("docs", "news.md").exists()
    owner.types("git restore Dockerfile")
    owner.commits()
    owner.types(UPDATE)
    assert owner.reads("Dockerfile") == f"{before}LABEL release=third\n"
    assert git(owner.service, "ls-files", "--unmerged") == ""


@follows("uvx copier update --defaults --exclude /Dockerfile")
def test_excluded_file_is_left_alone_each_time_that_it_is_excluded(owner: Owner) -> None:
    owner.edits("Dockerfile", "-slim-trixie AS base", "-alpine AS base")
    owner.commits()
    mine = owner.reads("Dockerfile")
    exclude = "uvx copier update --defaults --exclude /Dockerfile"
    owner.types(f"{exclude} --vcs-ref v1.1.0")
    assert owner.reads("Dockerfile") == mine
    owner.commits()
    owner.types(exclude)
    assert owner.reads("Dockerfile") == mine
    assert owner.answers["_commit"] == THIRD


def test_deleted_files_stay_deleted_and_files_of_ones_own_stay(owner: Owner) -> None:
    """And what the guide warns of: new files in a deleted folder arrive, edits in a file that is given up go."""
    shutil.rmtree(owner.service / "src" / "app" / "heroes")
    owner.service.joinpath(".dockerignore").unlink()
    own = owner.service / "src" / "app" / "invoices" / "models.py"
    own.parent.mkdir()
    own.write_text('"""Mine."""\n', encoding="utf-8")
    owner.edits("compose.yaml", "services:", "# Mine.\nservices:")
    owner.commits()
    owner.types(UPDATE)
    assert [path.name for path in owner.service.glob("src/app/heroes/*")] == ["news.py"]
    assert not owner.service.joinpath(".dockerignore").exists()
    assert own.read_text(encoding="utf-8") == '"""Mine."""\n'
    assert " D compose.yaml" in owner.status


@follows('git commit --message "The template has moved" .copier-answers.yml', UPDATE)
def test_template_that_has_moved_is_followed(owner: Owner, releases: Path, tmp_path: Path) -> None:
    owner.environment |= reachable(URL, releases, tmp_path / "cache")
    move(owner.service, URL)
    assert owner.runs_hook("answers_untouched.py") == 0
    owner.types('git commit --message "The template has moved" .copier-answers.yml', UPDATE)
    assert (owner.answers["_src_path"], owner.answers["_commit"]) == (URL, THIRD)
    assert owner.service.joinpath("docs", "news.md").exists()


@follows("git stash --include-untracked")
def test_stash_makes_way_for_an_update(owner: Owner) -> None:
    owner.edits("README.md", "## Licence", "## Our licence")
    owner.service.joinpath("new.txt").write_text("new", encoding="utf-8")
    owner.types("git stash --include-untracked")
    assert owner.status == []
    git(owner.service, "stash", "pop")
    assert owner.status == [" M README.md", "?? new.txt"]


@follows(*BRING_BACK)
def test_answers_are_brought_back(owner: Owner) -> None:
    before = owner.reads(ANSWERS_FILE)
    edit_answers(*WRONG_PAIR)(owner.service)
    assert owner.runs_hook("answers_untouched.py") == 1
    assert len(owner.types(BRING_BACK[0]).splitlines()) == 2
    owner.types(*BRING_BACK[1:])
    assert owner.reads(ANSWERS_FILE) == before
    assert owner.status == []


@follows("uvx copier recopy --defaults --overwrite")
def test_starting_anew_makes_updates_possible_again(owner: Owner) -> None:
    owner.edits("Dockerfile", "-slim-trixie AS base", "-alpine AS base")
    edit_answers(r"^_commit:.*\n", "")(owner.service)
    owner.types("uvx copier recopy --defaults --overwrite")
    assert "-alpine" not in owner.reads("Dockerfile")
    assert owner.service.joinpath("docs", "news.md").exists()
    owner.types("git restore Dockerfile")
    owner.commits()

    assert f"Keeping template version {THIRD.removeprefix('v')}" in owner.types(UPDATE)
    assert owner.status == []
    assert "-alpine" in owner.reads("Dockerfile")
