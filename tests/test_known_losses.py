"""Where Copier itself loses an owner's work without a word: so that we know when that changes, and warn until then.

``devtools/hooks/switch_guard.py`` of a service finds the first before it happens. The second cannot be found from
the service, so no release renames a file: see ``test_updates.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.rendering import Template
from tests.harness.snapshot import TAG, commit, commit_everything, git
from tests.harness.updates import begin_service, signs_of_a_conflict

EDIT = "\n# Found out in production, and written down here.\n"


@pytest.mark.updates
def test_option_that_is_switched_off_takes_edited_files_with_it(template: Template, tmp_path: Path) -> None:
    service = begin_service(template, tmp_path / "service", {"example": True}, TAG)
    edited = service / "src/app/heroes/endpoints.py"
    _edit(service, edited)

    template.update(service, switch={"example": False})
    assert not edited.exists()
    assert not signs_of_a_conflict(service)


@pytest.mark.updates
def test_file_that_the_template_renames_comes_without_its_edits(template: Template, tmp_path: Path) -> None:
    renamed = _with_release(template, tmp_path, "mv", "template/src/app/logs.py", "template/src/app/logging.py")
    service = begin_service(renamed, tmp_path / "service", {}, TAG)
    _edit(service, service / "src/app/logs.py")

    renamed.update(service, "v9999.1.0")
    assert not service.joinpath("src/app/logs.py").exists()
    assert EDIT not in service.joinpath("src/app/logging.py").read_text(encoding="utf-8")
    assert not signs_of_a_conflict(service)


@pytest.mark.updates
def test_file_that_the_template_removes_is_removed_with_its_edits(template: Template, tmp_path: Path) -> None:
    removed = _with_release(template, tmp_path, "rm", "--quiet", "template/src/app/http/etags.py")
    service = begin_service(removed, tmp_path / "service", {}, TAG)
    _edit(service, service / "src/app/http/etags.py")

    removed.update(service, "v9999.1.0")
    assert not service.joinpath("src/app/http/etags.py").exists()
    assert not signs_of_a_conflict(service)


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
