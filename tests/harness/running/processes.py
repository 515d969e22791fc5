"""Long-running commands, and proof that they leave nothing behind."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import psutil

from tests.harness.running.commands import command_line, last_lines, supervised

T = TypeVar("T")


class Running:
    """A command that goes on, in a process group of its own, as in a terminal of its own."""

    def __init__(self, process: Any, described: str, output: IO[bytes]) -> None:
        self._process = process
        self._described = described
        self._output = output

    @property
    def output(self) -> str:
        """What was printed so far."""
        return Path(self._output.name).read_text(encoding="utf-8", errors="replace")

    def descendants(self) -> list[psutil.Process]:
        """The command and all processes below it, those in sessions of their own included."""
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        return []

    def total(self, measured: Callable[[psutil.Process], float]) -> float:
        """Sum up what is measured of the command and of all processes below it, but for those that end meanwhile."""
        total = 0.0
        for process in self.descendants():
            with suppress(psutil.NoSuchProcess):
                total += measured(process)
        return total

    def wait_for(self, what: str, probe: Callable[[], T | None], seconds: float = 60) -> T:
        """Ask again and again until there is an answer; fail with the output when there is none in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = probe()
            if answer:
                return answer
            assert self._process.running(), f"it ended before {what}: {self._described}\n\n{last_lines(self.output)}"
            time.sleep(0.1)
        raise AssertionError(f"{what}: not within {seconds} s: {self._described}\n\n{last_lines(self.output)}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, as a terminal does."""
        os.killpg(self._process.pid, number)


@contextmanager
def running(*command: str | Path, cwd: Path, env: Mapping[str, str]) -> Iterator[Running]:
    """Start a command; kill what is left of it at the end, or when this process ends in any other way."""
    words = [str(word) for word in command]
    with (
        tempfile.NamedTemporaryFile() as output,
        supervised(words, cwd=cwd, env=env, log=output) as process,
    ):
        started = Running(process, command_line(words, cwd, env), output)
        try:
            yield started
        finally:
            for each in started.descendants():
                with suppress(psutil.NoSuchProcess):
                    each.kill()


def still_alive(processes: list[psutil.Process], seconds: float) -> list[str]:
    """Wait for processes to end; describe those that did not."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [str(process) for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def data_folders(processes: list[psutil.Process]) -> set[Path]:
    """The folders of the PostgreSQL servers among these processes."""
    folders = set()
    for process in processes:
        with suppress(psutil.Error):
            words = process.cmdline()
            folders |= {Path(after) for flag, after in itertools.pairwise(words) if flag == "-D"}
    return folders


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])
