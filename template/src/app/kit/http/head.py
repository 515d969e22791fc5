"""HEAD where GET is: the same status and headers, and no body (RFC 9110, section 9.3.2)."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.kit.http.routing import route_for


class HeadAsGet:
    """Serves HEAD by the endpoint of GET, unless what serves GET does that itself, as files that are mounted do.

    The response is complete with its headers. A stream then sees a client that has left: it ends, and gives back what
    it holds, whatever it would have sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; endpoints see a GET, and middleware sees what the client sent."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})
            else:
                # So that a stream that never waits sees that the client has left, too.
                await asyncio.sleep(0)

        serving = route_for(scope, "GET")
        as_get = serving is not None and serving is not route_for(scope, "HEAD")
        # The server reads its own scope, to know whether the response has a body.
        inner = {**scope, "method": "GET"} if as_get else scope
        try:
            await self._app(inner, receive, send_head)
        finally:
            scope.update({**inner, "method": "HEAD"})
