"""A run that fails ends with what failed, why, and how to repeat it; and a run tells where its time went."""

from __future__ import annotations

import re
import shlex
import sys
from copy import copy
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.harness.rendering.combinations import as_json, combinations
from tests.harness.rendering.questions import ROOT
from tests.harness.reporting.example import example_of_a_run
from tests.harness.reporting.failures import (
    DECIDING_OPTIONS,
    SCREEN,
    Failure,
    Failures,
    command_to_repeat,
    deciding_arguments,
)
from tests.harness.reporting.page import page_of
from tests.harness.reporting.processor import SHOWN_PARTS, Part, part_of, table_of
from tests.harness.reporting.reasons import reasons_of
from tests.harness.reporting.suites import Ran, rows_of_tests, sum_of_tests
from tests.harness.running.commands import CommandFailedError, Result, run
from tests.harness.running.steps import step_of

CONFTEST = """
import signal
# The job of a shell in the background ignores it, and hands that on.
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.harness.reporting.report import RunReport
from tests.harness.reporting.worker import WorkerReport

def pytest_addoption(parser):
    parser.addoption("--report-page")

def pytest_configure(config):
    config.pluginmanager.register(WorkerReport())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RunReport(config))
"""

MATRIX = f"""
import sys
from pathlib import Path
import pytest
from tests.harness.running.commands import run

@pytest.mark.parametrize("combination", {[str(each) for each in combinations()[:8]]})
class TestCombination:
    def test_kit(self, combination):
        reason = f"no {{combination}} at /tmp/{{combination}}/0 within 1.{{id(self)}} s"
        summary = f"FAILED kit_tests/test_a.py::test_b - {{reason}}"
        run(sys.executable, "-S", "-c", f"raise SystemExit({{summary!r}})", cwd=Path.cwd())
"""

QUICK = {
    # Which every process would have to import.
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    # As a run hands them on to its workers.
    "TEMPLATE_TESTS_COMBINATIONS": as_json(combinations()),
}
"""What spares a run that is made up what is not its subject."""

INTERRUPTED = """
import os, signal, time
def test_fails(): assert not "interrupted"
def test_interrupts():
    time.sleep(1)
    os.kill(os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid(), signal.SIGINT)
    time.sleep(1)
"""

PASSES = "def test_passes(): pass\n"


class Run:
    """Runs pytest with the plugins of this harness on tests that are made up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.joinpath("conftest.py").write_text(CONFTEST, encoding="utf-8")

    def __call__(self, tests: str, *arguments: str, workers: int = 0, named: bool = True) -> Result:
        self._folder.joinpath("test_made_up.py").write_text(tests, encoding="utf-8")
        self._folder.joinpath("pytest.ini").write_text("[pytest]\naddopts = -q --tb=short\n", encoding="utf-8")
        quiet = ("-p", "no:cacheprovider", "-p", "xdist.plugin", f"-n{workers}")
        files = ("test_made_up.py",) if named else ()
        return run(
            *(sys.executable, "-m", "pytest", *quiet, *arguments, *files),
            cwd=self._folder,
            env={**QUICK, "PYTHONPATH": ROOT, "COLUMNS": "160"},
            expected=None,
        )


@pytest.fixture
def made_up(tmp_path: Path) -> Run:
    return Run(tmp_path)


def last_section(result: Result) -> list[str]:
    """The lines from the heading of the failures to the end, which must be on one screen."""
    lines = result.output.rstrip().splitlines()
    headings = [number for number, line in enumerate(lines) if re.fullmatch(r"=+ \d+ failed =+", line)]
    assert headings, f"no section of failures:\n{result.output}"
    assert len(lines) - headings[-1] <= SCREEN
    return lines[headings[-1] :]


@pytest.mark.parametrize("workers", [0, 1])
def test_failures_end_the_screen(made_up: Run, workers: int) -> None:
    result = made_up(
        """
import pytest
@pytest.mark.parametrize("x", ["it's", "y"])
def test_x(x):
    assert x == "y", "the first line\\nthe second"
@pytest.fixture
def broken(): raise RuntimeError("no set-up")
def test_set_up(broken): pass
@pytest.fixture
def ends(): yield; raise RuntimeError("no teardown")
def test_teardown(ends): pass
""",
        workers=workers,
    )
    assert result.exit_code == 1
    heading, *lines = last_section(result)
    assert " 3 failed " in heading
    assert [lines[at : at + 3] for at in (0, 3, 6)] == [
        [
            "test_made_up test_x[it's]",
            "    the first line",
            "    $ uv run pytest -n0 'test_made_up.py::test_x[it'\"'\"'s]'",
        ],
        [
            "test_made_up test_set_up (set-up)",
            "    RuntimeError: no set-up",
            "    $ uv run pytest -n0 test_made_up.py::test_set_up",
        ],
        [
            "test_made_up test_teardown (teardown)",
            "    RuntimeError: no teardown",
            "    $ uv run pytest -n0 test_made_up.py::test_teardown",
        ],
    ]
    assert re.search(r"^\[\d/4\] test_made_up test_x\[it's\] .* failed: the first line$", result.output, re.MULTILINE)


def test_command_repeats_just_the_test(made_up: Run, tmp_path: Path) -> None:
    tests = "import pytest\n@pytest.mark.parametrize('x', ['a b', 'a b c'])\ndef test_x(x): assert x == 'c'\n"
    command = next(line for line in last_section(made_up(tests)) if "$" in line).partition("$ ")[2]
    program = shlex.split(command)[3:]
    command_line = (sys.executable, "-m", "pytest", "-p", "xdist.plugin", *program)
    result = run(*command_line, cwd=tmp_path, env={**QUICK, "PYTHONPATH": ROOT}, expected=1)
    assert re.search(r"^1 failed in", result.output, re.MULTILINE)


def test_same_failures_are_told_once(made_up: Run) -> None:
    _, *lines = last_section(made_up(MATRIX, workers=1))
    first = lines[0].split()[0]
    assert lines[0] == f"{first}  kit"
    assert lines[1].startswith(f"    kit_tests/test_a.py::test_b - no {first} at /tmp/{first}/0 within 1.")
    assert lines[2].startswith("    the same in 7 more: ")
    assert lines[3:] == [f"    $ uv run pytest --combination {first} --only kit_tests/test_a.py::test_b"]


def test_steps_that_fail_without_a_test_are_repeated_whole(made_up: Run) -> None:
    _, *lines = last_section(made_up(MATRIX.replace("FAILED kit_tests/test_a.py::test_b - ", "uv: ")))
    assert lines[3:] == [f"    $ uv run pytest -n0 'test_made_up.py::TestCombination::test_kit[{lines[0].split()[0]}]'"]


def test_keywords_that_select_nothing_are_told(made_up: Run) -> None:
    result = made_up(PASSES, "-k", "asyncpg-que-repository")
    assert result.exit_code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "No name of a test holds 'asyncpg-que-repository'" in result.output


def pytest_here(*arguments: str, expected: int) -> str:
    """What pytest prints in this repository, of the matrix alone."""
    command = (sys.executable, "-m", "pytest", "-n0", *arguments)
    return run(*command, cwd=ROOT, env=QUICK | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}, expected=expected).output


def test_names_of_no_combination_are_told_with_the_nearest() -> None:
    output = pytest_here("--combination", "asyncpg-que-repository-example", expected=pytest.ExitCode.USAGE_ERROR)
    assert "'asyncpg-que-repository-example' is the name of no combination" in output
    assert "Is it asyncpg-queue-repository-example?" in output


def test_one_test_of_one_combination() -> None:
    name = str(combinations()[0])
    only = ("--only", "kit_tests/test_a.py::test_b")
    assert re.findall(
        r"^tests/.*", pytest_here("--combination", name, *only, "--collect-only", expected=0), re.MULTILINE
    ) == [f"tests/test_combinations.py::TestCombination::test_kit[{name}]"]
    assert "--only goes with --combination" in pytest_here(*only, expected=pytest.ExitCode.USAGE_ERROR)


def test_collection_errors_are_told(made_up: Run) -> None:
    result = made_up("import no_such_module\n", workers=1)
    assert last_section(result)[1:] == [
        "test_made_up (collection)",
        "    ModuleNotFoundError: No module named 'no_such_module'",
        "    $ uv run pytest -n0 test_made_up.py",
    ]


def test_crashed_workers_are_told(made_up: Run) -> None:
    result = made_up("import os\ndef test_crash(): os._exit(3)\n" + PASSES, workers=1)
    assert last_section(result)[1:] == [
        "test_made_up test_crash",
        "    worker 'gw0' crashed while running 'test_made_up.py::test_crash'",
        "    $ uv run pytest -n0 test_made_up.py::test_crash",
    ]
    assert re.search(r"test_crash .* failed: worker 'gw0' crashed", result.output)


def test_workers_that_end_between_tests_are_told(made_up: Run) -> None:
    result = made_up("import os\nos._exit(3) if 'PYTEST_XDIST_WORKER' in os.environ else None\n" + PASSES, workers=1)
    assert any("worker gw0 ended: " in line for line in last_section(result))


def test_interrupted_runs_tell_what_failed(made_up: Run) -> None:
    result = made_up(INTERRUPTED, workers=1)
    assert result.exit_code == pytest.ExitCode.INTERRUPTED
    assert last_section(result)[1] == "test_made_up test_fails"


def test_first_failure_is_told_with_x(made_up: Run) -> None:
    result = made_up("def test_fails(): assert not 'here'\n" + PASSES, "-x", workers=1)
    assert last_section(result)[1] == "test_made_up test_fails"


def test_errors_of_plugins_are_told(made_up: Run, tmp_path: Path) -> None:
    broken = f"{CONFTEST}\ndef pytest_runtest_logfinish(): raise RuntimeError('no hook')\n"
    tmp_path.joinpath("conftest.py").write_text(broken, encoding="utf-8")
    assert last_section(made_up("def test_fails(): assert not 'here'\n"))[1:] == [
        "test_made_up test_fails",
        "    assert not 'here'",
        "    $ uv run pytest -n0 test_made_up.py::test_fails",
        "the run",
        "    error in pytest or a plugin: RuntimeError: no hook",
        "    $ uv run pytest",
    ]


@pytest.mark.parametrize("outcome", ["failed", "passed", "interrupted"])
def test_page_of_a_run_has_all_of_it(outcome: str) -> None:
    record = example_of_a_run(outcome)
    page = Text(page_of(record))
    assert page.tags.isdisjoint({"script", "img", "iframe", "object", "embed"})
    assert page.named <= {"data:,"} | {f"#{row.combination}" for row in record.rows}
    told = {
        *("1226" if outcome == "failed" else str(record.outcomes["ok"]), "45 min 12 s", "1 h 23 min"),
        *record.versions.values(),
        *(row.name for row in record.rows),
        *(row.coverage for row in record.rows),
        *(f"{step.seconds:.1f}" for row in record.rows for step in row.steps.values() if step.outcome == "ok"),
        *(part.name for part in record.parts[:SHOWN_PARTS]),
        *(text for failure in record.failures for text in (failure.title, *failure.reasons, failure.command)),
        *record.left_out,
        *(name for name, _ in record.slowest),
        *(text for row in record.suites for text in row.values()),
        *(text for rows in record.tables.values() for cells, _ in rows for text in cells.values()),
    }
    assert [text for text in told if text not in page.text] == []
    assert ("did not run" in page.text) == (outcome == "interrupted")
    assert page.heads
    assert page.heads <= {"col", "row", "rowgroup"}


class Text(HTMLParser):
    """What a page says, the elements that it has, what it names, and what its table heads are for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.named: set[str | None] = set()
        self.heads: set[str | None] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.named |= {value for name, value in attrs if name in {"src", "href"}}
        if tag == "th":
            self.heads.add(dict(attrs).get("scope"))

    def handle_data(self, data: str) -> None:
        self.text += data


ENDS = {
    "passed": (0, PASSES, "✓ The tests passed", "Where the processor's time went"),
    "failed": (1, "def test_x(): assert not '<b>'\n", "✗ The tests failed", "assert not '<b>'"),
    "not collected": (0, "import no_such_module\n", "✗ The tests failed", "No module named 'no_such_module'"),
    "left out": (1, "import pytest\ndef test_x(): pytest.skip('no moon')\n", "✓ The tests passed", "no moon"),
    "interrupted": (1, INTERRUPTED, "✗ The tests were interrupted", "assert not 'interrupted'"),
}
"""Ways in which a run ends: with how many workers, by which tests, and what its page says then."""


@pytest.mark.parametrize("end", ENDS)
def test_every_run_writes_its_page(made_up: Run, tmp_path: Path, end: str) -> None:
    workers, tests, title, told = ENDS[end]
    page = tmp_path / "pages" / "run.html"
    result = made_up(tests, "--report-page", str(page), workers=workers)
    assert f"All of it on one page: {page}" in result.output
    text = Text(page.read_text(encoding="utf-8")).text
    assert title in text
    assert told in text
    assert [each.name for each in page.parent.iterdir()] == [page.name]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_left_out_is_told_with_its_reason(made_up: Run, workers: int) -> None:
    result = made_up(
        "import pytest\ndef test_a(): pytest.skip('no moon')\ndef test_b(): pytest.skip('no moon')\n", workers=workers
    )
    assert result.exit_code == 0
    assert re.search(r"^!+ left out !+\nNOT TESTED, 2 tests: no moon$", result.output, re.MULTILINE)


def test_choices_never_rendered_are_told(made_up: Run) -> None:
    result = made_up(PASSES, named=False)
    assert result.exit_code == 1
    heading, title, reason, command = last_section(result)
    assert (" 1 failed " in heading, title, command) == (True, "the run", "    $ uv run pytest")
    assert reason.startswith("    never rendered by any test: ")


def test_leftovers_and_the_server_are_told(tmp_path: Path) -> None:
    """With all that the harness does around its tests, and a database that nobody drops."""
    made_up = Run(tmp_path)
    tmp_path.joinpath("conftest.py").write_text("pytest_plugins = ['tests.conftest']\n", encoding="utf-8")
    result = made_up(
        """
import psycopg
from tests.harness.running.servers import server_url
def test_leaves_a_database():
    with psycopg.connect(server_url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE scratch_0123")
""",
        "--durations=1",
        workers=1,
    )
    assert result.exit_code == 1
    assert last_section(result)[1:3] == ["the run", "    left behind by the run: database scratch_0123"]
    taken = re.search(r"^the shared PostgreSQL +(\d+\.\d) ", result.output, re.MULTILINE)
    assert taken, result.output
    assert float(taken[1]) > 0


def test_runs_that_pass_end_without_failures(made_up: Run) -> None:
    result = made_up(PASSES)
    assert result.exit_code == 0
    assert result.output.rstrip().splitlines()[-1].startswith("1 passed in")
    assert "processor seconds by part" not in result.output


@pytest.mark.parametrize("workers", [0, 1])
def test_seconds_count_tests_and_their_commands(made_up: Run, workers: int) -> None:
    """What a test's own process takes, and what it waits for, are its part's; what an import takes is not."""
    result = made_up(
        """
import subprocess, sys, time
BUSY = "import time\\nwhile time.process_time() < 0.5: pass"
started = time.process_time()
while time.process_time() < started + 1: pass
def test_busy():
    started = time.process_time()
    while time.process_time() < started + 0.5: pass
    subprocess.run([sys.executable, "-c", BUSY], check=True)
""",
        "--durations=1",
        workers=workers,
    )
    rows = dict(re.findall(r"^(\w.*?) {2,}(?:\d+ +)?(\d+\.\d) +\d+%", result.output, re.MULTILINE))
    assert 1 <= float(rows["test_made_up"]) < 1.8
    if workers:
        assert float(rows["workers outside of tests"]) > 1
    assert float(rows["controller, and what it started"]) > 0


def test_many_tests_tell_their_seconds(made_up: Run) -> None:
    result = made_up("import pytest\n@pytest.mark.parametrize('x', range(51))\ndef test_x(x): pass\n")
    assert re.search(r"^=+ processor seconds by part =+$", result.output, re.MULTILINE)


def failed_command(output: str) -> str:
    """The text of a real failure of a command with this output."""
    with pytest.raises(CommandFailedError) as caught:
        run(sys.executable, "-S", "-c", f"print({output!r}); raise SystemExit(1)", cwd=ROOT)
    return str(caught.value)


@pytest.mark.parametrize(
    ("output", "reasons"),
    [
        pytest.param(
            "\n".join(f"FAILED tests/test_a.py::test_{n} - assert {n}" for n in range(5)),
            [*(f"tests/test_a.py::test_{n} - assert {n}" for n in range(3)), "and 2 more"],
            id="tests",
        ),
        pytest.param(
            "___ TestA.test_b[c d] ___\na.py:1: in test_b\nE   ValueError: why\n= short test summary info =\n"
            "FAILED tests/test_a.py::TestA::test_b[c d]",
            ["tests/test_a.py::TestA::test_b[c d] - ValueError: why"],
            id="reason cut off",
        ),
        pytest.param(
            "F401 [*] `os` imported but unused\n --> src/app/asgi.py:3:8\n  |\nFound 1 error.",
            ["src/app/asgi.py:3:8: F401 `os` imported but unused"],
            id="ruff check",
        ),
        pytest.param(
            "--- src/app/asgi.py\n+++ src/app/asgi.py\n@@ -1 +1 @@\n1 file would be reformatted",
            ["src/app/asgi.py: would be reformatted"],
            id="ruff format",
        ),
        pytest.param(
            'src/app/asgi.py:3: error: Name "x" is not defined  [name-defined]\nFound 1 error in 1 file',
            ['src/app/asgi.py:3: error: Name "x" is not defined  [name-defined]'],
            id="mypy",
        ),
        pytest.param(
            "Scanning 20 files...\npyproject.toml: DEP002 'httpx' defined as a dependency but not used",
            ["pyproject.toml: DEP002 'httpx' defined as a dependency but not used"],
            id="deptry",
        ),
        pytest.param(
            "12 passed\nFAIL Required test coverage of 95% not reached. Total coverage: 90.00%\nbye",
            ["FAIL Required test coverage of 95% not reached. Total coverage: 90.00%"],
            id="coverage",
        ),
        pytest.param(
            'Traceback (most recent call last):\n  File "a.py", line 1\nsqlalchemy.exc.ArgumentError: no URL\nbye',
            ["sqlalchemy.exc.ArgumentError: no URL"],
            id="exception",
        ),
        pytest.param("one\n\nthe last\n\n", ["the last"], id="anything else"),
    ],
)
def test_reasons_are_found_in_outputs(output: str, reasons: list[str]) -> None:
    text = failed_command(output)
    assert reasons_of(text) == reasons
    assert reasons_of(f"as for another, whose files are the same: {text}") == reasons


def test_commands_that_do_not_end_say_so() -> None:
    with pytest.raises(CommandFailedError) as caught:
        run(sys.executable, "-c", "import time; print('so far', flush=True); time.sleep(60)", cwd=ROOT, timeout=1)
    assert reasons_of(str(caught.value)) == ["the command was killed, it had not ended", "so far"]


def test_many_failures_fit_on_one_screen() -> None:
    for count in (1, 8, 9, 20, 36, 37, 500):
        failures = Failures()
        for number in range(count):
            failures.add(Failure(f"tests/test_a.py::test_{chr(97 + number % 26) * (1 + number // 26)}", ["why"] * 3))
        lines = failures.lines(100)
        assert len(lines) < SCREEN
        assert sum("$ uv run pytest -n0" in line for line in lines) >= min(count, 3)
        hidden = re.fullmatch(r"and (\d+) more, see above", lines[-1])
        told = sum(not line.startswith(" ") for line in lines) - bool(hidden)
        assert told + int(hidden[1] if hidden else 0) == count


def test_different_failures_are_told_apart() -> None:
    failures = Failures()
    for folder, line in (("heroes", 3), ("teams", 3), ("teams", 4)):
        failures.add(Failure(f"tests/test_a.py::test_x[{folder}{line}]", [f"src/app/{folder}/models.py:{line}: F401"]))
    assert sum("$" in line for line in failures.lines(100)) == 3


def test_later_failures_of_a_test_follow_its_first() -> None:
    failures = Failures()
    failures.add(Failure("tests/test_a.py::test_x", ["why"]))
    failures.add(Failure("tests/test_a.py::test_x", ["not stopped"], "teardown"))
    assert len(failures) == 1
    assert failures.lines(100)[1:3] == ["    why", "    (teardown) not stopped"]


def test_own_failure_is_repeated_before_taken_over() -> None:
    failures = Failures()
    failures.add(Failure("tests/test_a.py::test_x[a]", ["3 tests that a takes over did not pass"], taken_over=("b",)))
    failures.add(Failure("tests/test_a.py::test_x[b]", ["why"]))
    failures.add(Failure("tests/test_a.py::test_y[b]", ["another"]))
    assert failures.lines(100) == [
        *("test_a test_x[b]", "    why", "    the same in 1 more: a"),
        "    $ uv run pytest -n0 'tests/test_a.py::test_x[b]'",
        *("test_a test_y[b]", "    another", "    $ uv run pytest -n0 'tests/test_a.py::test_y[b]'"),
    ]


def test_each_own_option_is_repeated() -> None:
    options = re.findall(r'"(--[\w-]+)"', ROOT.joinpath("tests", "conftest.py").read_text(encoding="utf-8"))
    # Where the page is written decides nothing.
    assert {*DECIDING_OPTIONS} == {*options} - {"--report-page"}


def test_only_options_that_were_given_are_repeated(pytestconfig: pytest.Config) -> None:
    option = copy(pytestconfig.option)
    for name, default in DECIDING_OPTIONS.items():
        setattr(option, name.removeprefix("--").replace("-", "_"), default)
    assert command_to_repeat("a.py::b", deciding_arguments(option)) == "uv run pytest -n0 a.py::b"
    option.every_suite, option.faults_minutes = True, 2.0
    expected = "uv run pytest -n0 a.py::b --every-suite --faults-minutes 2.0"
    assert command_to_repeat("a.py::b", deciding_arguments(option)) == expected


def test_parts_are_steps_folders_and_modules() -> None:
    nodeids = [
        f"tests/test_combinations.py::TestCombination::test_kit[{combinations()[0]}]",
        "tests/faults/test_memory.py::test_x",
        "tests/test_updates.py::test_x[tests/a]",
    ]
    assert step_of(nodeids[0])[1] == "kit"
    assert [part_of(nodeid) for nodeid in nodeids] == ["kit", "faults", "test_updates"]


def test_small_parts_are_summed_up() -> None:
    parts = [Part(f"part {number}", float(number), 1, 1.0) for number in range(SHOWN_PARTS + 3)]
    _, first, *_, last = lines = table_of(parts)
    assert len(lines) == 1 + SHOWN_PARTS + 1
    assert first.split()[:4] == ["part", str(SHOWN_PARTS + 2), "1", f"{SHOWN_PARTS + 2}.0"]
    assert last.split()[:4] == ["other", "(3)", "3", "3.0"]


def test_tests_that_ran_are_told_apart_from_those_taken_over() -> None:
    test = "tests/test_combinations.py::TestCombination::test_{}[{}]"
    suites = {
        test.format("suite", "a"): Ran(9, {}),
        test.format("suite", "b"): Ran(4, {"a": 9}),
        test.format("kit", "b"): Ran(0, {"a": 100}),
    }
    assert rows_of_tests(suites) == [
        {"combination": "a", "its owner's tests": "9", "tests of the kit": ""},
        {"combination": "b", "its owner's tests": "4 + 9 = a", "tests of the kit": "100 = a"},
    ]
    assert sum_of_tests(suites.values()).startswith("122 tests: 13 ran, 109 were taken over")
