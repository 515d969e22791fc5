"""Where Copier itself loses an owner's work without a word: so that we know when that changes, and warn until then.

``devtools/hooks/switch_guard.py`` of a service finds the first before it happens. The second cannot be found from
the service, so no release renames a file: see ``test_updates.py``. The one that did, 1.0, says so before an update.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.rendering.releases import FIRST_TO_UPDATE_FROM, history
from tests.harness.rendering.snapshot import TAG, commit, commit_everything, git
from tests.harness.rendering.template import Template
from tests.harness.updating.copier_cli import run_copier
from tests.harness.updating.next_releases import NEXT_TAGS, with_next_releases
from tests.harness.updating.updates import begin_service, signs_of_a_conflict, tree

EDIT = "\n# Found out in production, and written down here.\n"


@pytest.mark.updates
def test_option_that_is_switched_off_takes_edited_files_with_it(template: Template, tmp_path: Path) -> None:
    service = begin_service(template, tmp_path / "service", {"example": True}, TAG)
    edited = service / "src/app/heroes/endpoints.py"
    _edit(service, edited)

    template.update(service, switch={"example": False})
    assert not edited.exists()
    assert not signs_of_a_conflict(service, tree(service))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("src/app/kit/logs.py", ("mv", "{}/logs.py", "{}/logging.py"), id="renamed"),
        pytest.param("src/app/kit/http/etags.py", ("rm", "--quiet", "{}/http/etags.py"), id="removed"),
    ],
)
@pytest.mark.updates
def test_file_that_the_template_renames_or_removes_is_removed_with_its_edits(
    name: str, change: tuple[str, ...], template: Template, tmp_path: Path
) -> None:
    future = _with_release(template, tmp_path, *(word.format("template/src/app/kit") for word in change))
    service = begin_service(future, tmp_path / "service", {}, TAG)
    _edit(service, service / name)

    future.update(service, "v9999.1.0")
    held = tree(service)
    assert name not in held
    assert not [path for path, (_, content) in held.items() if EDIT.encode() in content]
    assert not signs_of_a_conflict(service, held)


def _edit(service: Path, file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8") + EDIT, encoding="utf-8")
    commit(service, "What was found out")


def _with_release(template: Template, folder: Path, *git_command: str) -> Template:
    """The template with one more release, in which this was done."""
    clone = folder / "next"
    git(folder, "clone", "--quiet", str(template.repository), str(clone))
    git(clone, *git_command)
    commit_everything(clone, "The next release", "v9999.1.0")
    return Template(folder, clone)


@pytest.mark.updates
def test_update_from_before_1_0_says_first_what_to_do_instead(template: Template, tmp_path: Path) -> None:
    old = [release for release in history() if release.numbers < FIRST_TO_UPDATE_FROM][-1]
    service = begin_service(template, tmp_path / "service", {}, old.tag)
    printed = run_copier(["update", "--defaults", "--vcs-ref", TAG], service).output
    message, _, _ = printed.partition("Updating to template version")
    for advice in ("before 1.0", "src/app/kit", "git reset --hard", "beside this one", "CHANGELOG.md", old.tag):
        assert advice in message


@pytest.mark.parametrize("folder", ["service", "ser[vi]ce"])
@pytest.mark.updates
def test_update_from_1_0_or_later_says_nothing_of_that(folder: str, template: Template, tmp_path: Path) -> None:
    future = with_next_releases(template, tmp_path)
    service = begin_service(future, tmp_path / folder, {}, TAG)
    # From within the service and from elsewhere.
    for tag, words, here in zip(NEXT_TAGS, ([], [str(service)]), (service, tmp_path), strict=True):
        ended = run_copier(["update", "--defaults", "--vcs-ref", tag, *words], here)
        assert ended.exit_code == 0, ended.output
        assert ended.output.partition("Updating to template version")[0].strip() == ""
        commit(service, f"Update to {tag}")
