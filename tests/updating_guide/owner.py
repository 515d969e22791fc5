"""Someone who follows the guide."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.harness.rendering.questions import ROOT
from tests.harness.rendering.snapshot import A_PERSON, commit, git
from tests.harness.running.commands import run
from tests.harness.updating.copier_cli import run_copier
from tests.harness.updating.updates import replace

GUIDE = ROOT / "template" / "docs" / "updating.md"
ANSWERS_FILE = ".copier-answers.yml"

WRONG_PAIR = (r"^driver: .*\n((?:.*\n)*)pool: .*$", r"driver: aiosqlite\n\1pool: pgbouncer")
"""What to replace, and by what, for answers that exclude each other."""

FOLLOWED: dict[str, tuple[str, ...]] = {}
"""The names of the tests here that type commands of the guide, and which."""

Test = TypeVar("Test", bound=Callable[..., None])


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
        if not line.startswith("uvx copier "):
            return run("bash", "-c", line, cwd=self.service, env=self.environment).output
        ended = run_copier(shlex.split(line)[2:], self.service, self.environment)
        assert ended.exit_code == 0, ended.output
        return ended.output

    def commits(self, message: str = "Work") -> None:
        """Commit everything, as after some work of one's own."""
        commit(self.service, message)

    def edits(self, name: str, old: str, new: str) -> None:
        """Replace a text, which must be there, in a file."""
        replace(self.service / name, old, new)

    def runs_hook(self, name: str) -> int:
        """Run a check that the guide speaks of, and return its exit code."""
        return run(sys.executable, f"devtools/hooks/{name}", cwd=self.service, expected=None).exit_code

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
