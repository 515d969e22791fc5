"""What a service's AGENTS.md lists as commands works, in its order."""

from __future__ import annotations

import re
import shlex
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import pytest

from tests.harness.rendering.questions import Answers
from tests.harness.rendering.snapshot import A_PERSON, TAG
from tests.harness.rendering.template import Template
from tests.harness.running.developing import call, developing
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.processes import Running, still_alive
from tests.harness.running.services import Environments, Service
from tests.harness.updating.updates import begin_service

pytestmark = pytest.mark.slow

SERVICES: dict[str, Answers] = {
    "postgres": {"driver": "psycopg", "data_access": "direct"},
    "sqlite": {"driver": "aiosqlite", "example": False},
}

SERVES = "uv run poe dev"
"""It is still running while what is listed after it is typed."""

SUITES = ("uv run pytest", "uv run poe test-kit")
"""Each combination runs these whole. Here they show that they would start: they collect their tests."""

CHECKS = "uv run poe check"
"""It takes long without what mypy has found out before."""

REVISES = "uv run poe revision"
"""`poe dev` migrates by itself when there is a new revision, and not at once."""


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest, template: Template, environments: Environments) -> Iterator[Service]:
    """A service as it was committed first, in a folder that PostgreSQL's user can enter."""
    answers = SERVICES[request.param]
    folder = Path(tempfile.mkdtemp(prefix="template-tests-"))
    folder.chmod(0o755)
    begin_service(template, folder / "service", answers, TAG)
    with environments.borrow(f"{answers['driver']}-{OWN_VERSION}") as environment:
        yield Service(folder / "service", environment, variables=A_PERSON, answers=answers)
    rmtree(folder)


def listed(service: Service) -> list[str]:
    """The lines of the block of commands."""
    page = service.folder.joinpath("AGENTS.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```bash\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [line for line in block.splitlines() if line]


@dataclass
class Agent:
    """Someone who types the commands one after the other."""

    service: Service
    environments: Environments
    dev: Running | None = None

    def types(self, line: str) -> None:
        """Type a command, in another terminal than the one in which `poe dev` goes on, and wait until it is done."""
        if line in SUITES:
            said = self.service.run("bash", "-c", f"{line} --collect-only --quiet --numprocesses 0").output
            assert re.search(r"^\d+ tests collected in ", said, re.MULTILINE), said
        elif line == CHECKS:
            with self.environments.mypy_cache() as cache:
                self.service.run("bash", "-c", line, env={"MYPY_CACHE_DIR": str(cache)})
        else:
            self.service.run("bash", "-c", line)
        if line.startswith(REVISES) and (dev := self.dev) is not None:
            message = shlex.split(line)[-1]
            dev.wait_for("the migration", lambda: re.search(f"Running upgrade .*{message}", dev.output))


def test_commands_for_agents_work_in_their_order(service: Service, environments: Environments) -> None:
    lines = listed(service)
    assert {SERVES, CHECKS, *SUITES} <= {*lines}
    assert any(line.startswith(REVISES) for line in lines)
    agent = Agent(service, environments)
    before, after = lines[: lines.index(SERVES)], lines[lines.index(SERVES) + 1 :]
    for line in before:
        agent.types(line)
    with developing(service) as (agent.dev, base):
        assert "swagger" in call(f"{base}/docs")[1].lower()
        for line in after:
            agent.types(line)
        processes = agent.dev.descendants()
        agent.dev.signal(signal.SIGINT)
        assert still_alive(processes, 60) == [], agent.dev.output
