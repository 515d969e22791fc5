"""The suite of the kit: run on what the template maintains and nothing else, and once for all that is the same.

What the answers about data access and the example change is the owner's. Without that, the combinations of a driver and
a pool are byte for byte the same, so one of them tests the kit for the others.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from tests.harness.rendering import content
from tests.harness.running.commands import CommandFailedError

_OWNERS = {".copier-answers.yml", "AGENTS.md", "README.md", "docs", "tests"}

_NOT_THE_OWNERS = {"__init__.py", "py.typed", "kit"}
"""What stays of ``src/app``."""


def copy_without_owners_files(service: Path, destination: Path) -> Path:
    """Copy a service, but leave out its domains, application, settings, migrations, tests and prose."""

    def left_out(folder: str, names: list[str]) -> Collection[str]:
        where = Path(folder).relative_to(service).as_posix()
        return {".": _OWNERS & {*names}, "src/app": {*names} - _NOT_THE_OWNERS}.get(where, ())

    shutil.copytree(service, destination, ignore=left_out)
    # Which the package's metadata is made of.
    destination.joinpath("README.md").write_text("# Service\n", encoding="utf-8")
    return destination


def key_of(folder: Path, *conditions: str) -> str:
    """What all files of a folder, with their names, and the conditions of a run have in common with another's."""
    held = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in content.files(folder)
    }
    return hashlib.sha256(json.dumps([held, conditions], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """How the suite ended.

    Attributes:
        combination: The one that it ran for.
        output: What it printed.
        failure: Why it failed, if it did.
    """

    combination: str
    output: str
    failure: str | None = None

    def output_for(self, combination: str) -> str:
        """What was printed. Raises CommandFailedError for everyone who relies on a run that failed."""
        if self.failure is None:
            return self.output
        taken_over = "" if self.combination == combination else f"as for {self.combination}, whose files are the same: "
        raise CommandFailedError(f"{taken_over}{self.failure}")


@dataclass(frozen=True)
class SharedRuns:
    """Runs that the processes of a test run share through a folder: the first that asks for one makes it."""

    folder: Path

    def outcome(self, key: str, combination: str, run: Callable[[], str]) -> Outcome:
        """Run, or wait for whoever runs the same, and tell how it ended."""
        self.folder.mkdir(exist_ok=True)
        stored = self.folder / f"{key}.json"
        with FileLock(stored.with_suffix(".lock")):
            if not stored.exists():
                stored.write_text(json.dumps(asdict(outcome_of(combination, run))), encoding="utf-8")
            return Outcome(**json.loads(stored.read_text(encoding="utf-8")))


def outcome_of(combination: str, run: Callable[[], str]) -> Outcome:
    """Run, and tell how it ended."""
    try:
        return Outcome(combination, run())
    except CommandFailedError as problem:
        return Outcome(combination, "", str(problem))
