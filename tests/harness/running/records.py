"""What was run is not run again where nothing that it depends on differs.

Each suite runs with a plugin (``inside/recorder.py``) that notes, for each test, what it needed of the service. Another
combination takes over how a test ended if all of that is the same there, and driver, kind of server and Python too. It
runs the rest. So each test of each combination has either run, or is the same as one that has. The round trip of the
migrations counts as one test.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from tests.harness.rendering import content
from tests.harness.running.commands import CommandFailedError
from tests.harness.running.inside import recorder

PLUGIN = Path(recorder.__file__)

Run = Callable[[Path, Path], str]
"""Runs what is to be recorded, given the file for the record and one that lists tests to leave out."""

PLUGIN_PATH = {"PYTHONPATH": str(PLUGIN.parent)}
"""The variable by which a service's pytest finds it."""


def for_pytest(noted: Path, left_out: Path) -> tuple[str, ...]:
    """Give the arguments by which pytest records what tests need: in one process, which sees all of it.

    With "=", or it takes the files for tests.
    """
    return ("-n0", "-p", PLUGIN.stem, f"--record={noted}", f"--leave-out={left_out}")


class TakenOverError(CommandFailedError):
    """A test failed in another combination, where all that it needs is the same."""

    def __init__(self, combination: str, failed: Mapping[str, Tested]) -> None:
        lines = [f"FAILED {test} - as for {each.combination}, where it is the same" for test, each in failed.items()]
        super().__init__("\n".join([f"{len(failed)} tests that {combination} takes over did not pass:\n", *lines]))
        self.others = sorted({each.combination for each in failed.values()})


class PoisonedRecordError(Exception):
    """A record says what cannot be true; the message says what."""


@dataclass(frozen=True)
class Folder:
    """A service, asked for what a test needed of it."""

    path: Path

    def key(self, needs: Iterable[str]) -> str:
        """What two services have in common in which all of this is the same."""
        return hashlib.sha256(json.dumps([[name, self._found(name)] for name in sorted(needs)]).encode()).hexdigest()

    def _found(self, name: str) -> str | list[str]:
        if name not in self._known:
            self._known[name] = self._look_up(name)
        return self._known[name]

    @cached_property
    def _known(self) -> dict[str, str | list[str]]:
        return {}

    def _look_up(self, name: str) -> str | list[str]:
        if name == recorder.EVERYTHING:
            names = (each.relative_to(self.path).as_posix() for each in content.files(self.path))
            return [f"{name} {_digest(self.path / name)}" for name in names if _is_of_the_service(name)]
        folder, _, last = name.rpartition("/")
        if not last:
            return sorted(each.name for each in self._entries(folder))
        if last == "?":
            return sorted(
                each.name
                for each in self._entries(folder)
                if each.stem == "models" or each.joinpath("__init__.py").exists()
            )
        if "*" in last or "[" in last:
            # With "**" before it where the search went further down.
            pattern = f"**/{last}" if folder.endswith("**") else last
            found = self.path.joinpath(folder.removesuffix("**")).glob(pattern)
            return sorted(filter(_is_of_the_service, (each.relative_to(self.path).as_posix() for each in found)))
        return _digest(self.path / name)

    def _entries(self, folder: str) -> Iterator[Path]:
        path = self.path / folder
        entries = path.iterdir() if path.is_dir() else ()
        return (each for each in entries if _is_of_the_service(each.relative_to(self.path).as_posix()))


def _is_of_the_service(name: str) -> bool:
    return not name.startswith(recorder.NOT_THE_SERVICE) and "__pycache__" not in name


def _digest(file: Path) -> str:
    if file.is_file():
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return "a folder" if file.is_dir() else "nothing"


@dataclass(frozen=True)
class Case:
    """A suite of a combination.

    Attributes:
        combination: Whose tests they are.
        service: The folder with all that they may need.
        conditions: What besides files they depend on. Nothing is taken over where these differ.
    """

    combination: str
    service: Path
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Tested:
    """How one test ended.

    Attributes:
        combination: The one that it ran for.
        outcome: pytest's word.
        key: What it depends on, as its combination has it.
    """

    combination: str
    outcome: str
    key: str


@dataclass(frozen=True)
class Suite:
    """How a suite of a combination ended.

    Attributes:
        output: What was printed by what ran; nothing if nothing did.
        ran: How many tests ran.
        taken_over: How many did not, by the combination whose results count for them.
        skipped: How many of all ended without a result.
    """

    output: str
    ran: int
    taken_over: Mapping[str, int]
    skipped: int


@dataclass(frozen=True)
class Records:
    """Records that the processes of a test run share through a folder."""

    folder: Path

    def run(self, case: Case, run: Run, *, everything: bool = False, in_parts: bool = True) -> Suite:
        """Run the tests that no other combination has run, and take over those that one has.

        Args:
            case: Whose tests they are.
            run: Runs them, and returns what was printed.
            everything: Take over nothing.
            in_parts: Take over some of the tests, and not only all or none.

        Raises:
            CommandFailedError: A test failed.
            TakenOverError: A test failed in the combination from which it is taken over.
            PoisonedRecordError: The record is not one of the tests that this combination has.
        """
        folder = Folder(case.service)
        with _one_at_a_time(self._place(case) / folder.key([recorder.EVERYTHING]), wait=not everything):
            known, settled = ({}, set()) if everything else self._taken_over(case, folder)
            if known and _modules(case.service, known) == settled:
                output, collected, ran = "", {*known}, dict[str, Tested]()
            else:
                known = known if in_parts else {}
                output, collected, ran = self._run_the_rest(case, folder, known, run)
            if known.keys() - collected:
                raise PoisonedRecordError(f"{case.combination} has no {sorted(known.keys() - collected)}")
            if not_run := collected - known.keys() - ran.keys():
                raise PoisonedRecordError(f"{case.combination} neither ran nor took over {sorted(not_run)}")
            failed = {test: each for test, each in known.items() if each.outcome not in {"passed", "skipped"}}
            if failed:
                raise TakenOverError(case.combination, failed)
        skipped = sum(each.outcome == "skipped" for each in (*known.values(), *ran.values()))
        return Suite(output, len(ran), Counter(each.combination for each in known.values()), skipped)

    def _place(self, case: Case) -> Path:
        place = self.folder / hashlib.sha256(json.dumps(case.conditions).encode()).hexdigest()
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _taken_over(self, case: Case, folder: Folder) -> tuple[dict[str, Tested], set[str]]:
        """Find the tests that were run where all is the same, and the modules in which that holds for each test.

        Where one test of a module is found, all that its collection needed is the same, so it has the same tests here.
        """
        found: dict[str, Tested] = {}
        settled: set[str] = set()
        for record in sorted(self._place(case).glob("*.json")):
            read = json.loads(record.read_text(encoding="utf-8"))
            keys = [folder.key(needs) for needs in read["needs"]]
            alike = {
                test: Tested(*tested) for test, (number, *tested) in read["tests"].items() if keys[number] == tested[-1]
            }
            settled |= {_module(test) for test in alike} - {
                _module(test) for test in read["tests"].keys() - alike.keys()
            }
            found = alike | found
        return found, settled

    def _run_the_rest(
        self, case: Case, folder: Folder, known: Mapping[str, Tested], run: Run
    ) -> tuple[str, set[str], dict[str, Tested]]:
        stem = self._place(case) / case.combination
        noted, left_out, unfinished = (Path(f"{stem}.{what}") for what in ("noted", "left-out", "unfinished"))
        left_out.write_text(json.dumps([*known]), encoding="utf-8")
        noted.unlink(missing_ok=True)
        output, failure = "", None
        try:
            output = run(noted, left_out)
        except CommandFailedError as problem:
            failure = problem
        if not noted.exists():
            raise failure or PoisonedRecordError(f"the suite of {case.combination} left no record")
        read = json.loads(noted.read_text(encoding="utf-8"))
        keys = [folder.key(needs) for needs in read["needs"]]
        tests = {
            test: (number, case.combination, outcome, keys[number]) for test, (number, outcome) in read["tests"].items()
        }
        # The tests that failed too: whoever is the same there has failed with them.
        unfinished.write_text(json.dumps({"needs": read["needs"], "tests": tests}), encoding="utf-8")
        unfinished.rename(f"{stem}.json")
        if failure is not None:
            raise failure
        return output, {*read["collected"]}, {test: Tested(*tested) for test, (_, *tested) in tests.items()}


@contextmanager
def _one_at_a_time(lock: Path, *, wait: bool) -> Iterator[None]:
    """Let two that are the same in everything not run at once: the second will have nothing left to run."""
    if not wait:
        yield
        return
    with FileLock(f"{lock}.lock"):
        yield


def _module(test: str) -> str:
    return test.partition("::")[0]


def _modules(service: Path, tests: Iterable[str]) -> set[str]:
    """Name the modules that a suite has with these tests; a program that is recorded like a test is its own."""
    folders = {_module(test).partition("/")[0] for test in tests if "::" in test}
    files = (file for name in folders for file in service.joinpath(name).rglob("test_*.py"))
    return {str(file.relative_to(service)) for file in files} | {test for test in tests if "::" not in test}
