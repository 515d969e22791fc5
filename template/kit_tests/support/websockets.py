"""WebSockets without a network: what the application sends, message by message."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Scope


async def converse(
    asgi: ASGIApp,
    path: str,
    *messages: str,
    headers: Iterable[tuple[bytes, bytes]] = (),
    can_refuse: bool = True,
    leave: bool = True,
) -> Sequence[Message]:
    """Open a WebSocket, send these messages, leave or stay, and return what the application sent.

    `can_refuse` says whether the server can send a response in place of the handshake.
    """
    received: asyncio.Queue[Message] = asyncio.Queue()
    received.put_nowait({"type": "websocket.connect"})
    for text in messages:
        received.put_nowait({"type": "websocket.receive", "text": text})
    if leave:
        received.put_nowait({"type": "websocket.disconnect", "code": 1001})
    extensions: dict[str, Any] = {"websocket.http.response": {}} if can_refuse else {}
    scope: Scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"test"), *headers],
        "client": ("127.0.0.1", 1234),
        "server": ("test", 80),
        "subprotocols": [],
        "extensions": extensions,
    }
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(60):
        await asgi(scope, received.get, send)
    return sent
