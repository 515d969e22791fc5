"""Whatever a test starts ends with it, in whatever way it ends."""

from __future__ import annotations

import signal
import sys

import psutil
import pytest

from tests.harness.rendering.questions import ROOT
from tests.harness.running.processes import running, still_alive

RUN = "import pathlib, sys; from tests.harness.running.commands import run; run(*sys.argv[1:], cwd=pathlib.Path())"
RUNNING = """
import pathlib, sys, time
from tests.harness.running.processes import running
with running(*sys.argv[1:], cwd=pathlib.Path(), env={}):
    time.sleep(600)
"""


@pytest.mark.parametrize("script", [RUN, RUNNING], ids=["to its end", "for a while"])
def test_command_ends_when_whoever_runs_it_is_killed(script: str) -> None:
    with running(sys.executable, "-c", script, "sleep", "600", cwd=ROOT, env={}) as runner:

        def sleeping() -> list[psutil.Process]:
            return [process for process in runner.descendants() if "sleep" in process.cmdline()[:1]]

        found = runner.wait_for("the command", sleeping)
        runner.signal(signal.SIGKILL)
        assert not still_alive(found, 10)
