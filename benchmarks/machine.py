"""What a run was made on and with: without that, its figures cannot be compared with others."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import psycopg

from tests.harness.running.services import Service

_SHOWN = (
    *("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "sqlalchemy", "asyncpg", "psycopg"),
    *("structlog", "prometheus-client"),
)


def describe(service: Service, database_url: str) -> dict[str, str]:
    """Describe the machine, the server, and the libraries of a service."""
    with psycopg.connect(database_url) as connection:
        server = str(connection.execute("SHOW server_version").fetchone()[0])  # type: ignore[index]
        settings = connection.execute(
            "SELECT string_agg(name || ' ' || setting, ', ' ORDER BY name) FROM pg_settings "
            "WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'shared_buffers')"
        ).fetchone()
    return {
        "Machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "Python": service.run(service.program("python"), "--version").output.split()[-1],
        "PostgreSQL": f"{server}, on the same machine ({settings[0] if settings else ''})",
        "Load": _wrk_version(),
        "Libraries": _libraries(service),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _wrk_version() -> str:
    # It prints its version, then how it is used, and ends with 1.
    printed = subprocess.run(["wrk", "-v"], check=False, capture_output=True, text=True).stdout
    return " ".join(printed.split()[:2]) + ", on the same machine"


def _libraries(service: Service) -> str:
    listed = service.run("uv", "pip", "list", "--format", "freeze", "--python", service.environment, "--quiet").output
    versions = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    return ", ".join(f"{name} {versions[name]}" for name in _SHOWN if name in versions)
