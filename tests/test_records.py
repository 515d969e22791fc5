"""What is not run again is what nothing has changed for: seen on a small suite, and on that of a service."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.harness.running.commands import CommandFailedError, run
from tests.harness.running.records import PLUGIN_PATH, Case, PoisonedRecordError, Records, for_pytest

FILES = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src", "."]\naddopts = ["--import-mode=importlib"]\n',
    "src/app/__init__.py": "",
    "src/app/shared.py": "VALUE = 1\n",
    "src/app/late.py": "VALUE = 1\n",
    "src/app/by_name.py": "VALUE = 1\n",
    "src/app/deep/__init__.py": "from . import deeper\n",
    "src/app/deep/deeper.py": "VALUE = 1\n",
    "src/app/unused.py": "VALUE = 1\n",
    "data/read.txt": "1\n",
    "data/cached.txt": "1\n",
    "data/by_fixture.txt": "1\n",
    "data/by_program.txt": "1\n",
    "data/listed/one.txt": "1\n",
    "data/matched/one.txt": "1\n",
    "data/found/below/one.txt": "1\n",
    "tests/__init__.py": "",
    "tests/helpers.py": "VALUE = 1\n",
    "tests/conftest.py": (
        "from pathlib import Path\n"
        "import pytest\n"
        "import tests.helpers\n"
        "@pytest.fixture(scope='session')\n"
        "def made_once():\n"
        "    return Path('data/by_fixture.txt').read_text()\n"
    ),
    "tests/test_alone.py": "def test_alone(): pass\n",
    "tests/test_cached.py": (
        "from functools import cache\n"
        "from pathlib import Path\n"
        "@cache\n"
        "def read(): return Path('data/cached.txt').read_text()\n"
        "def test_cached_first(): assert read()\n"
        "def test_cached_second(): assert read()\n"
    ),
    "tests/test_imports.py": (
        "import importlib\n"
        "import app.shared\n"
        "from app import deep\n"
        "def test_early(): assert deep.deeper.VALUE\n"
        "def test_late():\n"
        "    from app.late import VALUE\n"
        "def test_by_name(): assert importlib.import_module('app.by_name').VALUE\n"
        "def test_optional():\n"
        "    try:\n"
        "        import app.optional\n"
        "    except ModuleNotFoundError:\n"
        "        pass\n"
    ),
    "tests/test_second.py": "import app.shared\ndef test_second(): assert app.shared.VALUE\n",
    "tests/test_unmade.py": (
        "from pathlib import Path\n"
        "def test_unmade():\n"
        "    try:\n"
        "        Path('data/unmade.txt').read_text()\n"
        "    except FileNotFoundError:\n"
        "        pass\n"
    ),
    "tests/test_with_fixture.py": "def test_with_fixture(made_once): assert made_once\n",
    "tests/test_z_last.py": (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "def test_program():\n"
        "    subprocess.run([sys.executable, '-c', 'open(\"data/by_program.txt\").read()'], check=True)\n"
        "def test_read(): assert Path('data/read.txt').read_text()\n"
        "def test_listed(): assert os.listdir('data/listed')\n"
        "def test_matched(): assert [*Path('data/matched').glob('*.txt')]\n"
        "def test_found(): assert [*Path('data/found').rglob('*.txt')]\n"
    ),
}

LAST = {f"test_{name}" for name in ("read", "listed", "matched", "found")}
"""The tests after the one that starts a program, in the order in which they run."""


@dataclass
class Small:
    """A suite that is run for several combinations, in folders that begin alike."""

    records: Records
    folder: Path

    def make(self, name: str) -> Case:
        folder = self.folder / name
        for file, text in FILES.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Case(name, folder, ("Python",))

    def run(self, case: Case, *, everything: bool = False, in_parts: bool = True) -> set[str]:
        """Run the suite; return the names of the tests that ran."""
        printed = ""

        def suite(noted: Path, left_out: Path) -> str:
            nonlocal printed
            arguments = ("-v", "-p", "no:cacheprovider", *for_pytest(noted, left_out)[1:])  # There is no xdist.
            command = (sys.executable, "-m", "pytest", *arguments)
            printed = run(*command, cwd=case.service, env=PLUGIN_PATH | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}).output
            return printed

        outcome = self.records.run(case, suite, everything=everything, in_parts=in_parts)
        ran = {line.split()[0].rpartition("::")[2] for line in printed.splitlines() if line.endswith("%]")}
        assert outcome.ran == len(ran)
        return ran

    def all_tests(self) -> set[str]:
        return {line.partition("(")[0].removeprefix("def ") for line in self._lines() if line.startswith("def test_")}

    def _lines(self) -> list[str]:
        return [line for name, text in FILES.items() if "/test_" in name for line in text.splitlines()]


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(Records(tmp_path / "records"), tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The suite, after one combination has run it all."""
    folder = tmp_path_factory.mktemp("first")
    small = Small(Records(folder / "records"), folder)
    assert small.run(small.make("first")) == small.all_tests()
    return small


@pytest.fixture
def known(first: Small, small: Small) -> Small:
    """The same, with records of one's own."""
    shutil.copytree(first.records.folder, small.records.folder)
    return small


def test_what_is_the_same_in_everything_is_not_even_started(known: Small) -> None:
    case = known.make("other")
    suite = known.records.run(case, lambda *_: pytest.fail("it was started"))
    assert (suite.output, suite.ran, suite.taken_over) == ("", 0, {"first": len(known.all_tests())})


def _write(file: str, text: str = "VALUE = 2\n") -> Callable[[Path], object]:
    return lambda folder: folder.joinpath(file).write_text(text, encoding="utf-8")


def _append(file: str) -> Callable[[Path], object]:
    return lambda folder: folder.joinpath(file).write_text(f"{FILES[file]}\n", encoding="utf-8")


IMPORTS = {"test_early", "test_late", "test_by_name", "test_optional"}
AFTERWARDS = {"test_second", "test_unmade", "test_with_fixture", *LAST}
"""The tests after those, for which something may live on that those have opened."""

CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "what nobody needs": (_write("src/app/unused.py"), set()),
    "a file of prose": (_write("README.md"), set()),
    "what conftest imports": (_write("tests/helpers.py"), {"all"}),
    "conftest": (_append("tests/conftest.py"), {"all"}),
    "the settings": (_append("pyproject.toml"), {"all"}),
    "settings that go before": (_write("pytest.ini", "[pytest]\npythonpath = src .\n"), {"all"}),
    "what a fixture for all reads": (_write("data/by_fixture.txt"), {"all"}),
    "what two modules import": (_write("src/app/shared.py"), {*IMPORTS, "test_second"}),
    "what an import imports": (_write("src/app/deep/deeper.py"), IMPORTS),
    "what a test imports": (_write("src/app/late.py"), {*IMPORTS, *AFTERWARDS}),
    "what is imported by its name": (_write("src/app/by_name.py"), {*IMPORTS, *AFTERWARDS}),
    "an import that found nothing": (_write("src/app/optional.py"), {"test_optional", *AFTERWARDS}),
    "what an earlier test has kept": (
        _write("data/cached.txt"),
        {"test_cached_first", "test_cached_second", *IMPORTS, *AFTERWARDS},
    ),
    "what was not there": (_write("data/unmade.txt"), {"test_unmade", "test_with_fixture", *LAST}),
    "what a program reads": (_write("data/by_program.txt"), set()),
    "what a test reads": (_write("data/read.txt"), LAST),
    "a name in a folder that is listed": (_write("data/listed/two.txt"), LAST - {"test_read"}),
    "a name that a pattern finds": (_write("data/matched/two.txt"), LAST - {"test_read", "test_listed"}),
    "a name that it does not find": (_write("data/matched/two.md"), set()),
    "a name further down": (_write("data/found/below/two.txt"), {"test_found"}),
    "a test": (_write("tests/test_alone.py", "def test_alone(): assert True\n"), {"test_alone"}),
    "a test more": (_write("tests/test_more.py", "def test_more(): pass\n"), {"test_more"}),
    "a test less": (lambda folder: folder.joinpath("tests/test_alone.py").unlink(), set()),
}


@pytest.mark.parametrize(("change", "run_again"), CHANGES.values(), ids=CHANGES)
def test_what_depends_on_a_change_runs_again(
    change: Callable[[Path], object], run_again: set[str], known: Small
) -> None:
    """The test that starts a program depends on everything: nobody has watched what that reads."""
    case = known.make("other")
    change(case.service)
    tests = known.all_tests() if run_again == {"all"} else run_again | {"test_program"}
    assert known.run(case) == tests


def test_other_conditions_share_nothing(known: Small) -> None:
    case = replace(known.make("other"), conditions=("another Python",))
    assert known.run(case) == known.all_tests()


def test_everything_runs_on_request(known: Small) -> None:
    assert known.run(known.make("other"), everything=True) == known.all_tests()


def test_suite_that_is_measured_runs_as_a_whole_or_not_at_all(known: Small) -> None:
    case = known.make("other")
    assert known.run(case, in_parts=False) == set()
    case = known.make("another")
    _write("data/found/below/two.txt")(case.service)
    assert known.run(case, in_parts=False) == known.all_tests()


def test_result_is_handed_on_under_the_name_of_whoever_ran_the_test(known: Small) -> None:
    second, third = known.make("second"), known.make("third")
    for case in (second, third):
        _write("tests/test_alone.py", "def test_alone(): assert True\n")(case.service)
    assert known.run(second) == {"test_alone", "test_program"}
    suite = known.records.run(third, lambda *_: pytest.fail("it was started"))
    assert suite.taken_over == {"first": len(known.all_tests()) - 2, "second": 2}


def test_tests_that_another_has_besides_start_nothing(known: Small) -> None:
    """As of two pools with the same conditions: a module of the same name may have other tests there."""
    second = known.make("a-second")
    _write("tests/conftest.py", f"{FILES['tests/conftest.py']}# Differs.\n")(second.service)
    _write("tests/test_alone.py", "def test_alone(): pass\ndef test_not_alone(): pass\n")(second.service)
    assert known.run(second) == known.all_tests() | {"test_not_alone"}
    suite = known.records.run(known.make("third"), lambda *_: pytest.fail("it was started"))
    assert suite.taken_over == {"first": len(known.all_tests())}


def test_failure_is_that_of_everyone_for_whom_it_is_the_same(small: Small) -> None:
    first, other = small.make("first"), small.make("other")
    for case in (first, other):
        _write("tests/test_alone.py", "def test_alone(): assert False, 'a fault'\n")(case.service)
    with pytest.raises(CommandFailedError, match="a fault"):
        small.run(first)
    with pytest.raises(CommandFailedError, match=r"FAILED tests/test_alone\.py::test_alone - as for first"):
        small.run(other)


def test_suite_that_breaks_off_is_taken_over_by_nobody(small: Small) -> None:
    first = small.make("first")
    _write("tests/test_with_fixture.py", "import os\ndef test_with_fixture(): os._exit(3)\n")(first.service)
    with pytest.raises(CommandFailedError, match="exited with 3"):
        small.run(first)
    assert small.run(small.make("other")) == small.all_tests()


def _poison(known: Small, change: Callable[[dict[str, list[object]]], object]) -> None:
    (record,) = known.records.folder.rglob("*.json")
    read = json.loads(record.read_text(encoding="utf-8"))
    change(read["tests"])
    record.write_text(json.dumps(read), encoding="utf-8")


def test_key_that_is_wrong_proves_nothing(known: Small) -> None:
    def change(tests: dict[str, list[object]]) -> None:
        tests["tests/test_alone.py::test_alone"][-1] = "0" * 64

    _poison(known, change)
    assert known.run(known.make("other")) == {"test_alone"}


def test_record_of_a_test_that_is_not_there_is_found_out(known: Small) -> None:
    def change(tests: dict[str, list[object]]) -> None:
        tests["tests/test_alone.py::test_imagined"] = tests["tests/test_alone.py::test_alone"]

    _poison(known, change)
    case = known.make("other")
    _write("data/read.txt")(case.service)
    with pytest.raises(PoisonedRecordError, match="test_imagined"):
        known.run(case)


def test_outcome_that_is_none_proves_nothing(known: Small) -> None:
    def change(tests: dict[str, list[object]]) -> None:
        tests["tests/test_alone.py::test_alone"][-2] = "not finished"

    _poison(known, change)
    with pytest.raises(CommandFailedError, match="test_alone"):
        known.run(known.make("other"))
