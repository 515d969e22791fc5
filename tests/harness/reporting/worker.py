"""What a process that runs tests tells the one that reports."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pytest

from tests.harness.rendering.questions import Answers
from tests.harness.reporting.processor import process_cpu
from tests.harness.reporting.properties import PROCESSOR
from tests.harness.running.commands import CommandFailedError

OUTPUT_RENDERED = "rendered"
"""What was rendered, in the output of a worker."""

OUTPUT_OUTSIDE = "processor seconds outside of tests"
"""What a worker took to start, to collect and to end."""


def rendered() -> list[Answers]:
    """What this process rendered: nothing, if it has not even imported what renders, which takes a second."""
    template = sys.modules.get("tests.harness.rendering.template")
    return [] if template is None else template.RENDERED


class WorkerReport:
    """Failed commands without a traceback, the processor's time of each test, and a record of what was rendered."""

    def __init__(self) -> None:
        self._before = 0.0
        self._in_tests = 0.0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        self._before = process_cpu()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, CommandFailedError):
            report.longrepr = str(call.excinfo.value)
        if report.when == "teardown":
            # With its children, of which those count that were waited for.
            taken = process_cpu() - self._before
            self._in_tests += taken
            report.user_properties.append((PROCESSOR, taken))
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[OUTPUT_RENDERED] = rendered()
            output[OUTPUT_OUTSIDE] = process_cpu() - self._in_tests
