"""Serves the application with reload, and answers for it while it does not run: uvicorn lets all clients wait then."""

import select
import socket
import sys
from contextlib import suppress
from pathlib import Path

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

    relies on: `should_restart` is called several times a second, and `process` is what serves.
    """

    _said = False

    def should_restart(self) -> list[Path] | None:
        if self.process.is_alive():
            self._said = False
        else:
            self._stand_in()
        return super().should_restart()

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


def _refuse(client: socket.socket) -> None:
    client.settimeout(_PATIENCE)
    with suppress(TimeoutError):
        client.recv(1 << 16)
    client.sendall(_RESPONSE)


def main(host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
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
    _Reload(config, target=Server(config).run, sockets=[config.bind_socket()]).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
