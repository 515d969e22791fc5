"""Refuses requests for host names that are not the service's own."""

import re
from collections.abc import Collection
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.kit.http.middleware import OPERATIONS_PATHS, path_within
from app.kit.http.problems import problem

_HOST: Final = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]*)?", re.IGNORECASE)


class TrustedHosts:
    """Refuses, with 400, a request for another host: whoever chooses the host chooses where redirects lead.

    Starlette's own responds in plain text, and refuses probes too, which ask by the address of the container.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._names = frozenset(hosts)
        self._suffixes = tuple(host.removeprefix("*") for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or refuse it."""
        if scope["type"] == "lifespan" or path_within(scope) in OPERATIONS_PATHS or self._is_trusted(scope):
            await self._app(scope, receive, send)
            return
        await problem(400, "This service has no such host name.", kind="untrusted-host")(scope, receive, send)

    def _is_trusted(self, scope: Scope) -> bool:
        named = [_HOST.fullmatch(value) for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1 or named[0] is None:
            return False
        host = named[0][1].decode().lower()
        return host in self._names or host.endswith(self._suffixes)
