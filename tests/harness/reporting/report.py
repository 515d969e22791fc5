"""What the run says: a line for each finished step while it goes on, and a table at its end."""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from tests.harness.rendering.combinations import combinations
from tests.harness.rendering.questions import Answers, choices_missing_from
from tests.harness.rendering.template import RENDERED
from tests.harness.running.commands import CommandFailedError
from tests.harness.running.interpreters import find_interpreter, version_for, versions
from tests.harness.running.servers import find_pgbouncer
from tests.harness.running.steps import STEPS, step_of

QUICK_ENOUGH = 2.0
"""Seconds below which a test outside of the matrix gets no line of its own, unless it fails."""

COVERAGE = "coverage"
"""The property in which the test of the owner's suite records the coverage; a column of the table."""

KIT_COVERAGE = "coverage of the kit"
"""The property in which the test of the kit's suite does; the last column."""

TAKEN_OVER = "taken over"
"""The property in which a test of the kit names the combination whose result it has taken over."""

_RENDERED = "rendered"


_ROW = "row of a table"


def table_row(title: str, row: Mapping[str, object]) -> tuple[str, object]:
    """The property by which a test adds a row to a table that is printed at the end of the run."""
    return _ROW, {"title": title, "cells": {name: str(cell) for name, cell in row.items()}}


def process_cpu() -> float:
    """CPU seconds of this process and of all below it that have ended, such as xdist's workers and their commands."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class WorkerReport:
    """In the process that runs tests: failed commands without a traceback, and a record of what was rendered."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, CommandFailedError):
            report.longrepr = str(call.excinfo.value)
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_RENDERED] = RENDERED


class RunReport:
    """In the process that reports: progress, table, slowest tests, time."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager
        self._started = time.perf_counter()
        self._rendered: list[Answers] = []
        self._never_rendered: list[str] = []
        self.leftovers: list[str] = []
        self._finished = 0
        self._total = 0
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._outcomes: dict[str, str] = {}
        self._coverage: dict[str, dict[str, str]] = {COVERAGE: {}, KIT_COVERAGE: {}}
        self._taken_over: dict[str, str] = {}
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
            return ("failed", "", "FAILED") if report.when == "call" else ("error", "", "ERROR")
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.when == "call" or report.outcome != "passed":
            # A failed teardown outweighs what was said before.
            self._outcomes[report.nodeid] = {"passed": "ok"}.get(report.outcome, report.outcome)
        if report.when == "teardown":
            self._note_properties(report)
            self._finished += 1
            self._write_line(report.nodeid)

    def _note_properties(self, report: pytest.TestReport) -> None:
        properties: dict[str, Any] = dict(report.user_properties)
        for name in self._coverage.keys() & properties.keys():
            self._coverage[name][step_of(report.nodeid)[0]] = str(properties[name])
        if TAKEN_OVER in properties:
            self._taken_over[report.nodeid] = str(properties[TAKEN_OVER])
        if _ROW in properties:
            row = properties[_ROW]
            self._tables[row["title"]].append((row["cells"], self._outcomes[report.nodeid] == "ok"))

    def _write_line(self, nodeid: str) -> None:
        combination, step = step_of(nodeid)
        seconds, outcome = self._seconds[nodeid], self._outcomes.get(nodeid, "ok")
        if not combination and outcome == "ok" and seconds < QUICK_ENOUGH:
            return
        if nodeid in self._taken_over:
            outcome = f"{outcome}  = {self._taken_over[nodeid]}"
        what = f"{combination:<38} {step:<12}" if combination else f"{_short(nodeid):<51}"
        count = f"[{self._finished:>{len(str(self._total))}}/{self._total}]"
        colour = {"failed": {"red": True}, "skipped": {"yellow": True}}.get(outcome.partition(" ")[0], {})
        self._terminal.write_line(f"{count} {what} {seconds:6.1f} s  {outcome}", **colour)
        self._terminal.flush()  # Or nobody sees it in the log of a CI before hundreds have gathered.

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {})
        self._rendered += output.get(_RENDERED, [])

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail a complete run in which some choice was never rendered, whatever the tests' lists claim."""
        if exitstatus == pytest.ExitCode.OK and _is_complete(session.config):
            self._never_rendered = choices_missing_from([*self._rendered, *RENDERED])
            if self._never_rendered:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self) -> Generator[None, None, None]:
        """Write the tables above the reasons for failures: these stand at the end, where a log is read first."""
        if not self._outcomes:
            return (yield)
        self._write_table()
        for title, rows in self._tables.items():
            self._write_rows(title, rows)
        self._write_slowest()
        self._write_about_pgbouncer()
        yield
        self._write_failures_of_the_run()
        wall, cpu = time.perf_counter() - self._started, process_cpu()
        self._terminal.write_line(f"\n{wall:.0f} s of wall time, {cpu:.0f} s of CPU time, {os.cpu_count()} CPUs")

    def note_leftovers(self, found: list[str]) -> None:
        """Remember what the run should have taken away, to say so at its end."""
        self.leftovers += found

    def _write_failures_of_the_run(self) -> None:
        if self._never_rendered:
            self._terminal.write_line(
                f"FAILED: never rendered by any test: {', '.join(self._never_rendered)}", red=True
            )
        for leftover in self.leftovers:
            self._terminal.write_line(f"FAILED: left behind by the run: {leftover}", red=True)

    def _write_about_pgbouncer(self) -> None:
        suites = [
            combination
            for nodeid in self._outcomes
            for combination, step in [step_of(nodeid)]
            if step in {"suite", "kit"} and "-pgbouncer-" in combination and nodeid not in self._taken_over
        ]
        if suites and find_pgbouncer() is None:
            self._terminal.section("PgBouncer is missing", sep="!", red=True, bold=True)
            self._terminal.write_line(
                "NOT TESTED: no PgBouncer was found and none could be installed. Suites that went straight to "
                f"PostgreSQL: {len(suites)}.\nInstall it (apt install pgbouncer), or name it in PGBOUNCER.",
                red=True,
            )
        elif suites:
            self._terminal.write_line(f"\nSuites that went through PgBouncer ({find_pgbouncer()}): {len(suites)}")

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
        missing = [version for version in versions() if find_interpreter(version) is None]
        if missing:
            self._terminal.write_line(f"Not installed here, so not tested: Python {', '.join(missing)}")

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
        others = sorted((nodeid for nodeid in self._seconds if not step_of(nodeid)[0]), key=self._seconds.__getitem__)
        slow = [nodeid for nodeid in reversed(others[-10:]) if self._seconds[nodeid] >= QUICK_ENOUGH]
        if slow:
            self._terminal.section("slowest of the other tests", sep="=")
        for nodeid in slow:
            self._terminal.write_line(f"{self._seconds[nodeid]:6.1f} s  {_short(nodeid)}")


def _is_complete(config: pytest.Config) -> bool:
    chosen = config.option
    return config.args_source is not pytest.Config.ArgsSource.ARGS and not (
        chosen.keyword or chosen.markexpr or chosen.collectonly or chosen.maxfail or getattr(chosen, "lf", False)
    )


def _short(nodeid: str) -> str:
    path, _, name = nodeid.partition("::")
    return f"{path.removeprefix('tests/').removesuffix('.py')} {name.replace('::', ' ')}"
