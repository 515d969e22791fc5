"""Responses that stream rows."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class JsonLinesResponse(StreamingResponse):
    """A stream of JSON lines that gives back its connection however it ends.

    Build it with `start`, which waits for the first chunk: what goes wrong until then, such as a database that
    cannot be reached, is answered as an error and not with a 200 that breaks off.
    """

    media_type = "application/jsonl"

    # FastAPI reads the documented status from this signature.
    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], status_code: int = 200) -> None:
        self._rest = rest
        super().__init__(self._chunks(first), status_code)

    @classmethod
    async def start(cls, chunks: AsyncGenerator[bytes, None]) -> "JsonLinesResponse":
        """Fetch the first chunk and return a response that sends it and the rest."""
        return cls(await anext(chunks, b""), chunks)

    async def _chunks(self, first: bytes) -> AsyncIterator[bytes]:
        yield first
        async for chunk in self._rest:
            yield chunk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the chunks, and close their source also when the client has left before the first."""
        async with aclosing(self._rest):
            await super().__call__(scope, receive, send)
