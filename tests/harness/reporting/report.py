"""What the run says: a line for each finished step while it goes on, tables at its end, and last what failed."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.harness.rendering.questions import Answers, choices_missing_from
from tests.harness.reporting.failures import Failure, Failures, cut, deciding_arguments, short
from tests.harness.reporting.page import Row, RunRecord, Step, write_page
from tests.harness.reporting.processor import Part, parts_of, process_cpu, sum_by_name, table_of
from tests.harness.reporting.properties import COVERAGE, KIT_COVERAGE, PROCESSOR, ROW, TAKEN_OVER, TESTS, VERSIONS
from tests.harness.reporting.reasons import reasons_of
from tests.harness.reporting.suites import Ran, rows_of_tests, sum_of_tests
from tests.harness.reporting.worker import OUTPUT_OUTSIDE, OUTPUT_RENDERED, rendered
from tests.harness.running.steps import STEPS, step_of

QUICK_ENOUGH = 2.0
"""Seconds below which a test outside of the matrix gets no line of its own, unless it fails."""

ENOUGH_TESTS = 50
"""Tests from which on a run tells where the processor's time went; smaller ones do with ``--durations``."""

SHOWN_LEFTOVERS = 3

LOG_WIDTH = 160
"""Columns of what is no terminal."""

SHOWN_FIRST = ("Python", "PostgreSQL", "PgBouncer", "Copier")

POSTGRESQL = "the shared PostgreSQL"
WORKERS = "workers outside of tests"
CONTROLLER = "controller, and what it started"


class RunReport:
    """In the process that reports: progress, table, slowest tests, time, failures."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager
        self._keyword = config.option.keyword
        self._wants_durations = config.option.durations is not None
        self._failures = Failures(deciding_arguments(config.option))
        self._processor: dict[str, float] = {}
        self._outside: list[tuple[str, float]] = []
        self._workers_down: dict[str, str] = {}
        self._page = _where_the_page_is(config)
        self._began = datetime.now(UTC)
        self._started = time.perf_counter()
        self._versions: defaultdict[str, set[str]] = defaultdict(set)
        self._rendered: list[Answers] = []
        self.leftovers: list[str] = []
        self._finished = 0
        self._total = 0
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._outcomes: dict[str, str] = {}
        self._coverage: dict[str, dict[str, str]] = {COVERAGE: {}, KIT_COVERAGE: {}}
        self._taken_over: dict[str, str] = {}
        self._suites: dict[str, Ran] = {}
        self._left_out: Counter[str] = Counter()
        self._tables: defaultdict[str, list[tuple[dict[str, str], bool]]] = defaultdict(list)

    @property
    def _terminal(self) -> Any:
        return self._plugins.getplugin("terminalreporter")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._total = len(ids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        # The lines below take the place of dots.
        if report.when == "call" and report.passed:
            return "passed", "", ""
        if report.skipped:
            return "skipped", "", "SKIPPED"
        if report.failed:
            return ("error", "", "ERROR") if report.when in {"setup", "teardown"} else ("failed", "", "FAILED")
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.when == "call" or report.outcome != "passed":
            # A failed teardown outweighs what was said before.
            self._outcomes[report.nodeid] = {"passed": "ok"}.get(report.outcome, report.outcome)
        if report.failed:
            self._note_failure(report)
        if report.skipped and isinstance(report.longrepr, tuple):
            self._left_out[report.longrepr[2].removeprefix("Skipped: ")] += 1
        if report.when not in {"setup", "call"}:  # what has no phase is the end of a worker that crashed
            self._note_properties(report)
            self._finished += 1
            self._write_line(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failures.add(Failure(report.nodeid, reasons_of(report.longrepr), "collection"))

    def pytest_internalerror(self, excrepr: object) -> None:
        self._failures.add(Failure("", [f"error in pytest or a plugin: {reasons_of(excrepr)[0]}"]))

    def _note_failure(self, report: pytest.TestReport) -> None:
        taken_over = tuple(
            other for name, value in report.user_properties if name == TAKEN_OVER for other in str(value).split(", ")
        )
        phase = {"setup": "set-up", "teardown": "teardown"}.get(report.when or "", "")
        self._failures.add(Failure(report.nodeid, reasons_of(report.longrepr), phase, taken_over=taken_over))

    def _note_properties(self, report: pytest.TestReport) -> None:
        properties: dict[str, Any] = dict(report.user_properties)
        for name in self._coverage.keys() & properties.keys():
            self._coverage[name][step_of(report.nodeid)[0]] = str(properties[name])
        if TAKEN_OVER in properties:
            self._taken_over[report.nodeid] = str(properties[TAKEN_OVER])
        if TESTS in properties:
            self._suites[report.nodeid] = Ran.of(properties[TESTS])
        if VERSIONS in properties:
            self.note_versions(properties[VERSIONS])
        if PROCESSOR in properties:
            self._processor[report.nodeid] = float(properties[PROCESSOR])
        if ROW in properties:
            row = properties[ROW]
            self._tables[row["title"]].append((row["cells"], self._outcomes[report.nodeid] == "ok"))

    def _write_line(self, nodeid: str) -> None:
        combination, step = step_of(nodeid)
        seconds, outcome = self._seconds[nodeid], self._outcomes.get(nodeid, "ok")
        if not combination and outcome == "ok" and seconds < QUICK_ENOUGH:
            return
        reason = self._failures.first_reason(nodeid)
        if nodeid in self._taken_over:
            outcome = f"{outcome}  = {self._taken_over[nodeid]}"
        what = f"{combination:<38} {step:<12}" if combination else f"{short(nodeid):<51}"
        count = f"[{self._finished:>{len(str(self._total))}}/{self._total}]"
        colour = {"failed": {"red": True}, "skipped": {"yellow": True}}.get(outcome.partition(" ")[0], {})
        line = f"{count} {what} {seconds:6.1f} s  {outcome}{f': {reason}' if reason else ''}"
        self._terminal.write_line(cut(line, LOG_WIDTH), **colour)
        self._terminal.flush()  # Or nobody sees it in the log of a CI before hundreds have gathered.

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        if error is None:
            output = getattr(node, "workeroutput", {})
            self._rendered += output.get(OUTPUT_RENDERED, [])
            self._outside.append((WORKERS, output.get(OUTPUT_OUTSIDE, 0.0)))
        elif error != "keyboard-interrupt":  # of which it was told before, without an error
            self._workers_down[node.gateway.id] = str(error)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Write what failed below all that pytest and its plugins write, where a log is read first."""
        if exitstatus == pytest.ExitCode.OK and _is_complete(session.config):
            # Whatever the tests' lists claim.
            missing = choices_missing_from([*self._rendered, *rendered()])
            if missing:
                self._failures.add(Failure("", [f"never rendered by any test: {', '.join(missing)}"]))
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        try:
            yield
        finally:
            self._note_workers_down()
            if self._page is not None and (self._outcomes or self._failures):
                write_page(self._record(int(session.exitstatus)), self._page)
            self._write_failures()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self) -> Generator[None, None, None]:
        """Write the tables above the texts of failures."""
        if not self._outcomes:
            if self._keyword:
                self._terminal.write_line(
                    f"No name of a test holds {self._keyword!r}: `uv run poe combinations` prints those of combinations"
                )
            if self._failures:
                self._write_where_the_page_is()
            return (yield)
        self._write_table()
        self._write_tests()
        for title, rows in self._tables.items():
            self._write_rows(title, rows)
        self._write_slowest()
        self._write_processor()
        self._write_about_pgbouncer()
        self._write_left_out()
        yield
        self._write_where_the_page_is()
        wall, cpu = time.perf_counter() - self._started, process_cpu()
        self._terminal.write_line(f"\n{wall:.0f} s of wall time, {cpu:.0f} s of CPU time, {os.cpu_count()} CPUs")

    def _write_where_the_page_is(self) -> None:
        if self._page is not None:
            self._terminal.write_line(f"\nAll of it on one page: {self._page}")

    def note_leftovers(self, found: list[str]) -> None:
        """Remember what the run should have taken away, to say so at its end."""
        self.leftovers += found
        if found:
            more = len(found) - SHOWN_LEFTOVERS
            told = [f"left behind by the run: {leftover}" for leftover in found[:SHOWN_LEFTOVERS]]
            self._failures.add(Failure("", [*told, *([f"and {more} more"] if more > 0 else [])]))

    def note_postgres(self, processor_seconds: float) -> None:
        """Remember what the shared server took of the processor."""
        self._outside.append((POSTGRESQL, processor_seconds))

    def note_versions(self, versions: Mapping[str, str]) -> None:
        """Remember with what was tested. Of one thing there may be several."""
        for name, each in versions.items():
            self._versions[name].add(each)

    def _note_workers_down(self) -> None:
        for worker, error in self._workers_down.items():
            if not self._failures.mention(f"worker {worker!r} crashed"):
                self._failures.add(Failure("", [f"worker {worker} ended: {error}"]))

    def _write_failures(self) -> None:
        if not self._failures:
            return
        # On a terminal no line may take two.
        width = max(shutil.get_terminal_size((LOG_WIDTH, 0)).columns, 80)
        self._terminal.section(f"{len(self._failures)} failed", sep="=", red=True, bold=True)
        for line in self._failures.lines(width):
            self._terminal.write_line(line, red=not line.startswith(" "))
        self._terminal.flush()

    def _write_processor(self) -> None:
        if len(self._outcomes) <= ENOUGH_TESTS and not self._wants_durations:
            return
        self._terminal.section("processor seconds by part", sep="=")
        for line in table_of(self._parts()):
            self._terminal.write_line(line)

    def _parts(self) -> list[Part]:
        parts = [*parts_of(self._processor, self._seconds), *sum_by_name(self._outside)]
        # The server has ended by now, so its time is a part of what this process has waited for.
        rest = process_cpu() - sum(part.processor for part in parts)
        return [*parts, *sum_by_name([(CONTROLLER, rest)])]

    def _write_about_pgbouncer(self) -> None:
        suites = [
            combination
            for nodeid in self._outcomes
            for combination, step in [step_of(nodeid)]
            if step in {"suite", "kit"} and "-pgbouncer-" in combination and nodeid not in self._taken_over
        ]
        if not suites:
            return
        from tests.harness.running.servers import find_pgbouncer  # noqa: PLC0415 - it needs psycopg

        if find_pgbouncer() is None:
            self._terminal.section("PgBouncer is missing", sep="!", red=True, bold=True)
            self._terminal.write_line(
                "NOT TESTED: no PgBouncer was found and none could be installed. Suites that went straight to "
                f"PostgreSQL: {len(suites)}.\nInstall it (apt install pgbouncer), or name it in PGBOUNCER.",
                red=True,
            )
        else:
            self._terminal.write_line(f"\nSuites that went through PgBouncer ({find_pgbouncer()}): {len(suites)}")

    def _write_left_out(self) -> None:
        if self._left_out:
            self._terminal.section("left out", sep="!", red=True, bold=True)
        for reason, number in self._left_out.most_common():
            self._terminal.write_line(f"NOT TESTED, {number} tests: {reason}", red=True)

    def _write_table(self) -> None:
        table: defaultdict[str, dict[str, str]] = defaultdict(dict)
        totals: defaultdict[str, float] = defaultdict(float)
        for nodeid, outcome in self._outcomes.items():
            combination, step = step_of(nodeid)
            if combination:
                mark = {"ok": "", "failed": " FAILED"}.get(outcome, " -")
                taken_over = self._taken_over.get(nodeid)
                # Its seconds are those of waiting for the other.
                told = f"= {taken_over}" if taken_over else f"{self._seconds[nodeid]:.1f}"
                table[combination][step] = f"{told}{mark}"
                totals[combination] += self._seconds[nodeid]
        if not table:
            return
        # They bring Copier along, which takes longer to import than a run without the matrix may take to start.
        from tests.harness.rendering.combinations import combinations  # noqa: PLC0415
        from tests.harness.running.interpreters import find_interpreter, version_for, versions  # noqa: PLC0415

        steps = [step for step in STEPS if any(step in row for row in table.values())]
        widths = {step: max(len(step), *(len(row.get(step, "")) for row in table.values())) for step in steps}
        first = max(map(len, table))
        self._terminal.section("combination x step, seconds", sep="=")
        heads = [f"{step:>{widths[step]}}" for step in steps]
        self._terminal.write_line("  ".join([" " * first, *heads, "  total", "Python", "coverage", "of the kit"]))
        pythons = {str(combination): version_for(combination) for combination in combinations()}
        for combination in sorted(table):
            cells = [f"{table[combination].get(step, ''):>{widths[step]}}" for step in steps]
            failed = any("FAILED" in cell for cell in cells)
            covered, of_kit = (self._coverage[name].get(combination, "") for name in (COVERAGE, KIT_COVERAGE))
            total, python = f"{totals[combination]:7.1f}", f"{pythons[combination]:>6}"
            line = "  ".join([f"{combination:<{first}}", *cells, total, python, f"{covered:>8}", f"{of_kit:>10}"])
            self._terminal.write_line(line, red=failed)
        used = [version for version in versions() if version in {pythons[combination] for combination in table}]
        missing = [version for version in versions() if find_interpreter(version) is None]
        told = f"; not installed here, so not tested: {', '.join(missing)}" if missing else ""
        self._terminal.write_line(f"Python {', '.join(used)}{told}")

    def _write_tests(self) -> None:
        if self._suites:
            self._write_rows("tests of the suites", [(row, True) for row in rows_of_tests(self._suites)])
            self._terminal.write_line(sum_of_tests(self._suites.values()))

    def _write_rows(self, title: str, rows: list[tuple[dict[str, str], bool]]) -> None:
        names = list(rows[0][0])
        widths = {name: max(len(name), *(len(cells[name]) for cells, _ in rows)) for name in names}
        self._terminal.section(title, sep="=")
        # Words to the left, and numbers to the right.
        left = {name for name in names if any(cells[name][:1].isalpha() for cells, _ in rows)}
        for cells, passed in [
            ({name: name for name in names}, True),
            *sorted(rows, key=lambda row: [*row[0].values()][:1]),
        ]:
            line = "  ".join(
                f"{cells[name]:<{widths[name]}}" if name in left else f"{cells[name]:>{widths[name]}}" for name in names
            )
            self._terminal.write_line(line if passed else f"{line}  FAILED", red=not passed)

    def _write_slowest(self) -> None:
        slow = self._slowest()
        if slow:
            self._terminal.section("slowest of the other tests", sep="=")
        for name, seconds in slow:
            self._terminal.write_line(f"{seconds:6.1f} s  {name}")

    def _slowest(self) -> list[tuple[str, float]]:
        others = sorted((nodeid for nodeid in self._seconds if not step_of(nodeid)[0]), key=self._seconds.__getitem__)
        slow = [nodeid for nodeid in reversed(others[-10:]) if self._seconds[nodeid] >= QUICK_ENOUGH]
        return [(short(nodeid), self._seconds[nodeid]) for nodeid in slow]

    def _record(self, exit_code: int) -> RunRecord:
        # Where modules could not be collected, pytest says that it was interrupted as well.
        interrupted = exit_code == pytest.ExitCode.INTERRUPTED and self._outcomes
        passed = exit_code == pytest.ExitCode.OK
        self.note_versions({"Python": platform.python_version(), "Copier": version("copier")})
        rows = self._rows()
        return RunRecord(
            outcome="interrupted" if interrupted else "passed" if passed else "failed",
            began=self._began,
            total=self._total,
            outcomes=Counter(self._outcomes.values()),
            wall=time.perf_counter() - self._started,
            processor=process_cpu(),
            versions={name: ", ".join(sorted(each)) for name, each in sorted(self._versions.items(), key=_first)},
            steps=[step for step in STEPS if any(step in row.steps for row in rows)],
            rows=rows,
            failures=self._failures.told(),
            left_out=dict(self._left_out.most_common()),
            suites=sorted(rows_of_tests(self._suites), key=lambda row: row["combination"]),
            suites_in_sum=sum_of_tests(self._suites.values()) if self._suites else "",
            parts=self._parts(),
            tables=dict(self._tables),
            slowest=self._slowest(),
        )

    def _rows(self) -> list[Row]:
        steps: defaultdict[str, dict[str, Step]] = defaultdict(dict)
        for nodeid, outcome in self._outcomes.items():
            combination, step = step_of(nodeid)
            if combination:
                taken_over = self._taken_over.get(nodeid, "")
                steps[combination][step] = Step(outcome, self._seconds[nodeid], taken_over)
        if not steps:
            return []
        from tests.harness.rendering.combinations import combinations  # noqa: PLC0415 - as above
        from tests.harness.running.interpreters import version_for  # noqa: PLC0415

        pythons = {str(combination): version_for(combination) for combination in combinations()}
        of_owner, of_kit = self._coverage[COVERAGE], self._coverage[KIT_COVERAGE]
        return [
            Row(name, pythons[name], steps[name], of_owner.get(name, ""), of_kit.get(name, ""))
            for name in sorted(steps)
        ]


def _where_the_page_is(config: pytest.Config) -> Path | None:
    """What --report-page says, else a place in pytest's cache, if there is one."""
    asked_for = getattr(config.option, "report_page", None)
    if asked_for:
        return Path(asked_for).absolute()
    cache = getattr(config, "cache", None)
    return None if cache is None else Path(cache.mkdir("report")) / "index.html"


def _first(item: tuple[str, object]) -> int:
    """What was tested with comes before what was installed."""
    name = item[0]
    return SHOWN_FIRST.index(name) if name in SHOWN_FIRST else len(SHOWN_FIRST)


def _is_complete(config: pytest.Config) -> bool:
    chosen = config.option
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not (
        chosen.keyword
        or chosen.markexpr
        or chosen.collectonly
        or chosen.maxfail
        or getattr(chosen, "lf", False)
        or getattr(chosen, "combination", None)
    )
