"""Load by wrk, a load generator that costs little of the machine it shares with what it measures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

from tests.harness.running.commands import run
from tests.harness.running.servers import install_package

SCRIPTS = Path(__file__).with_name("lua")

_TIMEOUT = 30  # seconds that wrk waits for an answer


class WrkMissingError(RuntimeError):
    """There is no wrk, and it may not be installed."""


class Load(NamedTuple):
    """What wrk counted.

    Attributes:
        answers: How many there were.
        per_second: Answers in a second.
        p50_ms: The median of the latencies, in milliseconds.
        p99_ms: The latency that one of a hundred requests exceeds, in milliseconds.
        refused: Answers with a status of 400 or more.
        broken: Requests without an answer.
    """

    answers: int
    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int


def install_wrk() -> None:
    """Look for wrk, and install the distribution's package where that is allowed. Raises WrkMissingError."""
    if shutil.which("wrk") is None:
        install_package("wrk")
    if shutil.which("wrk") is None:
        raise WrkMissingError("The load generator wrk is not on PATH. On Debian: `apt-get install wrk`.")


def run_wrk(url: str, script: str, arguments: list[str], *, connections: int, seconds: int) -> Load:
    """Send the requests of a script over so many connections; one thread of wrk is enough for any contender."""
    result = run(
        *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"),
        *("--timeout", f"{_TIMEOUT}s", "--script", script, url, "--", *arguments),
        cwd=SCRIPTS,
        timeout=seconds + 2 * _TIMEOUT,
    )
    counted = json.loads(result.output.rstrip().splitlines()[-1])
    return Load(
        answers=counted["requests"],
        per_second=counted["requests"] / counted["seconds"],
        p50_ms=counted["p50_ms"],
        p99_ms=counted["p99_ms"],
        refused=counted["refused"],
        # One that answers nothing in all that time has broken every connection, though wrk would go on waiting.
        broken=counted["broken"] if counted["requests"] else connections,
    )
