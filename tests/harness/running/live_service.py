"""A rendered service at work: installed, migrated, and served by the command of its own image on a port of its own."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage
from pathlib import Path
from typing import Any

import psutil

from tests.harness.rendering.questions import Answers, Choice, questions
from tests.harness.rendering.template import Template
from tests.harness.running.interpreters import OWN_VERSION
from tests.harness.running.processes import Running, free_port, running, still_alive
from tests.harness.running.servers import scratch_database
from tests.harness.running.services import Environments, Service

HOST = "127.0.0.1"
GONE_WITHIN = 60.0  # seconds; the service gives requests under way 20 of them


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class LiveService:
    """A service that was started by :func:`serve`."""

    def __init__(self, process: Running, port: int) -> None:
        self.process = process
        self.port = port
        self._last_output: str | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def output(self) -> str:
        """What was printed so far, on either stream; after :meth:`stop`, all of it."""
        return self.process.output if self._last_output is None else self._last_output

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float = 60,  # seconds
    ) -> Answer:
        """Send one request over a connection of its own. A body that is not bytes is sent as JSON.

        Raises:
            OSError: The service cannot be reached, or does not answer in time.
            HTTPException: What came back is no answer, as when the connection was cut.
        """
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether `/health/ready` answers 200."""
        return self._status("/health/ready") == 200

    def is_alive(self) -> bool:
        """Whether `/health/live` answers 200, for which no database is needed."""
        return self._status("/health/live") == 200

    def wait_until_ready(self, seconds: float = 120) -> None:
        """Fail with the output if the service is not ready in time."""
        self.process.wait_for("/health/ready answers 200", self.is_ready, seconds)

    def resident_memory(self) -> int:
        """Bytes of memory that its processes hold together, pages that they share counted once for each."""
        return int(self.process.total(lambda process: process.memory_info().rss))

    def open_files(self) -> int:
        """How many files and sockets its processes have open."""
        return int(self.process.total(psutil.Process.num_fds))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask the service to end, as an orchestrator does, and fail if a process is left. May be called again."""
        processes = self.process.descendants()
        if processes:
            with suppress(psutil.NoSuchProcess):
                processes[0].send_signal(number)
        left = still_alive(processes, GONE_WITHIN)
        if self._last_output is None:
            self._last_output = self.process.output
        assert left == [], f"still there {GONE_WITHIN} s after {number.name}: {left}\n\n{self.output}"

    def _status(self, path: str) -> int:
        try:
            return self.call("GET", path, timeout=10).status
        except (OSError, HTTPException):
            return 0


@contextmanager
def installed(template: Template, environments: Environments, folder: Path, answers: Answers) -> Iterator[Service]:
    """Render a service into a folder that does not exist yet, and install it into an environment that it borrows."""
    driver = answers.get("driver", questions()["driver"].choices[0])
    with environments.borrow(f"{driver}-{OWN_VERSION}") as environment:
        service = Service(template.render_to(folder, answers), environment)
        service.install()
        yield service


@contextmanager
def installed_with_database(
    template: Template, environments: Environments, folder: Path, driver: str, **others: Choice
) -> Iterator[tuple[Service, str]]:
    """Install a service for a driver, and give it an empty database, of which the URL is the second thing returned."""
    answers: Answers = {"driver": driver, **others}
    with installed(template, environments, folder, answers) as service, ExitStack() as stack:
        sqlite = f"sqlite:///{folder}/service.db"
        yield service, sqlite if driver == "aiosqlite" else stack.enter_context(scratch_database())


def migrate(service: Service, env: Mapping[str, str]) -> None:
    """Bring the database that ``DATABASE_URL`` in ``env`` names to the newest revision."""
    service.uv_run("alembic", "upgrade", "head", env=env)


def command_of_image(service: Service) -> list[str]:
    """The command with which the service's Dockerfile starts it."""
    text = service.folder.joinpath("Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    words = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    command: list[str] = json.loads(words[-1])
    return command


def health_checks(service: Service, port: int) -> dict[str, list[str]]:
    """The commands by which containers ask how the service is, for a port of this machine, by the file they are in."""
    found = {}
    for file, pattern in (
        ("Dockerfile", r'HEALTHCHECK .*CMD \["python", "-c", "(.*)"\]$'),
        ("compose.yaml", r'test: \[CMD, python, -c, "(.*)"\]$'),
    ):
        text = service.folder.joinpath(file).read_text(encoding="utf-8").replace("\\\n", "")
        (script,) = re.findall(pattern, text, re.MULTILINE)
        assert ":8000/" in script
        found[file] = [service.program("python"), "-c", script.replace(":8000/", f":{port}/")]
    return found


def serving_command(service: Service, port: int, workers: int = 1) -> list[str]:
    """The command of the image, for a port of this machine and a number of processes."""
    program, *words = command_of_image(service)
    words[words.index("--host") + 1] = HOST
    words[words.index("--port") + 1] = str(port)
    return [service.program(program), *words, *(["--workers", str(workers)] if workers > 1 else [])]


@contextmanager
def serve(
    service: Service, env: Mapping[str, str], *, workers: int = 1, port: int | None = None, wait: bool = True
) -> Iterator[LiveService]:
    """Run an installed service until the end of the block, then stop it and fail if a process is left.

    Args:
        service: From :func:`installed`.
        env: Its settings, as variables of the environment; nothing is inherited from the test run.
        workers: How many processes serve.
        port: Where it listens; by default a port that nobody uses.
        wait: Whether to wait until it is ready. Without, it may not even have begun to listen.
    """
    port = port or free_port()
    command = serving_command(service, port, workers)
    with running(*command, cwd=service.folder, env={"PYTHONUNBUFFERED": "1", **env}) as process:
        live = LiveService(process, port)
        if wait:
            live.wait_until_ready()
        try:
            yield live
        finally:
            live.stop()
