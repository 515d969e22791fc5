"""Balancers in front of several services, set up as the documents of a service say it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.harness.running.live_service import HOST, LiveService
from tests.harness.running.processes import free_port, running
from tests.harness.running.servers import install_package

NOTICED_AFTER = 3.0
"""Seconds after which a balancer that asks every second sends requests to a service that is there again."""

_PROGRAMS = {"haproxy": "haproxy", "nginx": "nginx-light"}
"""Balancers, and the packages of the distribution that they are in."""

_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin"

_SERVERS = re.compile(r"^.*10\.0\.0\.\d:8000.*\n", re.MULTILINE)

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


def version_of(name: str) -> str:
    """What a balancer says about itself."""
    program = find_balancer(name)
    assert program is not None
    told = subprocess.run([program, "-v"], check=False, capture_output=True, text=True)
    return (told.stdout or told.stderr).partition("\n")[0]


def documented(service: Path, name: str) -> str:
    """The configuration of a balancer in the documents of a service."""
    text = service.joinpath("docs/scaling.md").read_text(encoding="utf-8")
    (configuration,) = re.findall(rf"^```{name}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(configuration)


@contextmanager
def balanced(name: str, configuration: str, ports: Sequence[int], folder: Path) -> Iterator[LiveService]:
    """Run a balancer in front of the services that listen at these ports; it sends requests to all of them.

    Args:
        name: Which one, a name that :func:`find_balancer` knows.
        configuration: As the documents have it, for the first three servers of 10.0.0.0/8.
        ports: Of the services, on this machine.
        folder: For what it writes.
    """
    program = find_balancer(name)
    assert program is not None, f"{name} is missing, and could not be installed"
    port = free_port()
    text = re.sub(r"^(\s*(?:bind|listen) )\S*?80(;?)$", rf"\g<1>{HOST}:{port}\2", configuration, flags=re.MULTILINE)
    assert f"{HOST}:{port}" in text
    text = _with_servers(text, ports)
    user = "user root; " if os.geteuid() == 0 else ""
    folder.joinpath("configuration").write_text(_AROUND[name].format(text=text, user=user), encoding="utf-8")
    with running(program, *_COMMANDS[name], cwd=folder, env={}) as process:
        live = LiveService(process, port)
        live.wait_until_ready()
        # All of them, not the first.
        time.sleep(NOTICED_AFTER)
        yield live


def _with_servers(text: str, ports: Sequence[int]) -> str:
    """Name these servers in place of those of the documents, each in a line like that of the first."""
    lines = _SERVERS.findall(text)
    first, *_ = lines
    named = [first.replace(" one ", f" at{port} ").replace("10.0.0.1:8000", f"{HOST}:{port}") for port in ports]
    return text.replace("".join(lines), "".join(named))
