"""Where the time of a request goes: the default service and the reference under load, sampled by py-spy."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil

from benchmarks.arena import Arena, open_arena
from benchmarks.generated import generated
from benchmarks.handwritten import reference
from benchmarks.load import install_wrk
from benchmarks.machine import describe
from benchmarks.markdown import listed, origin, table
from benchmarks.progress import Progress
from benchmarks.results import results_folder, write_results
from benchmarks.runs import begun
from benchmarks.serving import Served, serve
from benchmarks.workloads import TITLES, Timing, measure
from tests.harness.running.commands import run

WORKLOADS = ("get", "list", "post", "patch")

_CONNECTIONS = 64
_RATE = 250  # samples per second

_PARTS = {
    "uvicorn, httptools": r"uvicorn/",
    "Starlette": r"starlette/",
    "FastAPI, and pydantic called by it": r"(fastapi|pydantic)/",
    "SQLAlchemy": r"sqlalchemy/",
    "asyncpg": r"asyncpg/",
    "structlog, and the service's logs": r"(structlog/|app/kit/logs)",
    "metrics": r"(prometheus_client/|app/kit/http/metrics)",
    "the service's middleware and routes": r"app/kit/(http|idempotency|routing)",
    "the service's database layer": r"app/kit/database/",
    "endpoints and queries": r"(app|apps)/",
}
"""What a frame belongs to, by the first pattern that its file matches."""

_LOOP = "the loop: uvloop, sockets, asyncpg's protocol"
"""What has no frames of its own: it is seen as the function that runs the loop."""


def measure_profile(options: argparse.Namespace) -> None:
    """Profile each workload; write a table of what takes how much of a request."""
    install_wrk()
    results = results_folder(quick=options.quick)
    seconds = 2 if options.quick else 5 * options.seconds
    with ExitStack() as stack:
        folder, template, service = stack.enter_context(begun())
        contenders = [generated(template)[0], reference(service)]
        progress = Progress(2 * len(contenders) * len(WORKLOADS))
        arena = stack.enter_context(open_arena(folder, template, service, contenders, progress))
        serving = [stack.enter_context(serve(each, arena.starts[each.name], arena.place(each))) for each in contenders]
        costs = {
            name: {each.contender.name: _profile(name, each, arena, seconds, progress) for each in serving}
            for name in WORKLOADS
        }
        _write(results, describe(service, arena.database_url), costs)
    progress.say(f"written to {results}")


def _profile(name: str, served: Served, arena: Arena, seconds: int, progress: Progress) -> dict[str, float]:
    """Return the microseconds of processor time that each part takes of a request.

    How long a request takes is measured without the profiler, which slows the service down; how it is divided, with it.
    """

    def load(turn: int) -> float:
        timing = Timing(seconds, longest=seconds)
        measured = measure(turn, name, served, arena, connections=_CONNECTIONS, timing=timing)
        progress.show(served.contender.name, TITLES[name], measured)
        return measured.processor_us or 0

    each = load(1)
    worker = max(served.live.process.descendants(), key=lambda process: sum(process.cpu_times()[:2]))
    with ThreadPoolExecutor(1) as thread:
        profile = thread.submit(_samples, worker, seconds, arena.folder / f"{name}.profile")
        load(2)
        samples = profile.result()
    return {part: each * number / samples.total() for part, number in samples.items()}


def _samples(worker: psutil.Process, seconds: int, file: Path) -> Counter[str]:
    """Count the samples in which each part was at work."""
    command = Path(sys.executable).with_name("py-spy")
    options = ("--rate", str(_RATE), "--duration", str(seconds), "--format", "raw", "--output", str(file))
    run(command, "record", "--pid", str(worker.pid), *options, cwd=file.parent)
    samples = Counter[str]()
    for line in file.read_text(encoding="utf-8").splitlines():
        stack, _, number = line.rpartition(" ")
        samples[_part(re.findall(r"\(([^()]+):\d+\)", stack))] += int(number)
    return samples


def _part(files: list[str]) -> str:
    """What was at work: whoever called last into the standard library, and the loop itself if nobody did."""
    if files and files[-1].endswith("asyncio/runners.py"):
        return _LOOP
    for file in reversed(files):
        for part, pattern in _PARTS.items():
            if re.search(rf"(^|/){pattern}", file):
                return part
    return _LOOP


def _write(folder: Path, machine: Mapping[str, str], costs: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Write a table for each workload; ``costs`` has the microseconds of each part by workload and contender."""
    lines = [
        "# Where the time of a request goes\n",
        f"{origin('profile')} Microseconds of processor time of one request, with {_CONNECTIONS}",
        "connections, by whose code was at work.\n",
        listed(machine),
    ]
    for name, contenders in costs.items():
        rows = [[part, *(f"{each.get(part, 0):.0f}" for each in contenders.values())] for part in (_LOOP, *_PARTS)]
        rows.append(["all", *(f"{sum(each.values()):.0f}" for each in contenders.values())])
        lines += [f"## {TITLES[name]}\n", table(["", *(f"`{each}`" for each in contenders)], rows)]
    write_results(folder, "profile", {"machine": machine, "microseconds": costs}, "\n".join(lines))
