"""A service in development: served by ``poe dev``, and called as a newcomer does."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.harness.running.processes import Running, free_port, running
from tests.harness.running.services import Service


def call(url: str, body: Any = None) -> tuple[int, Any]:
    """Get a URL, or post a body to it; return the status, and what came."""
    request = urllib.request.Request(url, headers={"Content-Type": "application/json"})
    request.data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=10) as response:
        text = response.read().decode()
        return response.status, json.loads(text) if "json" in response.headers["Content-Type"] else text


def answers(url: str) -> bool:
    """Tell whether a URL is answered with 200."""
    try:
        return call(url)[0] == 200
    except OSError:
        return False


@contextmanager
def developing(service: Service, *options: str, **variables: str) -> Iterator[tuple[Running, str]]:
    """Serve a service by ``poe dev`` for a while; give the command, and the address of the service once it is ready."""
    port = free_port()
    env = {**service.uv_variables, "PORT": str(port), **variables}
    with running("uv", "run", "poe", "dev", *options, cwd=service.folder, env=env) as dev:
        base = f"http://127.0.0.1:{port}"
        dev.wait_for("/health/ready answers 200", lambda: answers(f"{base}/health/ready"))
        yield dev, base
