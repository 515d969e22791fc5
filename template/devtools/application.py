"""Migrates the service's database and serves the service with reload, for `poe dev`."""

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from devtools.supervisor import Supervised

PROJECT = Path(__file__).resolve().parents[1]

_HOST = "127.0.0.1"
_LOOK_AROUND = 1.0  # seconds


def say(message: str) -> None:
    """Tell the developer what happens, in order with the output of the programs that are started."""
    print(message, flush=True)


def exit_on_signals() -> None:
    """Let Ctrl-C, SIGTERM and a closed terminal end this program in good order, with all that it started.

    Exits with a message on Windows, where servers cannot be supervised.
    """
    if sys.platform == "win32":
        sys.exit("`poe dev` runs on Linux and macOS: on Windows use WSL.")
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signals.append(signal.SIGHUP)

    def leave(_signal: int, _frame: FrameType | None) -> NoReturn:
        for each in signals:  # a second Ctrl-C would interrupt the stopping
            signal.signal(each, signal.SIG_IGN)
        sys.exit(0)

    for each in signals:
        signal.signal(each, leave)


def is_configured(name: str) -> bool:
    """Tell whether the environment or `.env` sets a variable, and not to nothing."""
    if os.environ.get(name):
        return True
    try:
        text = (PROJECT / ".env").read_text(encoding="utf-8-sig", errors="replace")
    except OSError:  # which is said when the settings are checked, unless there is no such file
        return False
    assignment = rf"^[ \t]*(?:export[ \t]+)?{name}[ \t]*=[ \t]*[\"']?[^\s#\"']"
    return re.search(assignment, text, re.MULTILINE | re.IGNORECASE) is not None


def choose_port() -> int:
    """Return the port that PORT names, 8000 by default. Exits with a message if it is not free."""
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        sys.exit(f"PORT is {text!r}: set it to a number from 1 to 65535.")
    port = int(text)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            sys.exit(f"Port {port} cannot be used ({error.strerror}): stop what uses it, or choose another with PORT.")
    return port


def check_settings(**variables: str) -> None:
    """Exit with a message if the service cannot use its settings, of which some variables are given here.

    A server with reload would not end: it would wait for a change of the code.
    """
    _run("-c", "from app.settings import load_settings; load_settings()", env=os.environ | variables)


def migrate_and_serve(port: int, meanwhile: Callable[[], None] | None = None) -> None:
    """Bring the database to the latest revision, then serve until the service or this program is stopped.

    While it serves, `meanwhile` is called every second. Exits with a message if the migration fails.
    """
    if not is_configured("LOG_FORMAT"):
        os.environ["LOG_FORMAT"] = "console"
    # No balancer waits for anything, and a reload need not.
    os.environ["DRAIN_SECONDS"] = "0"

    say("Migrating the database to the latest revision.")
    migrated_at = time.time_ns()
    _run("-m", "alembic", "upgrade", "head", failed="The migration failed, so nothing is served.")

    say(f"Serving on http://{_HOST}:{port}, with the documentation at http://{_HOST}:{port}/docs. Ctrl-C stops.")
    reloader = [sys.executable, "-m", "devtools.reloader", _HOST, str(port), str(migrated_at)]
    with Supervised(reloader, cwd=PROJECT) as server:
        sys.exit(_wait(server, meanwhile))


def _run(*arguments: str, env: Mapping[str, str] | None = None, failed: str = "") -> None:
    """Run Python in the project to its end. If that fails, say so and exit with the same code."""
    with Supervised([sys.executable, *arguments], cwd=PROJECT, env=env) as program:
        code = program.wait()
    if code:
        if failed:
            say(failed)
        sys.exit(code)


def _wait(server: Supervised, meanwhile: Callable[[], None] | None) -> int:
    """Wait for the end of the server. Under `uv run`, a SIGKILL ends uv alone, so that counts as an end too."""
    parent = os.getppid() if "UV_RUN_RECURSION_DEPTH" in os.environ else None
    while (code := server.wait(_LOOK_AROUND)) is None:
        if parent not in (None, os.getppid()):
            return 0
        if meanwhile is not None:
            meanwhile()
    return code
