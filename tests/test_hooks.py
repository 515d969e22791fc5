"""A service's hooks name what an update left to settle, hand edits of the answers, and edits that a switch costs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import copier
import pytest
import yaml

from tests.harness.rendering.questions import ROOT, Answers
from tests.harness.rendering.releases import history
from tests.harness.rendering.snapshot import A_PERSON, TAG, commit_everything, git
from tests.harness.rendering.template import Template
from tests.harness.running.commands import run
from tests.harness.running.linters import check_schema
from tests.harness.running.services import OWN_INTERPRETER
from tests.harness.updating.copier_cli import run_copier
from tests.harness.updating.updates import begin, replace
from tests.test_text_answers import NASTY, UPDATED

HOOKS = ROOT / "template" / "devtools" / "hooks"
_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
IDS = ("no-conflict-markers", "answers-untouched", "switch-guard")
ANSWERS = ".copier-answers.yml"
NEXT_TAG = "v10000"

CHANGES = "src/app/kit/database/pool.py"
"""Another file takes its name with `pool=null`."""


@pytest.fixture(scope="module")
def shared_service(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service in which nothing may change."""
    return begin(template.render_to(tmp_path_factory.mktemp("shared") / "service", {}))


@pytest.fixture
def service(shared_service: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shared_service, tmp_path / "service")


def edit(folder: Path, *names: str, line: str = "# mine") -> None:
    """Add a line to files, which may be new, and commit them."""
    for name in names:
        folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        with folder.joinpath(name).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    commit_everything(folder, "Edit", "edited")


def update(folder: Path, data: Answers | None = None, **options: str) -> None:
    copier.run_update(folder, data=dict(data or {}), defaults=True, overwrite=True, quiet=True, **options)  # type: ignore[arg-type]


def _load(name: str) -> ModuleType:
    specification = spec_from_file_location(f"hooks_{name}", HOOKS / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = sys.modules[specification.name] = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


MODULES = {hook_id: _load(hook_id.replace("-", "_")) for hook_id in IDS}


class Hooks:
    """The hooks in this process; that they start as scripts is for the tests with pre-commit to show."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, hook_id: str, *arguments: str, cwd: Path, expected: int = 0) -> str:
        """Run a hook and return what it printed, the complaints first."""
        self._monkeypatch.chdir(cwd)
        self._capsys.readouterr()
        try:
            code = MODULES[hook_id].main(arguments)
        except SystemExit as exit_of_argparse:
            code = exit_of_argparse.code
        printed = self._capsys.readouterr()
        output = printed.err + printed.out
        assert code == expected, output
        return output


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hooks:
    return Hooks(monkeypatch, capsys)


# --- What a merge left -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def edited_like_the_release(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service, and the next release changes a line that its owner has changed."""
    folder = tmp_path_factory.mktemp("conflict")
    repository, service = folder / "template", template.render_to(folder / "service", {})
    git(folder, "clone", "--quiet", str(template.repository), str(repository))
    replace(repository / "template" / ".dockerignore", "!LICENSE", "!COPYING")
    commit_everything(repository, "Call it otherwise", NEXT_TAG)
    replace(service / ".dockerignore", "!LICENSE", "!LICENCE")
    replace(service / ANSWERS, str(template.repository), str(repository))
    return begin(service)


@pytest.fixture
def conflict(edited_like_the_release: Path, tmp_path: Path) -> Callable[[str], Path]:
    def make(kind: str) -> Path:
        service = shutil.copytree(edited_like_the_release, tmp_path / "service")
        update(service, conflict=kind, vcs_ref=NEXT_TAG)
        return service

    return make


def test_conflict_that_an_update_leaves_inline_is_named(conflict: Callable[[str], Path], hook: Hooks) -> None:
    service = conflict("inline")
    lines = service.joinpath(".dockerignore").read_text("utf-8").splitlines()
    marked = [f".dockerignore:{number}: {line}" for number, line in enumerate(lines, 1) if line[:1] in {"<", ">"}]
    assert len(marked) == 2
    for arguments in ([], [".dockerignore"]):
        named = hook("no-conflict-markers", *arguments, cwd=service, expected=1).splitlines()
        assert named[:3] == [".dockerignore: unmerged", *marked]
    # Being asked about another file is no reason to be silent about what git knows.
    assert "unmerged" in hook("no-conflict-markers", "README.md", cwd=service, expected=1)

    git(service, "add", ".dockerignore")
    output = hook("no-conflict-markers", cwd=service / "src", expected=1)
    assert output.splitlines()[:2] == marked
    assert "git add" in output
    git(service, "checkout", "HEAD", "--", ".dockerignore")
    hook("no-conflict-markers", cwd=service)


def test_part_that_an_update_could_not_apply_is_named(conflict: Callable[[str], Path], hook: Hooks) -> None:
    service = conflict("rej")
    for ignored in ("", "*.rej\n"):
        with service.joinpath(".gitignore").open("a", encoding="utf-8") as file:
            file.write(ignored)
        output = hook("no-conflict-markers", "README.md", cwd=service, expected=1)
        assert output.startswith(".dockerignore.rej: could not be applied\n\n")
    service.joinpath(".dockerignore.rej").unlink()
    hook("no-conflict-markers", cwd=service)


def test_text_that_only_looks_like_a_conflict_passes(service: Path, hook: Hooks) -> None:
    service.joinpath("docs", "heading.md").write_text("Heading\n=======\n\n>>>>>>>\n  <<<<<<< quoted\n", "utf-8")
    service.joinpath("docs", "logo.png").write_bytes(b"\0\n<<<<<<< HEAD\n")
    service.joinpath("docs", "gone.md").touch()
    commit_everything(service, "Edit", "edited")
    service.joinpath("docs", "gone.md").unlink()
    service.joinpath("docs", "link.md").symlink_to("nowhere")
    assert hook("no-conflict-markers", cwd=service) == ""
    assert "there is no nothing.md" in hook("no-conflict-markers", "nothing.md", cwd=service, expected=2)


@pytest.mark.parametrize("git_is_there", [True, False])
def test_conflicts_are_found_outside_git_too(
    git_is_there: bool, template: Template, tmp_path: Path, hook: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the image in which GitLab runs the checks. What was installed there is nobody's work."""
    service = template.render_to(tmp_path / "service", {})
    if not git_is_there:
        monkeypatch.setenv("PATH", str(tmp_path))
    installed = service / ".venv" / "lib" / "conflict.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("<<<<<<< HEAD\n", "utf-8")
    service.joinpath(".venv", "pyvenv.cfg").touch()
    assert hook("no-conflict-markers", cwd=service) == ""
    service.joinpath("src", "mine.py").write_text("x = 1\n||||||| base\r\n", "utf-8")
    service.joinpath("src", "mine.py.rej").touch()
    output = hook("no-conflict-markers", cwd=service, expected=1)
    assert output.splitlines()[:2] == ["src/mine.py.rej: could not be applied", "src/mine.py:2: ||||||| base"]


# --- The answers -------------------------------------------------------------------------------------

ANOTHER_TEMPLATES = "_commit: v1\n_src_path: gh:somebody/else\nlicense: MIT\n"

LONG = "so long that it is wrapped " * 9

ODD_ANSWERS: dict[str, Answers] = {
    **UPDATED,
    "long": {"description": NASTY["long"], "user_name": NASTY["backslashes"] * 4},
    "spaces": {"description": " " * 400, "user_name": NASTY["leading and trailing spaces"]},
    "bytes": {"description": NASTY["byte order mark"] + NASTY["combining"] + NASTY["outside the basic plane"]},
    "a comment": {"description": "# sha256 of the answers: 0", "user_name": "_src_path: nowhere"},
}


@pytest.mark.parametrize("answers", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_answers_are_untouched_whatever_they_are(
    answers: Answers, template: Template, tmp_path: Path, hook: Hooks
) -> None:
    file = template.render_to(tmp_path / "service", answers) / ANSWERS
    rendered = file.read_bytes()
    recorded = yaml.safe_load(rendered)
    assert {name: recorded[name] for name in answers} == answers
    assert rendered.endswith(b"\n")
    assert hook("answers-untouched", ANSWERS, cwd=file.parent) == ""
    file.write_bytes(rendered.replace(b"\n", b"\r\n"))
    assert hook("answers-untouched", cwd=file.parent / "src") == ""
    file.write_bytes(rendered.replace(b"pool: queue", b"pool: 'null'"))
    assert "edited by hand" in hook("answers-untouched", cwd=file.parent, expected=1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pool: queue\n", "pool: 'null'\n"),
        ("pool: queue\n", ""),
        ("pool: queue\n", "pool:  queue\n"),
        ("pool: queue\n", "pool: queue\nowner: us\n"),
        (f"_commit: {TAG}\n", "_commit: v1\n"),
        ("_commit", "pool: 'null'\n_commit"),
        ("of the answers: ", "of the answers: 0"),
    ],
)
def test_hand_edited_answers_are_found(old: str, new: str, service: Path, hook: Hooks) -> None:
    replace(service / ANSWERS, old, new)
    output = hook("answers-untouched", cwd=service, expected=1)
    assert output.startswith(f"{service / ANSWERS}: edited by hand")
    # What it advises first.
    command = next(line.strip() for line in output.splitlines() if line.strip().startswith("git "))
    git(service, "add", ANSWERS)
    git(service, *command.split()[1:])
    hook("answers-untouched", cwd=service)


def test_template_may_move(template: Template, tmp_path: Path, hook: Hooks) -> None:
    """Its place is edited by hand, whether it is so long that it is wrapped or not."""
    source = tmp_path.joinpath(LONG.strip())
    source.symlink_to(template.repository)
    service = tmp_path / "service"
    copier.run_copy(str(source), service, vcs_ref=TAG, defaults=True, quiet=True)
    content = service.joinpath(ANSWERS).read_text("utf-8")
    before, after = content.split("_src_path: ")
    # From the first answer on.
    after = re.sub(r"\A.*?(?=\n[a-z])", "", after, count=1, flags=re.DOTALL)
    assert before.count("\n") + 2 < content.removesuffix(after).count("\n")
    for place in ("", "'https://example.com/a: b'", ">-\n  https://example.com/\n\n  template"):
        if place:
            service.joinpath(ANSWERS).write_text(f"{before}_src_path: {place}{after}", "utf-8")
        hook("answers-untouched", cwd=service)
    service.joinpath(ANSWERS).write_text(f"{before}_src_path: elsewhere\nextra: 1{after}", "utf-8")
    hook("answers-untouched", cwd=service, expected=1)


def test_answers_from_before_the_checksum_are_taken_as_they_are(
    template: Template, tmp_path: Path, hook: Hooks
) -> None:
    service = template.render_to(tmp_path / "service", {}, history()[0].tag)
    assert "sha256" not in service.joinpath(ANSWERS).read_text("utf-8")
    assert "written before there was a checksum" in hook("answers-untouched", cwd=service)


def test_service_without_answers_is_no_service_with_right_ones(service: Path, hook: Hooks) -> None:
    service.joinpath(ANSWERS).unlink()
    output = hook("answers-untouched", cwd=service / "src", expected=1)
    assert output.startswith(f"{service}: no file with the answers of Copier, so there is nothing to check")
    assert "If you have given up updates, delete the task" in " ".join(output.split())
    assert f"there is no {ANSWERS}" in hook("answers-untouched", ANSWERS, cwd=service, expected=2)
    # As in a service around which there are others.
    shutil.copy2(service / "devtools" / "hooks" / "answers_untouched.py", service.parent)
    service.parent.joinpath(ANSWERS).write_text(ANOTHER_TEMPLATES, "utf-8")
    service.joinpath(ANSWERS).write_text(ANOTHER_TEMPLATES, "utf-8")
    hook("answers-untouched", cwd=service, expected=1)
    assert "answers that belong to something else" in hook("answers-untouched", ANSWERS, cwd=service)


@pytest.mark.parametrize("name", [".copier-answers.service.yml", "copier answers.yaml"])
def test_answers_are_found_under_another_name(name: str, service: Path, hook: Hooks) -> None:
    service.joinpath(ANSWERS).rename(service / name)
    service.joinpath(ANSWERS).write_text(ANOTHER_TEMPLATES, "utf-8")
    commit_everything(service, "Rename", "renamed")
    hook("answers-untouched", cwd=service / "src")
    replace(service / name, "pool: queue", "pool: 'null'")
    for arguments in ([], [name], [ANSWERS, name]):
        output = hook("answers-untouched", *arguments, cwd=service, expected=1)
        assert f"{name}: edited by hand" in output
        assert f"uvx copier update --answers-file {shlex.quote(name)} --data pool=null" in output
    command = next(line.strip() for line in output.splitlines() if line.strip().startswith("git "))
    git(service, *shlex.split(command)[1:])
    hook("answers-untouched", cwd=service)


# --- Before and after a switch -----------------------------------------------------------------------


switch_guard = MODULES["switch-guard"]


def _run_copier_here(arguments: list[str], folder: Path) -> None:
    """What the guard itself does, without the seconds that starting Copier takes each time."""
    ended = run_copier(arguments, folder)
    if ended.exit_code:
        raise switch_guard.CannotTellError(switch_guard.reason(ended.output))


class Guard:
    """The guard, with a check that it leaves no trace."""

    def __init__(self, hook: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
        self._hook, self._monkeypatch = hook, monkeypatch
        monkeypatch.setattr(switch_guard, "run_copier", _run_copier_here)

    def __call__(self, folder: Path, *arguments: str, expected: int = 0) -> str:
        before = _state(folder)
        output = self._hook("switch-guard", *arguments, cwd=folder, expected=expected)
        assert _state(folder) == before
        return output

    def without_copier(self, folder: Path) -> str:
        """Run it before a commit in which it has nothing to render."""
        self._monkeypatch.setattr(switch_guard, "run_copier", None)
        return self(folder)


def _state(folder: Path) -> list[tuple[str, int]]:
    """Everything in a folder, git's objects among it; git may refresh its index when asked for differences."""
    return sorted((str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def guard(hook: Hooks, monkeypatch: pytest.MonkeyPatch) -> Guard:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Guard(hook, monkeypatch)


def test_switch_that_deletes_edited_files_is_stopped_before_and_after(service: Path, guard: Guard) -> None:
    edited, own = "src/app/heroes/events.py", "src/app/heroes/costumes.py"
    edit(service, edited, own, "src/app/routers.py", "src/app/main.py", "src/app/villains/models.py")
    assert guard(service, "example=false", expected=1).splitlines() == [
        "The switch would DELETE these files, with your edits in them:",
        f"  {edited}",
        "The switch would REWRITE these files that you have edited, in a merge or a conflict:",
        "  src/app/routers.py",
        "These files of yours stay behind in folders that vanish, so what they import may be gone:",
        f"  {own}",
        "Save these edits elsewhere, commit, and repeat this with --allow.",
    ]
    allowed = guard(service, "example=false", "--allow")
    assert "uvx copier update --defaults --vcs-ref=:current: --data example=false" in allowed

    # Copier does what was foretold, without a word.
    update(service, {"example": False}, vcs_ref=TAG)
    assert not service.joinpath(edited).exists()
    assert service.joinpath(own).exists()
    git(service, "checkout", "HEAD", "--", "src/app/routers.py")
    git(service, "add", "--all")
    output = guard(service, expected=1)
    assert f"DELETE these files, with your edits in them, as it changes an answer:\n  {edited}\n" in output
    assert "SKIP=switch-guard git commit" in output
    advice = next(line for line in output.splitlines() if "git checkout" in line)
    git(service, *advice.partition(": git ")[2].split())
    assert "DELETE" not in guard(service)


def test_switch_that_rewrites_an_edited_file_is_stopped_before_and_shown_after(service: Path, guard: Guard) -> None:
    edit(service, CHANGES, "LICENSE", "src/app/kit/logs.py")
    foretold = guard(service, "pool=null", expected=1)
    assert f"REWRITE these files that you have edited, in a merge or a conflict:\n  {CHANGES}\nSave" in foretold
    assert "DELETE" not in foretold
    update(service, {"pool": "null"}, vcs_ref=TAG)
    git(service, "add", "--all")
    assert guard(service).endswith(f"look at them in the diff:\n  {CHANGES}\n")


def test_file_of_ones_own_that_the_switch_brings_too_is_at_stake(service: Path, guard: Guard) -> None:
    edit(service, "devtools/pgbouncer.py")
    output = guard(service, "pool=pgbouncer", expected=1)
    assert "REWRITE these files that you have edited, in a merge or a conflict:\n  devtools/pgbouncer.py\n" in output


def test_switch_without_edits_of_what_it_changes_passes(service: Path, guard: Guard, hook: Hooks) -> None:
    """Also if its owner has deleted a file: the switch does not bring it back, and that is all."""
    service.joinpath(CHANGES).unlink()
    service.joinpath("LICENSE").unlink()
    edit(service, "src/app/heroes/models.py", "src/app/kit/database/mine.py")
    assert guard(service / "src", "pool=null", "data_access=repository").splitlines() == [
        "You have deleted these files, and the switch does not bring them back:",
        f"  {CHANGES}",
        "None of your edits is at stake. With a clean working tree, switch with:",
        "  uvx copier update --defaults --vcs-ref=:current: --data pool=null --data data_access=repository",
    ]
    update(service, {"pool": "null"}, vcs_ref=TAG)
    assert not service.joinpath(CHANGES).exists()
    git(service, "add", "--all")
    guard(service)
    for hook_id in ("no-conflict-markers", "answers-untouched"):
        hook(hook_id, cwd=service)


def test_commit_that_changes_no_answer_is_let_through_at_once(service: Path, guard: Guard) -> None:
    assert guard.without_copier(service) == ""
    edit(service, "README.md")
    service.joinpath("README.md").write_text("Nothing", "utf-8")
    replace(service / ANSWERS, f"_commit: {TAG}", "_commit: v1")
    git(service, "add", "--all")
    assert guard.without_copier(service) == ""
    git(service, "rm", "--quiet", "--force", ANSWERS)
    assert guard.without_copier(service) == ""


def test_first_commit_is_let_through(template: Template, tmp_path: Path, guard: Guard) -> None:
    service = template.render_to(tmp_path / "service", {})
    git(service, "init", "--quiet")
    git(service, "add", "--all")
    assert guard.without_copier(service) == ""


def test_each_service_in_one_working_tree_is_guarded(template: Template, tmp_path: Path, guard: Guard) -> None:
    top = tmp_path / "all"
    orders, bills = (template.render_to(top / "services" / name, {}) for name in ("orders", "bills"))
    begin(top)
    edit(orders, "src/app/heroes/events.py")
    assert "\n  src/app/heroes/events.py\n" in guard(orders / "src", "example=false", expected=1)

    for each in (orders, bills):
        replace(each / ANSWERS, "example: true", "example: false")
    git(top, "rm", "-r", "--quiet", "services/orders/src/app/heroes", "services/bills/src/app/heroes")
    git(top, "add", "--all")
    output = guard(top, expected=1)
    assert output.count("DELETE") == 1
    assert "git checkout HEAD -- services/orders/src/app/heroes/events.py\n" in output


OTHER_NAME = ".copier-answers.service.yml"


def test_answers_under_another_name_are_guarded(service: Path, guard: Guard) -> None:
    edit(service, "src/app/heroes/events.py", CHANGES)
    git(service, "mv", ANSWERS, OTHER_NAME)
    assert guard(service) == ""
    service.joinpath(ANSWERS).write_text(ANOTHER_TEMPLATES, "utf-8")
    commit_everything(service, "Rename", "renamed")
    assert f"REWRITE these files that you have edited, in a merge or a conflict:\n  {CHANGES}\n" in guard(
        service, "pool=null", expected=1
    )
    told = guard(service, "license=Proprietary")
    assert told.endswith(f"--vcs-ref=:current: --answers-file {OTHER_NAME} --data license=Proprietary\n")

    update(service, {"example": False}, vcs_ref=TAG, answers_file=OTHER_NAME)
    git(service, "add", "--all")
    assert "DELETE these files" in guard(service, expected=1)


def test_one_of_several_files_of_answers_can_be_named(service: Path, guard: Guard) -> None:
    shutil.copy2(service / ANSWERS, service / OTHER_NAME)
    commit_everything(service, "Copy", "copied")
    for name, option in ((ANSWERS, ""), (OTHER_NAME, f"--answers-file {OTHER_NAME} ")):
        assert f":current: {option}--data" in guard(service, "license=Proprietary", "--answers-file", name)
    guard(service, "license=Proprietary", "--answers-file", "compose.yaml", expected=2)


def test_commit_of_answers_that_cannot_be_found_again_is_stopped(service: Path, guard: Guard) -> None:
    folder = service / "config"
    folder.mkdir()
    git(service, "mv", ANSWERS, "config/answers.yml")
    replace(folder / "answers.yml", "example: true", "example: false")
    git(service, "add", "--all")
    assert "has become config/answers.yml, and with other answers" in guard(service, expected=2)
    commit_everything(service, "Move", "moved")
    replace(folder / "answers.yml", "example: false", "example: true")
    git(service, "add", "--all")
    assert f"the answers belong into {service} itself" in guard(service, expected=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["driver=aiosqlite", "pool=pgbouncer"], "The switch is refused: Invalid choice for 'pool': PgBouncer serves"),
        (["project_name="], "The switch is refused: Validation error for question 'project_name': The name is empty"),
        (
            ["colour=red", "null_pool=true"],
            "There is no question colour, null_pool. The questions are: auth, ci, data_access,",
        ),
        (["_commit=v1"], '"_commit=v1" is no answer'),
        (["pool"], '"pool" is no answer to a question: write it like pool=null.'),
    ],
)
def test_answer_that_cannot_be_is_refused(
    arguments: list[str], message: str, shared_service: Path, guard: Guard
) -> None:
    output = guard(shared_service, *arguments, expected=2)
    assert output.startswith(message)
    assert output.count("\n") == 1


def _commit_without_answers(service: Path) -> None:
    git(service, "rm", "--quiet", "--cached", ANSWERS)
    git(service, "commit", "--quiet", "--message", "Forget the answers")


def _commit_answers(service: Path, old: str, new: str) -> None:
    replace(service / ANSWERS, old, new)
    commit_everything(service, "Edit", "edited")


NO_SERVICE: dict[str, tuple[Callable[[Path], object], str]] = {
    "outside git": (lambda service: shutil.rmtree(service / ".git"), "fatal: not a git repository"),
    "no commit": (lambda service: git(service, "update-ref", "-d", "HEAD"), "Nothing is committed yet"),
    "answers not committed": (_commit_without_answers, f"{ANSWERS} is not committed"),
    "no version": (lambda service: _commit_answers(service, f"_commit: {TAG}\n", ""), f"{ANSWERS} has no _commit"),
    "unknown version": (
        lambda service: _commit_answers(service, f"_commit: {TAG}\n", "_commit: v7\n"),
        "The service cannot be rendered as it was made: ",
    ),
    "source is gone": (
        lambda service: _commit_answers(service, "_src_path: ", "_src_path: /nowhere"),
        "The service cannot be rendered as it was made: Local template must be a directory.",
    ),
    "source cannot be reached": (
        lambda service: _commit_answers(service, "_src_path: ", "_src_path: https://127.0.0.1:1/x.git #"),
        "The service cannot be rendered as it was made: fatal: unable to access",
    ),
    "no service": (
        lambda service: service.joinpath(ANSWERS).unlink(),
        "There is no file with the answers of this service in /",
    ),
    "of another template": (
        lambda service: service.joinpath(ANSWERS).write_text(ANOTHER_TEMPLATES, "utf-8"),
        "There is no file with the answers of this service in /",
    ),
    "two files": (
        lambda service: shutil.copy2(service / ANSWERS, service / "answers.yml"),
        f"There are {ANSWERS} and answers.yml in /",
    ),
}


@pytest.mark.parametrize(("harm", "message"), NO_SERVICE.values(), ids=NO_SERVICE)
def test_service_without_what_the_guard_needs_is_told(
    harm: Callable[[Path], object], message: str, service: Path, guard: Guard
) -> None:
    harm(service)
    output = guard(service, "pool=null", expected=2)
    assert output.startswith(message)
    assert output.count("\n") == 1


def test_commit_that_cannot_be_judged_is_stopped_with_a_way_out(service: Path, guard: Guard) -> None:
    _commit_answers(service, "_src_path: ", "_src_path: /nowhere")
    replace(service / ANSWERS, "example: true", "example: false")
    git(service, "add", ANSWERS)
    output = guard(service, expected=2)
    assert output.startswith("The service cannot be rendered as it was made: ")
    assert output.endswith("\nIf you know better: SKIP=switch-guard git commit\n")


def test_guard_takes_the_copier_that_is_there(
    service: Path, tmp_path: Path, hook: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    git_itself = shutil.which("git")
    assert git_itself is not None
    tools.joinpath("git").symlink_to(git_itself)
    monkeypatch.setenv("PATH", str(tools))
    # As during a commit. Copier makes clones, and what git tells its hooks is not about those.
    monkeypatch.setenv("GIT_INDEX_FILE", str(service / ".git" / "index"))
    assert "Copier is not there: install uv" in hook("switch-guard", "pool=null", cwd=service, expected=2)
    for name, words in (("uvx", "uvx copier recopy"), ("copier", "copier recopy --quiet")):
        tools.joinpath(name).write_text('#!/bin/sh\necho "${0##*/} $1 $2$GIT_INDEX_FILE" >&2\nexit 1\n', "utf-8")
        tools.joinpath(name).chmod(0o755)
        output = hook("switch-guard", "pool=null", cwd=service, expected=2)
        assert output == f"The service cannot be rendered as it was made: {words}\n"


@pytest.mark.slow
def test_refusal_of_the_real_command_line_is_one_line(service: Path) -> None:
    """Copier lets it end in a traceback."""
    script = service / "devtools" / "hooks" / "switch_guard.py"
    output = run(script, "license=GPL", cwd=service, env={**A_PERSON, "PATH": _PATH}, expected=2).output
    assert output.startswith("The switch is refused: Invalid choice for 'license': 'GPL' is not in")
    assert output.count("\n") == 1


# --- Where the hooks are used ------------------------------------------------------------------------


def test_hooks_are_part_of_the_checks(template: Template) -> None:
    project = tomllib.loads(template.render({}).joinpath("pyproject.toml").read_text("utf-8"))
    tasks = project["tool"]["poe"]["tasks"]
    checks = [tasks[name]["cmd"] for name in tasks["check"]["sequence"]]
    for name in ("no_conflict_markers", "answers_untouched"):
        assert f"python devtools/hooks/{name}.py" in checks
    assert tasks["switch-guard"]["cmd"] == "python devtools/hooks/switch_guard.py"


def test_published_hooks_are_those_of_the_services() -> None:
    for entry in yaml.safe_load(ROOT.joinpath(".pre-commit-hooks.yaml").read_text("utf-8")):
        published = ROOT / entry["entry"]
        assert published.resolve().parent == HOOKS
        assert os.access(published, os.X_OK)


QUICKER_COPIER = f"""\
#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from copier._cli import CopierApp
from tests.harness.rendering.quicker import make_copier_quicker
make_copier_quicker()
CopierApp.run()
"""

OWN_HOOKS_ONLY = {"SKIP": "ruff-check,ruff-format,mypy,lock,newline-at-end,large-files"}


@pytest.fixture
def pre_commit_environment(tmp_path: Path) -> dict[str, str]:
    copier_command = tmp_path / "copier"
    copier_command.write_text(QUICKER_COPIER, "utf-8")
    copier_command.chmod(0o755)
    return {
        **A_PERSON,
        **OWN_HOOKS_ONLY,
        "PATH": f"{tmp_path}{os.pathsep}{_PATH}",
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
        "UV_PYTHON": OWN_INTERPRETER,
        "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment"),
    }


@pytest.mark.slow
def test_hooks_of_a_service_watch_its_commits(service: Path, pre_commit_environment: dict[str, str]) -> None:
    env = pre_commit_environment
    output = run("uvx", "pre-commit", "run", "--all-files", cwd=service, env=env).output
    assert output.count("Passed") == len(IDS), output
    run("uvx", "pre-commit", "install", cwd=service, env=env)
    edit(service, "src/app/heroes/events.py")
    update(service, {"example": False}, vcs_ref=TAG)
    git(service, "add", "--all")
    commit = ("git", "commit", "--quiet", "--message", "Switch")
    output = run(*commit, cwd=service, env=env, expected=1).output
    assert "  src/app/heroes/events.py" in output
    assert (output.count("Passed"), output.count("Failed")) == (2, 1), output
    run(*commit, cwd=service, env={**env, "SKIP": f"{env['SKIP']},switch-guard"})


@pytest.fixture
def services_of_one_repository(service: Path, tmp_path: Path) -> Path:
    """Their repository, in which there is more."""
    top = tmp_path / "Größe und $mehr"
    for name in ("orders", "all bills"):
        shutil.copytree(service, top / "services" / name, ignore=shutil.ignore_patterns(".git"))
    top.joinpath("notes.yml").write_text("<<<<<<< HEAD\nno newline", "utf-8")
    return begin(top)


@pytest.mark.slow
def test_hooks_watch_all_services_of_a_repository(
    services_of_one_repository: Path, tmp_path: Path, pre_commit_environment: dict[str, str]
) -> None:
    top, env = services_of_one_repository, {**pre_commit_environment, "SKIP": "mypy,lock", "UV_NO_SYNC": "1"}
    orders, bills = (top / "services" / name for name in ("orders", "all bills"))
    run("uvx", "pre-commit", "install", cwd=orders, env=env)

    def commit(*options: str, cwd: Path = top, expected: int = 0) -> str:
        git(top, "add", "--all")
        return run("git", "commit", "--quiet", "--message", "x", *options, cwd=cwd, env=env, expected=expected).output

    top.joinpath("notes.yml").write_text("<<<<<<< HEAD\nstill no newline", "utf-8")
    top.joinpath("own.py").write_text("import os", "utf-8")
    output = commit()
    assert "Failed" not in output
    assert top.joinpath("own.py").read_text("utf-8") == "import os"

    orders.joinpath("LICENSE").unlink()
    orders.joinpath("LICENSE.rej").touch()
    assert "\nLICENSE.rej: could not be applied\n" in commit(expected=1)
    git(top, "rm", "--quiet", "--force", "services/orders/LICENSE.rej")
    commit(cwd=orders)

    replace(bills / ANSWERS, "pool: queue", "pool: 'null'")
    bills.joinpath("docs", "new.md").write_text("||||||| base", "utf-8")
    orders.joinpath("tests", "new.py").write_text("import os\n", "utf-8")
    output = commit(expected=1)
    for found in (
        f"In services/all bills:\n{ANSWERS}: edited by hand",
        "In services/all bills:\ndocs/new.md:1: ||||||| base",
        "In services/all bills:\nNo newline at the end: docs/new.md",
        "In services/orders:\nFound 1 error (1 fixed, 0 remaining).",
    ):
        assert found in output
    git(top, "reset", "--quiet", "--hard")

    # Git tells the hooks of such a commit about another index, and those of a worktree about another folder.
    git(top, "worktree", "add", "--quiet", str(tmp_path / "worktree"))
    top = tmp_path / "worktree"
    orders, bills = (top / "services" / name for name in ("orders", "all bills"))
    bills.joinpath("README.md").write_text("no newline", "utf-8")
    orders.joinpath("README.md").write_text("<<<<<<< HEAD\n", "utf-8")
    output = commit("README.md", cwd=orders, expected=1)
    assert "In services/orders:\nREADME.md:1: <<<<<<< HEAD" in output
    assert "No newline" not in output
    replace(orders / "README.md", "<<<<<<< HEAD", "# Orders")
    commit("README.md", cwd=orders)
    assert git(top, "status", "--porcelain", "-z") == "M  services/all bills/README.md\0"


def test_workflows_of_a_service_move_to_the_root_of_a_repository(services_of_one_repository: Path) -> None:
    service = services_of_one_repository / "services" / "all bills"
    readme = service.joinpath("README.md").read_text("utf-8")
    block = readme.partition("## In a subfolder of a repository")[2].partition("```bash\n")[2].partition("```")[0]
    run("bash", "-ec", block, cwd=service)
    assert list(service.glob(".github/**/*.yml")) == []
    moved = sorted(services_of_one_repository.glob(".github/workflows/*.yml"))
    assert [file.name for file in moved] == [f"my-service-{name}.yml" for name in ("ci", "kit", "template-update")]
    for file in moved:
        check_schema("vendor.github-workflows", [file])
        workflow = yaml.safe_load(file.read_text("utf-8"))
        assert workflow["defaults"] == {"run": {"working-directory": "services/all bills"}}


@pytest.mark.slow
def test_published_hooks_work_in_a_service(
    service: Path, tmp_path: Path, pre_commit_environment: dict[str, str]
) -> None:
    _use_published(service, tmp_path)
    everything = ("uvx", "pre-commit", "run", "--all-files")
    output = run(*everything, cwd=service, env=pre_commit_environment).output
    assert output.count("Passed") == len(IDS), output
    edit(service, "src/app/heroes/events.py")
    update(service, {"example": False}, vcs_ref=TAG)
    replace(service / ANSWERS, "license: MIT", "license: Proprietary")
    service.joinpath("CHANGES.md").write_text("<<<<<<< HEAD\n", "utf-8")
    git(service, "add", "--all")
    output = run(*everything, cwd=service, env=pre_commit_environment, expected=1).output
    assert output.count("Failed") == len(IDS), output
    for found in ("CHANGES.md:1: <<<<<<< HEAD", f"{ANSWERS}: edited by hand", "  src/app/heroes/events.py"):
        assert found in output


def _use_published(service: Path, tmp_path: Path) -> None:
    """Take the hooks from a clone of this repository, links and all, which is all that pre-commit needs of it."""
    repository = tmp_path / "hooks"
    shutil.copytree(ROOT / "hooks", repository / "hooks", symlinks=True)
    shutil.copytree(HOOKS, repository / HOOKS.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / ".pre-commit-hooks.yaml", repository)
    commit_everything(begin(repository), "Publish", "published")
    used = {"repo": repository.as_uri(), "rev": "published", "hooks": [{"id": hook_id} for hook_id in IDS]}
    service.joinpath(".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [used]}), "utf-8")
    commit_everything(service, "Use the published hooks", "used")
