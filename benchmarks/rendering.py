"""What rendering costs: ``copier copy`` and ``copier update``, beside a minimal template and other generators."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.costs import Cost, Costs, timed, write_costs
from benchmarks.machine import describe_machine
from benchmarks.peers import fullstack, s3rius
from benchmarks.peers.projects import uv
from benchmarks.peers.versions import FULLSTACK, S3RIUS
from benchmarks.results import RESULTS
from tests.harness.rendering.releases import releases
from tests.harness.rendering.snapshot import TAG, commit_everything, git
from tests.harness.rendering.template import Template
from tests.harness.running.commands import run

MINIMAL = "minimal template"
"""What every time is compared with: Copier's own work, for one question and one file."""

_MINIMAL_FILES = {
    "copier.yml": "project_name: {type: str, default: My Service}\n",
    "README.md.jinja": "# {{ project_name }}\n",
    "{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers|to_nice_yaml }}\n",
}

_COPIES = 5
"""Copies that one process makes, after a first one for which it imports and compiles."""

_COPY_IN_PROCESS = """
import json, resource, sys, time
from copier import run_copy

def now():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(usage.ru_utime + usage.ru_stime for usage in usages)

template, tag, folder, copies = sys.argv[1:]
for number in range(int(copies) + 1):
    if number == 1:
        started = now()
    run_copy(template, f"{folder}/{number}", vcs_ref=tag, defaults=True, quiet=True)
print(json.dumps([(after - before) / int(copies) for before, after in zip(started, now())]))
"""


@dataclass(frozen=True)
class _Task:
    """Something that is timed, in a folder of its own."""

    name: str
    run: Callable[[Path], Cost]


def measure_rendering(options: argparse.Namespace) -> None:
    """Time every task in turns; write a table."""
    rounds = 2 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(prefix="template-benchmarks-") as name:
        folder = Path(name)
        print("making the templates, and installing the generators", flush=True)
        tasks = list(_tasks(folder))
        costs: Costs = {task.name: [] for task in tasks}
        for turn in range(1, rounds + 1):
            for number, task in enumerate(tasks if turn % 2 else tasks[::-1]):
                place = folder / "work" / f"{turn}-{number}"
                place.mkdir(parents=True)
                costs[task.name].append(cost := task.run(place))
                shutil.rmtree(place)
                print(f"[{turn}/{rounds}] {task.name:<42} {cost.wall:7.2f} s  {cost.cpu:7.2f} CPU-s", flush=True)
    write_costs("rendering", describe_machine(), costs, MINIMAL)
    print(f"written to {RESULTS}", flush=True)


def _tasks(folder: Path) -> Iterator[_Task]:
    template = Template(folder).repository
    minimal = folder / "minimal"
    minimal.mkdir()
    git(minimal, "init", "--quiet")
    for name, text in _MINIMAL_FILES.items():
        minimal.joinpath(name).write_text(text, encoding="utf-8")
    commit_everything(minimal, "A minimal template", TAG)
    yield _Task(MINIMAL, partial(_copy, minimal))
    yield _Task("this template", partial(_copy, template))
    yield _Task(f"{MINIMAL}, in process", partial(_copy_in_process, minimal))
    yield _Task("this template, in process", partial(_copy_in_process, template))
    service = folder / "service"
    oldest = releases()[0].tag
    run(_copier(), "copy", "--quiet", "--defaults", "--vcs-ref", oldest, template, service, cwd=folder)
    git(service, "init", "--quiet")
    commit_everything(service, "A service", "made")
    yield _Task(f"update from {oldest}", partial(_update, service))
    for requirement, options in ((S3RIUS, s3rius.OPTIONS), (FULLSTACK, fullstack.OPTIONS)):
        name = requirement.partition("==")[0]
        environment = folder / name
        uv("venv", "--quiet", str(environment), cwd=folder)
        uv("pip", "install", "--quiet", "--python", str(environment), "--compile-bytecode", requirement, cwd=folder)
        yield _Task(requirement, partial(timed, [str(environment / "bin" / name), *options]))


def _copier() -> Path:
    return Path(sys.executable).with_name("copier")


def _copy(template: Path, place: Path) -> Cost:
    words = [str(_copier()), "copy", "--quiet", "--defaults", "--vcs-ref", TAG, str(template), "service"]
    return timed(words, place)


def _copy_in_process(template: Path, place: Path) -> Cost:
    words = [sys.executable, "-c", _COPY_IN_PROCESS, str(template), TAG, str(place), str(_COPIES)]
    wall, cpu = json.loads(run(*words, cwd=place).output.splitlines()[-1])
    return Cost(wall, cpu)


def _update(service: Path, place: Path) -> Cost:
    shutil.copytree(service, place / "service", symlinks=True)
    words = [str(_copier()), "update", "--quiet", "--defaults", "--vcs-ref", TAG]
    return timed(words, place / "service")
