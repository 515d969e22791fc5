"""Renders: real ``copier copy`` runs of the snapshot, each set of answers at most once per run."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import cached_property
from pathlib import Path

import copier
from filelock import FileLock

from tests.harness.rendering.questions import Answers, check_names, questions
from tests.harness.rendering.quicker import make_copier_quicker
from tests.harness.rendering.releases import history, is_shallow
from tests.harness.rendering.snapshot import TAG, git, take_snapshot

RENDERED: list[Answers] = []
"""What was chosen in each render that this process made. The report holds it against all that can be chosen."""


class Template:
    """This repository as Copier sees it, shared by all processes of one run through the run's folder."""

    def __init__(self, run_folder: Path, repository: Path | None = None) -> None:
        """``repository`` is another clone, with releases that this template does not have yet."""
        make_copier_quicker()
        self._run_folder = run_folder
        self._other = repository
        self._renders = run_folder / "renders"
        self._renders.mkdir(exist_ok=True)

    @cached_property
    def repository(self) -> Path:
        """The snapshot: a git repository with a tag for each release, the newest of which holds the working tree."""
        if self._other is not None:
            return self._other
        snapshot = self._run_folder / "template"
        with FileLock(self._run_folder / "template.lock"):
            if not snapshot.exists():
                unfinished = snapshot.with_suffix(".unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                take_snapshot(unfinished)
                for release in () if is_shallow() else history():
                    git(unfinished, "tag", "--force", release.tag, release.commit)
                unfinished.rename(snapshot)
        return snapshot

    def copy(self, destination: Path, answers: Answers, *, tag: str = TAG, overwrite: bool = False) -> None:
        """Render into a folder. An answer that Copier refuses raises ``ValueError``.

        A folder that already holds something else raises, unless it may be overwritten.
        """
        check_names(answers)
        copier.run_copy(
            str(self.repository),
            destination,
            data=dict(answers),
            vcs_ref=tag,
            defaults=True,
            quiet=True,
            overwrite=overwrite,
        )
        if tag == TAG:
            RENDERED.append({name: answer for name, answer in answers.items() if questions()[name].choices})

    def render(self, answers: Answers, tag: str = TAG) -> Path:
        """A render to look at. It is shared by every test that asks for the same answers: nothing may change in it."""
        check_names(answers)
        name = hashlib.sha256(json.dumps([tag, answers], sort_keys=True).encode()).hexdigest()[:16]
        render = self._renders / name
        with FileLock(self._renders / f"{name}.lock"):
            if not render.exists():
                unfinished = self._renders / f"{name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                self.copy(unfinished, answers, tag=tag)
                unfinished.rename(render)
        return render

    def render_to(self, destination: Path, answers: Answers, tag: str = TAG) -> Path:
        """A render of one's own, to install, run or change."""
        shutil.copytree(self.render(answers, tag), destination)
        return destination

    def update(self, service: Path, tag: str = TAG, switch: Answers | None = None) -> None:
        """Update a service that is committed, as ``copier update --defaults`` does, and perhaps switch its options."""
        switch = switch or {}
        check_names(switch)
        copier.run_update(
            service, data=dict(switch), vcs_ref=tag, defaults=True, overwrite=True, quiet=True, unsafe=False
        )
