"""A plugin for the pytest of a service: it notes what each test needed, and leaves out tests that need not run.

What is noted are names below the folder of the service, each of which can be looked up in another service:

- ``src/app/main.py``: the content of a file that was opened or imported, or that there is none;
- ``src/app/``: the names in a folder that was listed;
- ``src/app/*.py``: the names that a pattern found there, and further down with ``**/`` before it;
- ``src/app/?``: packages, and modules that are called ``models``. No other name that ``pkgutil`` finds is made use of,
  as the kit's own tests of ``import_models`` say;
- ``*``: everything, because a program was started that nobody watched.

A test needs what was opened before the first test, what was opened when its module was collected, what it and those
before it have opened, which may live on in a cache, and what any of these files imports. Python's audit hooks tell of
what is opened. They do not tell of an import of what is loaded already, so imports are noted where they are made.
"""

from __future__ import annotations

import builtins
import importlib
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest

EVERYTHING = "*"

_ROOT = f"{Path.cwd()}{os.sep}"
NOT_THE_SERVICE = (".venv", ".git/", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".coverage", "uv.lock")
"""What its names begin with: made by tools, from what is the service's."""

_CONFIGURATION = ("pyproject.toml", "pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg")
"""What pytest reads, or looks for, before it loads a plugin."""

_READ_NOTHING_HERE = {"postgres", "initdb", "pg_ctl", "pgbouncer"}
"""Programs that are told where to find what they read, which is not in the service."""

_STARTS_A_PROCESS = {"os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.system", "os.spawn", "pty.spawn"}


class Recorder:
    """What the tests of this process need."""

    def __init__(self) -> None:
        self._imports: dict[str, set[str]] = {}
        self._common = set(_CONFIGURATION)
        self._of_modules: dict[Path, set[str]] = {}
        self._so_far: set[str] = set()
        self._noted = self._common
        self._started_a_program = False
        self._needs: dict[str, tuple[Path, frozenset[str]]] = {}
        self._outcomes: dict[str, str] = {}
        self._collected: list[str] = []

    def listen(self) -> None:
        """Begin. There is no end: an audit hook stays for as long as its process lives."""
        import_really, import_module_really = builtins.__import__, importlib.import_module
        importers = _Names()

        def note_import(
            name: str,
            globals: Any = None,  # noqa: A002 - so it may be called by names
            locals: Any = None,  # noqa: A002
            fromlist: Any = (),
            level: int = 0,
        ) -> ModuleType:
            try:
                module = import_really(name, globals, locals, fromlist, level)
            except ModuleNotFoundError as error:
                self._note_absence(error.name)
                raise
            importer = importers[globals.get("__file__")] if globals else None
            if importer is not None:
                package = globals.get("__package__") if level else None
                self._imports.setdefault(importer, set()).update(
                    _files(_absolute(name, package, level), fromlist or ())
                )
            return module

        def note_import_module(name: str, package: str | None = None) -> ModuleType:
            try:
                module = import_module_really(name, package)
            except ModuleNotFoundError as error:
                self._note_absence(error.name)
                raise
            files = _files(module.__name__, ())
            self._noted.update(files)
            importer = _name(sys._getframe(1).f_globals.get("__file__"))  # noqa: SLF001
            if importer is not None:
                self._imports.setdefault(importer, set()).update(files)
            return module

        builtins.__import__ = note_import
        importlib.import_module = note_import_module
        sys.addaudithook(self._hear())

    def _note_absence(self, module: str | None) -> None:
        path = (module or "").replace(".", "/")
        for folder in ("", "src/") if path else ():
            self._noted.update({f"{folder}{path}.py", f"{folder}{path}/__init__.py"})

    def _hear(self) -> Callable[[str, tuple[Any, ...]], None]:
        """Return the hook. Most events are about something else, and come by the thousand."""

        def note_file(_: str, arguments: tuple[Any, ...]) -> None:
            name = _name(arguments[0])
            if name:
                self._noted.add(name)

        def note_listing(_: str, arguments: tuple[Any, ...]) -> None:
            self._note_listing(_name("." if arguments[0] is None else arguments[0]))

        def note_pattern(event: str, arguments: tuple[Any, ...]) -> None:
            further_down = "**/" if event.endswith("rglob") else ""
            self._note_pattern(_name(arguments[0]), f"{further_down}{arguments[1]}")

        def note_pattern_in_a_path(_: str, arguments: tuple[Any, ...]) -> None:
            folder, pattern = os.path.split(os.fsdecode(arguments[0]))
            self._note_pattern(_name(folder or "."), pattern)

        def note_program(_: str, arguments: tuple[Any, ...]) -> None:
            self._note_program([os.fsdecode(word) for word in arguments[1]])

        def note_process(_: str, __: tuple[Any, ...]) -> None:
            self._started_a_program = True

        heard: dict[str, Callable[[str, tuple[Any, ...]], None]] = {
            "open": note_file,
            "os.listdir": note_listing,
            "os.scandir": note_listing,
            "pathlib.Path.glob": note_pattern,
            "pathlib.Path.rglob": note_pattern,
            "glob.glob": note_pattern_in_a_path,
            "subprocess.Popen": note_program,
            **dict.fromkeys(_STARTS_A_PROCESS, note_process),
        }

        def hear(event: str, arguments: tuple[Any, ...]) -> None:
            if event in heard:
                heard[event](event, arguments)

        return hear

    def _note_listing(self, folder: str | None) -> None:
        if folder is None:
            return
        asked = sys._getframe(3).f_code  # noqa: SLF001 - of whoever made what the event is about
        # The import system looks for one name, and for a pattern there is an event of its own.
        if asked.co_name == "_fill_cache" or (asked.co_name != "iterdir" and _is_of(asked, "pathlib", "glob")):
            return
        if not _asked_by_pytest():
            self._noted.add(f"{folder}/?" if _is_of(asked, "pkgutil") else f"{folder}/")

    def _note_pattern(self, folder: str | None, pattern: str) -> None:
        if folder is not None and not _asked_by_pytest():
            self._noted.add(f"{folder}/{pattern}")

    def _note_program(self, words: list[str]) -> None:
        # A supervisor is told by its socket what to start: always a server.
        supervisor = next((word for word in words[1:3] if word.endswith("devtools/supervisor.py")), None)
        if supervisor is not None:
            self._noted.update(filter(None, [_name(supervisor)]))
        elif not words or Path(words[0]).name not in _READ_NOTHING_HERE:
            self._started_a_program = True

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        """What is opened for a module with tests is needed by these, and anything else by all."""
        before = self._noted
        if isinstance(collector, pytest.Module):
            self._noted = self._of_modules.setdefault(collector.path, set())
        try:
            return (yield)
        finally:
            self._noted = before

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """What a fixture opens that is made once for several tests is needed by all."""
        if fixturedef.scope == "function":
            return (yield)
        before, self._noted = self._noted, self._common
        alone, self._started_a_program = self._started_a_program, False
        try:
            return (yield)
        finally:
            self._common.update({EVERYTHING} if self._started_a_program else ())
            self._noted, self._started_a_program = before, alone

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """What a test opens is needed by it and by those that follow; what it starts, by it alone."""
        self._noted, self._started_a_program = self._so_far, False
        try:
            return (yield)
        finally:
            started = {EVERYTHING} if self._started_a_program else set()
            self._needs[item.nodeid] = (item.path, frozenset(self._so_far | started))
            self._noted = self._common

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """How a test ended: as the worst of its parts."""
        if report.outcome != "passed" or hasattr(report, "wasxfail"):
            self._outcomes[report.nodeid] = "xfailed" if hasattr(report, "wasxfail") else report.outcome
        elif report.when == "call":
            self._outcomes.setdefault(report.nodeid, "passed")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what need not run."""
        self._common.update({EVERYTHING} if self._started_a_program else ())
        self._collected = [item.nodeid for item in items]
        if config.option.leave_out:
            left_out = set(json.loads(Path(config.option.leave_out).read_text(encoding="utf-8")))
            items[:] = [item for item in items if item.nodeid not in left_out]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write down what each test needed, the imports of imports included."""
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._collected:
            session.exitstatus = pytest.ExitCode.OK
        numbers: dict[frozenset[str], int] = {}
        tests = {}
        for test, (module, opened) in self._needs.items():
            of_module = self._of_modules.get(module, set()) | {_name(module) or EVERYTHING}
            needs = self._with_imports(self._common | of_module | opened)
            tests[test] = (numbers.setdefault(needs, len(numbers)), self._outcomes.get(test, "not finished"))
        self._write(Path(session.config.option.record), [*numbers], tests)

    @contextmanager
    def of_program(self, name: str, file: Path) -> Iterator[None]:
        """Write down what this process needs, as if it were one test of this name, if it comes to a good end."""
        yield
        self._collected = [name]
        self._common.update({EVERYTHING} if self._started_a_program else ())
        self._write(file, [self._with_imports(self._common)], {name: (0, "passed")})

    def _write(self, file: Path, needs: list[frozenset[str]], tests: dict[str, tuple[int, str]]) -> None:
        written = {"collected": self._collected, "needs": [sorted(names) for names in needs], "tests": tests}
        file.write_text(json.dumps(written), encoding="utf-8")

    def _with_imports(self, names: Iterable[str]) -> frozenset[str]:
        found, todo = set(names), list(names)
        while todo:
            more = self._imports.get(todo.pop(), set()) - found
            found |= more
            todo += more
        return frozenset(found)


class _Names(dict[object, str | None]):
    """The names of files by their paths, each looked up once: most imports are those of libraries."""

    def __missing__(self, path: object) -> str | None:
        self[path] = _name(path)
        return self[path]


def _name(path: object) -> str | None:
    """Say how a file of the service is called: "." for its folder, the source for byte code, None for other files."""
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - a link by its own name, not by that of what it leads to
    if not f"{full}{os.sep}".startswith(_ROOT):
        return None
    name = full[len(_ROOT) :] or "."
    folder, found, file = name.rpartition("__pycache__/")
    if found:
        name = f"{folder}{file.partition('.')[0]}.py"
    return None if name.startswith(NOT_THE_SERVICE) or name.endswith("__pycache__") else name


def _absolute(name: str, package: str | None, level: int) -> str:
    if not level:
        return name
    above = (package or "").split(".")
    return ".".join([*above[: len(above) - level + 1], *([name] if name else [])])


def _files(module: str, names: Iterable[str]) -> set[str]:
    """Say which files of the service an import of a module, and of names from it, makes use of."""
    parts = module.split(".")
    modules = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    modules += [f"{module}.{name}" for name in names]
    files = (_name(getattr(sys.modules.get(each), "__file__", None)) for each in modules)
    return {file for file in files if file is not None}


def _asked_by_pytest() -> bool:
    """Whether pytest looks for tests: what it finds is compared by itself."""
    frame: FrameType | None = sys._getframe(4)  # noqa: SLF001
    while frame is not None and _is_of(frame.f_code, "pathlib", "glob"):
        frame = frame.f_back
    return frame is not None and _is_of(frame.f_code, "_pytest")


def _is_of(code: CodeType, *modules: str) -> bool:
    return not {*modules}.isdisjoint(Path(code.co_filename).with_suffix("").parts)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add where the record goes, and what need not run."""
    parser.addoption("--record", metavar="FILE", help="write down what each test needed")
    parser.addoption("--leave-out", metavar="FILE", help="do not run the tests that this JSON file lists")


def pytest_configure(config: pytest.Config) -> None:
    """Note what pytest tells from now on."""
    if config.option.record:
        config.pluginmanager.register(RECORDER)


RECORDER = Recorder()
if __name__ == "recorder":  # In a service. In the harness it has a longer name, and is asked what it notes.
    RECORDER.listen()
