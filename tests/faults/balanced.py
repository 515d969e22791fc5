"""Three services behind a balancer, as the service's own documents set it up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.stack import TIMEOUTS, Stack
from tests.harness.running.live_service import HOST, LiveService, serve
from tests.harness.running.processes import Running, free_port, running
from tests.harness.running.servers import install_package

REPLICAS = 3

DRAIN = 5
"""Seconds, as the documents say it."""

NOTICED_AFTER = 3.0
"""Seconds after which a balancer that asks every second sends requests to a service that is there again."""

_PROGRAMS = {"haproxy": "haproxy", "nginx": "nginx-light"}
"""Balancers, and the packages of the distribution that they are in."""

_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin"

_ADDRESS = re.compile(r"10\.0\.0\.(\d):8000")

# What belongs to the machine, and not to the service.
_AROUND = {
    "haproxy": "global\n  maxconn 1000\n{text}",
    "nginx": (
        "{user}daemon off; pid nginx.pid; error_log stderr warn; events {{ worker_connections 512; }}\n"
        "http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
        "uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n{text}}}"
    ),
}
_COMMANDS = {
    "haproxy": ("-db", "-f", "configuration"),
    "nginx": ("-p", ".", "-c", "configuration"),
}


def find_balancer(name: str) -> str | None:
    """Find a balancer, after an attempt to install the distribution's package where that is allowed."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        install_package(_PROGRAMS[name])
        found = shutil.which(name, path=_PATH)
    return found


def documented(service: Path, name: str) -> str:
    """The configuration of a balancer in the documents of a service."""
    text = service.joinpath("docs/scaling.md").read_text(encoding="utf-8")
    (configuration,) = re.findall(rf"^```{name}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(configuration)


class BalancedStack(Stack):
    """Three services of one process each, which end slowly enough for a balancer to notice."""

    lives: list[LiveService]
    balancer: Running
    port: int

    def start_serving(self) -> None:
        """Start all of them."""
        # Nothing is to fail, so nothing has to fail soon.
        patient = {name: 10 * seconds for name, seconds in TIMEOUTS.items()}
        self.settings = {**self.settings, **patient, "DRAIN_SECONDS": DRAIN}
        self._parts = [ExitStack() for _ in range(REPLICAS)]
        self._ports = [free_port() for _ in range(REPLICAS)]
        self.lives = [self._start(number) for number in range(REPLICAS)]
        self.live = self.lives[0]

    def stop_serving(self) -> None:
        """Stop all of them at the same time."""
        for live in self.lives:
            # The second time, which is when it is stopped, ends what it serves until then.
            live.process.descendants()[0].terminate()
        for part in self._parts:
            part.close()

    def restart_one_by_one(self) -> None:
        """Restart each when the one before serves again."""
        for number in range(REPLICAS):
            self._parts[number].close()
            self.lives[number] = self._start(number)
            time.sleep(NOTICED_AFTER)

    @contextmanager
    def behind(self, name: str, configuration: str, folder: Path) -> Iterator[str]:
        """Run a balancer in front of them, and give the URL at which it listens."""
        program = find_balancer(name)
        assert program is not None, f"{name} is missing, and could not be installed"
        port = free_port()
        text = _ADDRESS.sub(lambda found: f"{HOST}:{self._ports[int(found[1]) - 1]}", configuration)
        text = re.sub(r"^(\s*(?:bind|listen) )\S*?80(;?)$", rf"\g<1>{HOST}:{port}\2", text, flags=re.MULTILINE)
        assert f"{HOST}:{port}" in text
        user = "user root; " if os.geteuid() == 0 else ""
        folder.joinpath("configuration").write_text(_AROUND[name].format(text=text, user=user), encoding="utf-8")
        with running(program, *_COMMANDS[name], cwd=folder, env={}) as process:
            live = LiveService(process, port)
            live.wait_until_ready()
            # All of them, not the first.
            time.sleep(NOTICED_AFTER)
            yield live.url

    def _start(self, number: int) -> LiveService:
        return self._parts[number].enter_context(serve(self.service, self.environment, port=self._ports[number]))


def version_of(name: str) -> str:
    """What a balancer says about itself."""
    program = find_balancer(name)
    assert program is not None
    told = subprocess.run([program, "-v"], check=False, capture_output=True, text=True)
    return (told.stdout or told.stderr).partition("\n")[0]
