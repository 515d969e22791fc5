"""Serves the application with reload, and answers for it while it does not run: uvicorn lets all clients wait then."""

import ast
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from uvicorn import Config, Server
from uvicorn.supervisors.statreload import StatReload

_MESSAGE = b"The service does not run: its terminal says why.\n"
_RESPONSE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\n\r\n%s"
) % (len(_MESSAGE), _MESSAGE)

_PATIENCE = 0.2  # seconds for a client to send its request


class _Reload(StatReload):
    """Uvicorn's reload, which starts the service anew after a change.

    relies on: `should_restart` is called several times a second, `restart` after a change, `process` is what serves.
    """

    # When the migration before this began, in nanoseconds since 1970: a revision written since may not have been in it.
    migrated_at = 0

    _said = False
    _seen: Mapping[Path, int] = MappingProxyType({})
    _migrated: Mapping[Path, str] = MappingProxyType({})

    def should_restart(self) -> list[Path] | None:
        if self.process.is_alive():
            self._said = False
        else:
            self._stand_in()
        # To uvicorn, a file that was not there before is no change, nor is what changes while it restarts.
        revisions = (path for path, changed in _revisions().items() if self._seen.get(path) != changed)
        return super().should_restart() or sorted(revisions) or None

    def startup(self) -> None:
        self._seen = {path: changed for path, changed in _revisions().items() if changed < self.migrated_at}
        self._migrated = {path: _code(path) for path in self._seen}
        super().startup()

    def restart(self) -> None:
        """Start the service anew, and before that migrate its database if there are other revisions than before."""
        self._seen = _revisions()
        found = {path: _code(path) for path in self._seen}
        if changed := sorted(path for path in found if found[path] != self._migrated.get(path)):
            self._migrated = found if self._migrate(changed) else {}
        super().restart()

    def _migrate(self, changed: list[Path]) -> bool:
        """Say which revisions have changed that were run before, migrate, and return whether that succeeded."""
        print("Migrating the database to the latest revision.", flush=True)
        for path in changed:
            if path in self._migrated:
                print(
                    f"{path} has changed. What the database has run of it before stays as it is: take it back by "
                    "`uv run poe downgrade`, and then run it by `uv run poe migrate`.",
                    flush=True,
                )
        done = subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], check=False)
        if done.returncode:
            print("The migration failed. It is tried again when a file in src changes.", flush=True)
        return done.returncode == 0

    def _stand_in(self) -> None:
        if not self._said:
            print("The service has ended. It is started again when a file in src changes.", flush=True)
            self._said = True
        (listener,) = self.sockets
        listener.listen()
        while select.select([listener], [], [], 0)[0]:
            client, _ = listener.accept()
            with client, suppress(OSError):
                _refuse(client)


def _revisions() -> dict[Path, int]:
    """Return when each revision was changed."""
    found = {}
    for path in Path("src/app/migrations/versions").glob("*.py"):
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


def _code(path: Path) -> str:
    """Return what a file says, however it is formatted."""
    try:
        text = path.read_text(encoding="utf-8")
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return text
    except FileNotFoundError:
        return ""


def _refuse(client: socket.socket) -> None:
    client.settimeout(_PATIENCE)
    with suppress(TimeoutError):
        client.recv(1 << 16)
    client.sendall(_RESPONSE)


def main(host: str, port: int, migrated_at: int) -> None:
    """Serve until SIGINT or SIGTERM. The database was migrated by what was there at a time, in ns since 1970."""
    config = Config(
        "app.asgi:app",
        host=host,
        port=port,
        reload=True,
        reload_dirs=["src"],
        server_header=False,
        access_log=False,
        timeout_graceful_shutdown=1,  # second, for which open streams hold up a reload or the end
    )
    reload = _Reload(config, target=Server(config).run, sockets=[config.bind_socket()])
    reload.migrated_at = migrated_at
    reload.run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
