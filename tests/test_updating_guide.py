"""What ``docs/updating.md`` of a service tells its owner to type does what it says, and so does the job of its CI.

Every command of the guide is typed here, in services made from a clone of this repository that has two releases more.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import copier
import pytest
import yaml
from copier._cli import CopierApp
from plumbum import local

from tests.harness.commands import Result, run
from tests.harness.linters import check_schema
from tests.harness.questions import ROOT, Answers
from tests.harness.rendering import Template
from tests.harness.services import OWN_INTERPRETER, Environments, Service
from tests.harness.snapshot import A_PERSON, commit_everything, git

GUIDE = ROOT / "template" / "docs" / "updating.md"
ANSWERS_FILE = ".copier-answers.yml"

FIRST, SECOND, THIRD = "v0.1.0", "v0.2.0", "v0.3.0"
"""The working tree, and what comes after it; the guide names the second as its example."""

URL = "https://git.example.com/template.git"
TAG_IS_GONE_URL = "https://git.example.com/tag-is-gone.git"
"""Where templates could be. Git is told to look for them elsewhere, so nothing is asked of the network."""

UPDATE = "uvx copier update --defaults"
UNDO = ("git reset --hard", "git clean --force -d")
COMMIT = ("git add --all", 'git commit --message "Update from the template"')
BRING_BACK = (
    "git log --oneline -- .copier-answers.yml",
    "git restore --source=HEAD~1 .copier-answers.yml",
    'git commit --message "Bring the answers back" .copier-answers.yml',
)

FOLLOWED: dict[str, tuple[str, ...]] = {}
"""The names of the tests here that type commands of the guide, and which."""

Test = TypeVar("Test", bound=Callable[..., None])


# --- The guide and those who follow it ----------------------------------------------------------------------------


def commands_of(guide: str) -> list[str]:
    """Every line of a block of commands, and every command with options that stands in a sentence."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```$", "", guide, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return lines + re.findall(r"`((?:git|uvx?) [^`]* -[^`]*)`", prose)


def messages_in(guide: str) -> list[str]:
    """What the last table of the guide says that Copier prints."""
    table = guide.partition("## When something is wrong")[2].partition("### ")[0]
    cells = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][1:]
    return [quoted for cell in cells for _, quoted in re.findall(r"(?<!`)(`{1,2})(?!`)(.+?)\1(?!`)", cell)]


def follows(*lines: str) -> Callable[[Test], Test]:
    """Declare which commands of the guide a test types; the fixture ``owner`` holds it to that."""

    def declare(test: Test) -> Test:
        FOLLOWED[test.__name__] = lines
        return test

    return declare


@dataclass
class Owner:
    """Someone who types commands in a service.

    Attributes:
        service: The folder of the service.
        typed: What was typed so far.
        environment: Variables of their shell.
    """

    service: Path
    typed: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: dict(A_PERSON))

    def types(self, *lines: str) -> str:
        """Run commands, each of which must end well, and return what they printed."""
        return "".join(self._run(line) for line in lines)

    def _run(self, line: str) -> str:
        self.typed.append(line)
        if line.startswith("uvx copier "):
            return self._copier(shlex.split(line)[1:])
        return run("bash", "-c", line, cwd=self.service, env=self.environment).output

    def _copier(self, words: list[str]) -> str:
        exit_code, printed = self.starts_copier(words)
        assert exit_code == 0, printed
        return printed

    def starts_copier(self, words: list[str]) -> tuple[int, str]:
        """Run Copier's own command line in this process: another one would take seconds to compile the same snippets.

        Returns:
            How it ends, and what it prints, both streams together.
        """
        printed = io.StringIO()
        with ExitStack() as shell:
            # The one is for what Copier starts, the other for Copier itself.
            shell.enter_context(local.env(**self.environment))
            shell.enter_context(patch.dict(os.environ, self.environment))
            shell.enter_context(local.cwd(self.service))
            shell.enter_context(redirect_stdout(printed))
            shell.enter_context(redirect_stderr(printed))
            try:
                _, exit_code = CopierApp.run(words, exit=False)
            except Exception:
                # As the interpreter does with what nobody catches.
                traceback.print_exc()
                exit_code = 1
        return exit_code, printed.getvalue()

    def commits(self, message: str = "Work") -> None:
        """Commit everything, as after some work of one's own."""
        git(self.service, "add", "--all")
        git(self.service, "commit", "--quiet", "--no-verify", "--message", message)

    def edits(self, name: str, old: str, new: str) -> None:
        """Replace a text, which must be there, in a file."""
        replace(self.service / name, old, new)

    def reads(self, name: str) -> str:
        return self.service.joinpath(name).read_text(encoding="utf-8")

    @property
    def status(self) -> list[str]:
        return git(self.service, "status", "--short").splitlines()

    @property
    def answers(self) -> dict[str, Any]:
        answers = yaml.safe_load(self.reads(ANSWERS_FILE))
        assert isinstance(answers, dict)
        return answers


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file.name} has no {old!r} any more"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def contents(service: Path) -> dict[str, bytes]:
    """Every file of a service, ignored ones too, but not git's own."""
    paths = (path for path in service.rglob("*") if path.is_file())
    names = {path: path.relative_to(service) for path in paths}
    return {name.as_posix(): path.read_bytes() for path, name in names.items() if name.parts[0] != ".git"}


# --- Services and releases ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def releases(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with three releases: the working tree, one that changes much, and one that changes a line."""
    repository = tmp_path_factory.mktemp("releases") / "template"
    # What Copier reads, as it clones that for each update. A service's tests are half of it, and one is enough here.
    shutil.copytree(
        template.repository / "template",
        repository / "template",
        ignore=lambda _, names: [name for name in names if "test_" in name and name != "test_health.py"],
    )
    shutil.copy2(template.repository / "copier.yml", repository)
    git(repository.parent, "init", "--quiet", str(repository))
    commit_everything(repository, "The working tree", FIRST)

    files = repository / "template"
    replace(files / "Dockerfile.jinja", "-slim-trixie AS base", "-trixie AS base")
    replace(files / ".dockerignore", "\n", "\nnew-in-this-release/\n")
    files.joinpath("docs", "news.md").write_text("# News\n", encoding="utf-8")
    files.joinpath("compose.yaml.jinja").unlink()
    example = files / "src" / "app" / "{% if example %}heroes{% endif %}"
    replace(example / "models.py", '"""', '"""New in this release. ')
    example.joinpath("news.py").write_text('"""A module more."""\n', encoding="utf-8")
    commit_everything(repository, "Change much", SECOND)

    with files.joinpath("Dockerfile.jinja").open("a", encoding="utf-8") as dockerfile:
        dockerfile.write("LABEL release=third\n")
    commit_everything(repository, "Change a line", THIRD)
    return repository


@pytest.fixture(scope="module")
def begin(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Make a service of the first release, and the commit that Copier asks for."""
    made: dict[str, Path] = {}

    def begin(folder: Path, **answers: str | bool) -> None:
        key = repr(sorted(answers.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("service") / "made"
            chosen: Answers = dict(answers)
            copier.run_copy(str(releases), made[key], data=chosen, vcs_ref=FIRST, defaults=True, quiet=True)
            git(made[key], "init", "--quiet", "--initial-branch", "main")
            for name, value in {"user.name": "A person", "user.email": "person@example.com"}.items():
                git(made[key], "config", name, value)
            git(made[key], "add", "--all")
            git(made[key], "commit", "--quiet", "--message", "Start from the template")
        shutil.copytree(made[key], folder)

    return begin


@pytest.fixture
def owner(begin: Callable[..., None], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Owner]:
    """The owner of a service of the first release, who has to type what the test declares."""
    someone = Owner(tmp_path / "my-service")
    begin(someone.service)
    yield someone
    declared = FOLLOWED.get(request.function.__name__, ())
    assert set(declared) <= set(someone.typed), "the test does not type what it says that it does"


# --- Every command is typed ---------------------------------------------------------------------------------------


def test_every_command_of_the_guide_is_typed_by_a_test() -> None:
    assert set(commands_of(GUIDE.read_text(encoding="utf-8"))) == {
        line for lines in FOLLOWED.values() for line in lines
    }


def test_every_message_of_the_guide_is_provoked_by_a_test() -> None:
    messages = {message for mistake in MISTAKES.values() for message in mistake.messages}
    assert set(messages_in(GUIDE.read_text(encoding="utf-8"))) == messages


def test_links_lead_somewhere() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if path and not path.startswith("https:"):
            assert path == "../README.md"
            assert anchor == "find-your-way"
            assert "\n## Find your way\n" in (ROOT / "template" / "README.md.jinja").read_text(encoding="utf-8")
        elif not path:
            assert anchor in anchors, target


# --- Updates ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@follows(
    "git switch --create template-update",
    UPDATE,
    "git status --short",
    "git diff",
    "uv sync",
    "uv run poe check",
    "uv run pytest",
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
        # One test covers less than a service asks for.
        savings = {"MYPY_CACHE_DIR": str(environment / "mypy-cache"), "PYTEST_ADDOPTS": "--no-cov"}
        service = Service(owner.service, environment, OWN_INTERPRETER, variables=A_PERSON | savings)

        def types(line: str) -> str:
            owner.typed.append(line)
            return service.run("bash", "-c", line).output

        assert "latest version is 0.3.0" in types("uvx copier check-update")
        assert owner.status == []
        types("git switch --create template-update")
        types(UPDATE)
        assert types("git status --short").splitlines() == [
            *(f" M {name}" for name in (ANSWERS_FILE, ".dockerignore", "Dockerfile")),
            *(" D compose.yaml", "?? docs/news.md"),
        ]
        assert "+LABEL release=third" in types("git diff")
        for line in ("uv sync", "uv run poe check", "uv run pytest", *COMMIT):
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


def test_answers_edited_by_hand_switch_nothing(owner: Owner) -> None:
    """What the guide warns of."""
    owner.edits(ANSWERS_FILE, "pool: queue", "pool: 'null'")
    owner.commits()
    before = contents(owner.service)
    owner.types("uvx copier update --defaults --vcs-ref=:current:")
    assert contents(owner.service).keys() == before.keys()
    assert "DATABASE_MAX_CONNECTIONS" not in owner.reads(".env.example")


def test_pretending_names_the_release_and_no_file(owner: Owner) -> None:
    """Otherwise the guide could advise it."""
    printed = owner.types("uvx copier update --defaults --pretend")
    assert "0.3.0" in printed
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
    owner.types(f"{UPDATE} --vcs-ref v0.2.0")
    assert "UU Dockerfile" in owner.status
    marks = [
        line.strip() for line in re.findall(r"^    (?:<|=|>){7}.*$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    both = owner.reads("Dockerfile")
    assert [line for line in both.splitlines() if line in marks] == marks
    assert run_hook(owner, "no_conflict_markers.py") == 1

    owner.types("git checkout --theirs Dockerfile")
    assert "-trixie AS base" in owner.reads("Dockerfile")
    assert "-alpine" not in owner.reads("Dockerfile")
    owner.types("git checkout --merge Dockerfile")
    assert re.sub("ours|theirs", "", owner.reads("Dockerfile")) == re.sub("(before|after) updating", "", both)
    owner.types("git checkout --ours Dockerfile")
    assert owner.reads("Dockerfile") == mine

    owner.types("git add Dockerfile")
    assert git(owner.service, "ls-files", "--unmerged") == ""
    assert run_hook(owner, "no_conflict_markers.py") == 0


def run_hook(owner: Owner, name: str) -> int:
    """The exit code of a check that the guide speaks of."""
    return run(sys.executable, f"devtools/hooks/{name}", cwd=owner.service, expected=None).exit_code


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
    before = contents(owner.service)

    owner.types(f"{UPDATE} --data driver=asyncpg")
    assert "UU Dockerfile" in owner.status
    assert "?? app.db" in owner.status
    owner.types(*UNDO)
    assert contents(owner.service) == before
    assert owner.status == []


@follows("uvx copier update --defaults --vcs-ref v0.2.0", "git restore Dockerfile")
def test_change_that_was_taken_back_stays_out_of_later_updates(owner: Owner) -> None:
    before = owner.reads("Dockerfile")
    owner.types("uvx copier update --defaults --vcs-ref v0.2.0")
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
    owner.types(f"{exclude} --vcs-ref v0.2.0")
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


# --- Where the template is ----------------------------------------------------------------------------------------


def reachable(url: str, template: Path, cache: Path) -> dict[str, str]:
    """Variables by which git finds at a URL what is in a folder, and nothing at any other."""
    return {
        "GIT_ALLOW_PROTOCOL": "file",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{template}.insteadOf",
        "GIT_CONFIG_VALUE_0": url,
        "COPIER_CACHE_DIR": str(cache),
    }


def move(service: Path, destination: str) -> None:
    """Edit ``_src_path``, as the guide allows."""
    file = service / ANSWERS_FILE
    text = re.sub(r"(?m)^_src_path:.*$", f"_src_path: {destination}", file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")


@follows('git commit --message "The template has moved" .copier-answers.yml', UPDATE)
def test_template_that_has_moved_is_followed(owner: Owner, releases: Path, tmp_path: Path) -> None:
    owner.environment |= reachable(URL, releases, tmp_path / "cache")
    move(owner.service, URL)
    assert run_hook(owner, "answers_untouched.py") == 0
    owner.types('git commit --message "The template has moved" .copier-answers.yml', UPDATE)
    assert (owner.answers["_src_path"], owner.answers["_commit"]) == (URL, THIRD)
    assert owner.service.joinpath("docs", "news.md").exists()


# --- Mistakes -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mistake:
    """What can be wrong before an update, and what Copier says then.

    Attributes:
        make: Makes the mistake in a service.
        messages: What must be among what is printed.
        options: Further ones of ``copier update``.
        source: Where the template is instead, given the folder of one that has lost its first tag.
    """

    make: Callable[[Path], object]
    messages: tuple[str, ...]
    options: tuple[str, ...] = ()
    source: Callable[[Path], str] | None = None


def nothing(_: Path) -> None:
    """No mistake in the service itself."""


def edit_answers(pattern: str, replacement: str) -> Callable[[Path], object]:
    """Edit the answers by hand, and commit that."""

    def edit(service: Path) -> None:
        file = service / ANSWERS_FILE
        text = file.read_text(encoding="utf-8")
        edited = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        assert edited != text
        file.write_text(edited, encoding="utf-8")
        git(service, "commit", "--quiet", "--all", "--message", "Edit the answers")

    return edit


def lose_the_answers(service: Path) -> None:
    git(service, "rm", "--quiet", ANSWERS_FILE)
    git(service, "commit", "--quiet", "--message", "Lose the answers")


DIRTY = "Destination repository is dirty; cannot continue. Please commit or stash your local changes and retry."
SRC_PATH = r"^_src_path:.*$"
WRONG_PAIR = (r"^driver: .*\n((?:.*\n)*)pool: .*$", r"driver: aiosqlite\n\1pool: pgbouncer")

MISTAKES = {
    "a changed file": Mistake(lambda service: replace(service / "README.md", "#", "# Our"), (DIRTY,)),
    "a new file": Mistake(lambda service: service.joinpath("new.txt").write_text("", encoding="utf-8"), (DIRTY,)),
    "outside of git": Mistake(
        lambda service: shutil.rmtree(service / ".git"), ("Updating is only supported in git-tracked subprojects.",)
    ),
    "no release": Mistake(
        edit_answers(r"^_commit:.*\n", ""),
        (f"Cannot update because cannot obtain old template references from `{ANSWERS_FILE}`.",),
    ),
    "no source": Mistake(edit_answers(r"^_src_path:.*\n", ""), ("TypeError: Template not found",)),
    "no answers": Mistake(lose_the_answers, ("TypeError: Template not found",)),
    "answers that exclude each other": Mistake(edit_answers(*WRONG_PAIR), ("ValueError: Invalid choice for 'pool':",)),
    "path to nowhere": Mistake(
        edit_answers(SRC_PATH, "_src_path: /nowhere/template"), ("ValueError: Local template must be a directory.",)
    ),
    "URL to nowhere": Mistake(
        edit_answers(SRC_PATH, "_src_path: file:///nowhere/template.git"),
        ("Unexpected exit code: 128", "git ls-remote", "Stderr:"),
    ),
    "no such tag at a path": Mistake(nothing, ("ValueError: Unknown revision: 'v0.1.0'",), source=str),
    "no such tag at a URL": Mistake(nothing, ("fatal: invalid reference: v0.1.0",), source=lambda _: TAG_IS_GONE_URL),
    "backwards": Mistake(
        edit_answers("^_commit:.*$", f"_commit: {SECOND}"),
        ("Downgrades are not supported.",),
        options=("--vcs-ref", FIRST),
    ),
}


@pytest.fixture(scope="module")
def tag_is_gone(releases: Path) -> Path:
    """The template, without the release that services are made from."""
    clone = releases.with_name("tag-is-gone")
    git(releases.parent, "clone", "--quiet", str(releases), str(clone))
    git(clone, "tag", "--delete", FIRST)
    return clone


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_named_and_nothing_changes(
    mistake: Mistake, owner: Owner, tag_is_gone: Path, tmp_path: Path
) -> None:
    mistake.make(owner.service)
    if mistake.source is not None:
        move(owner.service, mistake.source(tag_is_gone))
        owner.commits()
    before, status = everything(owner.service)
    owner.environment |= reachable(TAG_IS_GONE_URL, tag_is_gone, tmp_path / "cache")
    exit_code, printed = owner.starts_copier(["copier", "update", "--defaults", *mistake.options])
    assert exit_code == 1
    for message in mistake.messages:
        assert message in printed
    assert len(re.findall(r"^\S*Error\b|^\S*Traceback", printed, re.MULTILINE)) in {0, 2}, "more than one message"
    assert everything(owner.service) == (before, status)


def everything(service: Path) -> tuple[dict[str, bytes], str]:
    """What is in a service, and what git says about it if there is git."""
    if not service.joinpath(".git").exists():
        return contents(service), ""
    return contents(service), git(service, "status", "--porcelain", "--branch") + git(service, "rev-parse", "HEAD")


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
    assert run_hook(owner, "answers_untouched.py") == 1
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


# --- The job that tells of new releases ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """The scheduled job of a CI.

    Attributes:
        file: Where it is defined.
        shell: What the CI runs its script with.
        script: Finds the script in what the file holds.
    """

    file: str
    shell: tuple[str, ...]
    script: Callable[[Any], str]


JOBS = {
    "github": Job(
        ".github/workflows/template-update.yml",
        ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"),
        lambda workflow: workflow["jobs"]["template-update"]["steps"][-1]["run"],
    ),
    # Without bash in the image it is whatever sh is.
    "gitlab": Job(
        ".gitlab-ci.yml", ("sh", "-e", "-c"), lambda pipeline: "\n".join(pipeline["template-update"]["script"])
    ),
}


@dataclass(frozen=True)
class Situation:
    """Where a service and its template are, and what is to come of the job.

    Attributes:
        source: The ``_src_path`` of the service, or ``None`` for the path of the template.
        release: The release that the service is at.
        exit_code: That of the job.
        said: What the job tells, in its log and where the CI shows it.
    """

    source: str | None
    release: str
    exit_code: int
    said: str


SITUATIONS = {
    "a newer release": Situation(URL, FIRST, 1, "a newer release, 0.3.0: docs/updating.md"),
    "the same release": Situation(URL, THIRD, 0, "is at the newest release"),
    "in quotes": Situation(f'"{URL}"', THIRD, 0, "is at the newest release"),
    "a path": Situation(None, FIRST, 0, "which is no URL"),
    "a path as a URL": Situation("file:///home/me/template", FIRST, 0, "which is no URL"),
    "out of reach": Situation("https://nowhere.example.com/x.git", FIRST, 1, "not possible to ask https://nowhere"),
}


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_job_fails_for_a_newer_release_and_if_it_cannot_tell(
    situation: Situation, begin: Callable[..., None], releases: Path, tmp_path: Path
) -> None:
    service, summary = tmp_path / "my-service", tmp_path / "summary.md"
    begin(service)
    replace(service / ANSWERS_FILE, f"_commit: {FIRST}", f"_commit: {situation.release}")
    move(service, situation.source or str(releases))
    environment = ask_git_only(releases, tmp_path) | {"GITHUB_STEP_SUMMARY": str(summary)}
    found = run_job(service, JOBS["github"], environment)
    assert found.exit_code == situation.exit_code, found.output
    assert situation.said in found.output
    assert situation.said in summary.read_text(encoding="utf-8")


def test_jobs_of_all_ci_do_the_same(
    template: Template, begin: Callable[..., None], releases: Path, tmp_path: Path
) -> None:
    """They differ in how they tell, which comes first."""
    scripts = [job.script(definition(template.render({"ci": ci}), job)).strip() for ci, job in JOBS.items()]
    assert len({script.partition("\n")[2] for script in scripts}) == 1

    service = tmp_path / "my-service"
    begin(service, ci="gitlab")
    move(service, URL)
    found = run_job(service, JOBS["gitlab"], ask_git_only(releases, tmp_path))
    assert found.exit_code == 1, found.output
    assert SITUATIONS["a newer release"].said in found.output


def test_job_does_not_take_a_failure_of_uv_for_a_newer_release(begin: Callable[..., None], tmp_path: Path) -> None:
    """2 is how uv ends where it cannot get Copier, and how Copier does that is to be quiet, for a newer release."""
    service = tmp_path / "my-service"
    begin(service, ci="gitlab")
    move(service, URL)
    found = run_job(service, JOBS["gitlab"], {"PATH": f"{fake_uvx(tmp_path, 'exit 2')}:{os.environ['PATH']}"})
    assert found.exit_code == 1
    assert "not possible to ask" in found.output
    assert "newer release," not in found.output


def definition(service: Path, job: Job) -> Any:
    """What the file of a job holds."""
    return yaml.safe_load(service.joinpath(job.file).read_text(encoding="utf-8"))


def run_job(service: Path, job: Job, environment: dict[str, str]) -> Result:
    script = job.script(definition(service, job))
    return run(*job.shell, script, cwd=service, env=environment, expected=None)


def ask_git_only(releases: Path, folder: Path) -> dict[str, str]:
    """An environment in which Copier starts quickly and nothing goes over the network."""
    uvx = fake_uvx(folder, f'exec {shlex.quote(sys.executable)} -m "$@"')
    return {"PATH": f"{uvx}:{os.environ['PATH']}"} | reachable(URL, releases, folder / "cache")


def fake_uvx(folder: Path, script: str) -> Path:
    """A folder for PATH, with a uvx that does what the script says."""
    uvx = folder / "bin" / "uvx"
    uvx.parent.mkdir()
    uvx.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    uvx.chmod(0o755)
    return uvx.parent


def test_job_runs_on_a_schedule_and_may_only_read(template: Template) -> None:
    github, gitlab = (template.render({"ci": ci}) for ci in JOBS)
    check_schema("vendor.github-workflows", [github / JOBS["github"].file])
    workflow = definition(github, JOBS["github"])
    # YAML takes a bare `on` for a boolean.
    assert workflow[True].keys() == {"schedule", "workflow_dispatch"}
    assert workflow["permissions"] == {"contents": "read"}
    rules = definition(gitlab, JOBS["gitlab"])["template-update"]["rules"]
    assert rules == [{"if": '$CI_PIPELINE_SOURCE == "schedule"'}]


def test_guide_is_the_same_for_every_service(template: Template) -> None:
    """So that it never has a trace of what was not chosen, nor a line that an update of the answers would change."""
    assert template.render({}).joinpath("docs", "updating.md").read_bytes() == GUIDE.read_bytes()
