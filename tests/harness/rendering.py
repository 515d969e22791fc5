"""Renders: real ``copier copy`` runs of the snapshot, each set of answers at most once per run."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import cached_property
from pathlib import Path

import copier
from filelock import FileLock

from tests.harness.questions import Answers, check_names, questions
from tests.harness.quicker import make_copier_quicker
from tests.harness.snapshot import TAG, take_snapshot

RENDERED: list[Answers] = []
"""What was chosen in each render that this process made. The report holds it against all that can be chosen."""


class Template:
    """This repository as Copier sees it, shared by all processes of one run through the run's folder."""

    def __init__(self, run_folder: Path) -> None:
        make_copier_quicker()
        self._run_folder = run_folder
        self._renders = run_folder / "renders"
        self._renders.mkdir(exist_ok=True)

    @cached_property
    def repository(self) -> Path:
        """The snapshot, a git repository whose newest tag holds the working tree."""
        snapshot = self._run_folder / "template"
        with FileLock(self._run_folder / "template.lock"):
            if not snapshot.exists():
                unfinished = snapshot.with_suffix(".unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                take_snapshot(unfinished)
                unfinished.rename(snapshot)
        return snapshot

    def copy(self, destination: Path, answers: Answers, *, overwrite: bool = False) -> None:
        """Render into a folder. An answer that Copier refuses raises ``ValueError``.

        A folder that already holds something else raises, unless it may be overwritten.
        """
        check_names(answers)
        copier.run_copy(
            str(self.repository),
            destination,
            data=dict(answers),
            vcs_ref=TAG,
            defaults=True,
            quiet=True,
            overwrite=overwrite,
        )
        RENDERED.append({name: answer for name, answer in answers.items() if questions()[name].choices})

    def render(self, answers: Answers) -> Path:
        """A render to look at. It is shared by every test that asks for the same answers: nothing may change in it."""
        check_names(answers)
        name = hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()[:16]
        render = self._renders / name
        with FileLock(self._renders / f"{name}.lock"):
            if not render.exists():
                unfinished = self._renders / f"{name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                self.copy(unfinished, answers)
                unfinished.rename(render)
        return render

    def render_to(self, destination: Path, answers: Answers) -> Path:
        """A render of one's own, to install, run or change."""
        shutil.copytree(self.render(answers), destination)
        return destination
